//! How many files and sockets this program may have open.

use super::finding::{Check, Finding};

/// With fewer than this some dozens of people use them up.
const TOO_FEW: u64 = 512;
/// The server takes up to 10,000 connections, and the relay a socket for each allocation.
const ENOUGH: u64 = 8192;

const MEND: &str =
    "write LimitNOFILE=65536 into the unit (sudo systemctl edit hearth), or raise the limit of the shell: ulimit -n 65536";

/// The most it may have; `None` where there is no limit. It raises its own limit to this at the start.
pub(super) fn look() -> Option<u64> {
    #[cfg(unix)]
    {
        rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum
    }
    #[cfg(not(unix))]
    None
}

pub(super) fn judge(most: Option<u64>) -> Finding {
    const CHECK: Check = Check::OpenFiles;
    match most {
        None => Finding::good(CHECK, "There is no limit of open files."),
        Some(most) if most < TOO_FEW => {
            Finding::bad(CHECK, format!("Only {most} files and sockets may be open: some dozens of people use them up."), MEND)
        }
        Some(most) if most < ENOUGH => {
            Finding::warning(CHECK, format!("Only {most} files and sockets may be open, fewer than a busy day needs."), MEND)
        }
        Some(most) => Finding::good(CHECK, format!("{most} files and sockets may be open.")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::*;

    #[rstest]
    #[case(None, Outcome::Good)]
    #[case(Some(1_048_576), Outcome::Good)]
    #[case(Some(8192), Outcome::Good)]
    #[case(Some(1024), Outcome::Warning)]
    #[case(Some(256), Outcome::Bad)]
    fn o10_open_files_are_counted(#[case] most: Option<u64>, #[case] outcome: Outcome) {
        assert_eq!(judge(most).outcome, outcome);
    }
}
