//! Room on the disk.

use std::path::Path;

use super::finding::{Check, Finding};
use crate::store::{self, MIN_FREE_BYTES, Space};

const MIB: u64 = 1024 * 1024;
/// A week of backups and a long log fit into this.
const ENOUGH: u64 = 512 * MIB;

/// Free bytes where the data lie or will lie; `None` where that can't be told.
pub(super) fn look(data_dir: &Path) -> Option<u64> {
    let absolute = std::path::absolute(data_dir).ok()?;
    let existing = absolute.ancestors().find(|path| path.exists())?;
    let Space { free, takes_files, .. } = store::space(existing).ok()?;
    Some(if takes_files { free } else { 0 })
}

pub(super) fn judge(data_dir: &Path, free: Option<u64>) -> Finding {
    const CHECK: Check = Check::Disk;
    let Some(free) = free else { return Finding::skipped(CHECK, "How much room there is can't be told on this system.") };
    let (shown, place) = (free / MIB, data_dir.display());
    let mend =
        format!("find out what takes the room: sudo du -xh --max-depth=2 / | sort -h | tail; or move server.data_dir ({place})");
    if free < MIN_FREE_BYTES {
        Finding::bad(
            CHECK,
            format!("Only {shown} MiB are free for the data; below {} MiB nothing is stored any more.", MIN_FREE_BYTES / MIB),
            mend,
        )
    } else if free < ENOUGH {
        Finding::warning(CHECK, format!("Only {shown} MiB are free for the data."), mend)
    } else {
        Finding::good(CHECK, format!("{shown} MiB are free for the data."))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::*;

    #[rstest]
    #[case(None, Outcome::Skipped)]
    #[case(Some(0), Outcome::Bad)]
    #[case(Some(MIN_FREE_BYTES - 1), Outcome::Bad)]
    #[case(Some(MIN_FREE_BYTES), Outcome::Warning)]
    #[case(Some(ENOUGH), Outcome::Good)]
    fn o10_room_on_the_disk_is_judged_by_what_the_store_needs(#[case] free: Option<u64>, #[case] outcome: Outcome) {
        assert_eq!(judge(Path::new("/data"), free).outcome, outcome);
    }

    #[test]
    fn o10_room_is_found_for_a_directory_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        assert!(look(&dir.path().join("not/yet")).is_some());
    }
}
