//! Whether the clock is right: sign-ins, certificates and relay passwords all go by it.
//!
//! Nobody outside is asked. What the system says about its time service counts, and a clock that stands behind what the server
//! itself wrote is wrong, as on a small computer without a battery.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::finding::{Check, Finding};
use crate::clock::{Tick, Timestamp};

/// What systemd-timesyncd leaves when it has set the clock.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
/// How long the system may think about its clock.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much later than now a file may have been written: file systems and networks count differently.
const TOLERANCE: Duration = Duration::from_secs(120);

const MEND: &str = "sudo timedatectl set-ntp true";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    now: Timestamp,
    /// When the server last wrote something, by the clock of then.
    written: Option<Timestamp>,
    /// Whether something keeps the clock right, where the system says so.
    kept: Option<bool>,
}

pub(super) fn look(data_dir: &Path, now: Timestamp) -> Facts {
    let kept = if Path::new(SYNCHRONISED).exists() { Some(true) } else { ask_the_system() };
    Facts { now, written: last_write(data_dir), kept }
}

/// What `timedatectl` says, which knows every time service of the system by the kernel's own account.
fn ask_the_system() -> Option<bool> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Tick::now().plus(PATIENCE);
    while child.try_wait().ok()?.is_none() {
        if Tick::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().ok()?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The newest file of the data, two directories deep.
fn last_write(data_dir: &Path) -> Option<Timestamp> {
    let files = |dir: &Path| fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let below = files(data_dir).flat_map(|entry| files(&entry.path()).collect::<Vec<_>>());
    files(data_dir).chain(below).filter_map(|entry| Timestamp::of_writing(&entry.metadata().ok()?)).max()
}

pub(super) fn judge(facts: &Facts) -> Finding {
    const CHECK: Check = Check::Clock;
    let Facts { now, written, kept } = *facts;
    if let Some(written) = written.filter(|written| *written > now.plus(TOLERANCE)) {
        let sentence = format!("The clock says {now}, but the server has already written files at {written}: it stands behind.");
        return Finding::bad(CHECK, sentence, MEND);
    }
    match kept {
        Some(true) => Finding::good(CHECK, "The clock is kept right by a time service."),
        Some(false) => Finding::warning(CHECK, "No time service keeps the clock right; it will go wrong slowly.", MEND),
        None => Finding::skipped(CHECK, format!("This system doesn't say whether its clock is kept right; it says {now}.")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[rstest]
    #[case(None, Some(true), Outcome::Good)]
    #[case(None, Some(false), Outcome::Warning)]
    #[case(None, None, Outcome::Skipped)]
    #[case(Some(100), Some(true), Outcome::Good)]
    #[case(Some(200), Some(true), Outcome::Bad)]
    fn o10_a_clock_has_to_be_kept_and_not_to_stand_behind(
        #[case] written: Option<u64>,
        #[case] kept: Option<bool>,
        #[case] outcome: Outcome,
    ) {
        let written = written.map(|later| NOW.plus(Duration::from_secs(later)));
        assert_eq!(judge(&Facts { now: NOW, written, kept }).outcome, outcome);
    }

    #[test]
    fn o10_the_newest_file_of_the_data_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(last_write(dir.path()), None);
        fs::create_dir(dir.path().join("store")).unwrap();
        fs::write(dir.path().join("store/db"), "x").unwrap();
        let late = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        fs::File::options().write(true).open(dir.path().join("store/db")).unwrap().set_modified(late).unwrap();
        assert_eq!(last_write(dir.path()), Some(Timestamp::from_millis(4_000_000_000_000)));
    }
}
