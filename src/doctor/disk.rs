//! Room on the disk.

use std::path::Path;

use super::finding::{Check, Finding};

const MIB: u64 = 1024 * 1024;
/// Below this the store takes no more writes.
const TOO_LITTLE: u64 = 64 * MIB;
/// A week of backups and a long log fit into this.
const ENOUGH: u64 = 512 * MIB;

/// Free bytes where the data lie or will lie; `None` where that can't be told.
pub(super) fn look(data_dir: &Path) -> Option<u64> {
    let absolute = std::path::absolute(data_dir).ok()?;
    let existing = absolute.ancestors().find(|path| path.exists())?;
    free_bytes(existing)
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let statistics = rustix::fs::statvfs(path).ok()?;
    let full = statistics.f_files > 0 && statistics.f_favail == 0;
    Some(if full { 0 } else { statistics.f_bavail.saturating_mul(statistics.f_frsize) })
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

pub(super) fn judge(data_dir: &Path, free: Option<u64>) -> Finding {
    const CHECK: Check = Check::Disk;
    let Some(free) = free else { return Finding::skipped(CHECK, "How much room there is can't be told on this system.") };
    let (shown, place) = (free / MIB, data_dir.display());
    let mend =
        format!("find out what takes the room: sudo du -xh --max-depth=2 / | sort -h | tail; or move server.data_dir ({place})");
    if free < TOO_LITTLE {
        Finding::bad(CHECK, format!("Only {shown} MiB are free for the data; below 64 MiB nothing is stored any more."), mend)
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
    #[case(Some(TOO_LITTLE - 1), Outcome::Bad)]
    #[case(Some(TOO_LITTLE), Outcome::Warning)]
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
