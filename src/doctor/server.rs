//! Whether there is a server, and one that answers.

use std::path::Path;

use super::Settings;
use super::finding::{Check, Finding};
use crate::control::{self, Hold};

/// What the store's files lie in, once a server has run here.
const STORE: &str = "store";

/// Whether there is a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It answers at some port.
    Runs,
    /// It holds the data and answers at no port.
    Hangs,
    /// Nobody holds the data.
    Absent,
    /// It answers at no port that only it could have, and this user may not look whether it holds the data.
    Hidden,
}

/// `doors` tells of each port whether this program answers there, or one that speaks as it does.
pub(super) async fn presence(settings: &Settings, doors: impl Iterator<Item = (Check, bool)>) -> Presence {
    let answering: Vec<Check> = doors.filter(|(_, ours)| *ours).map(|(check, _)| check).collect();
    // Other programs speak STUN as the relay does; only the page is known for certain.
    if settings.inside || answering.contains(&Check::HttpsPort) {
        return Presence::Runs;
    }
    match control::hold(&settings.data_dir).await {
        Hold::Free => Presence::Absent,
        Hold::Hidden => Presence::Hidden,
        Hold::Held if answering.is_empty() => Presence::Hangs,
        Hold::Held => Presence::Runs,
    }
}

pub(super) fn judge(data_dir: &Path, presence: Presence) -> Finding {
    const CHECK: Check = Check::Server;
    let place = data_dir.display();
    match presence {
        Presence::Runs => Finding::good(CHECK, "Hearth runs here."),
        Presence::Hangs => Finding::bad(
            CHECK,
            format!(
                "A server holds the data in {place}, and answers at none of its ports: it hangs, or has other settings than these."
            ),
            "name its settings with --config; or restart it: sudo systemctl restart hearth, and see journalctl -u hearth -n 50",
        ),
        Presence::Hidden => Finding::skipped(
            CHECK,
            format!("This user may not look into {place}, so it is not known whether Hearth runs; run this with sudo."),
        ),
        Presence::Absent if data_dir.join(STORE).is_dir() => Finding::warning(
            CHECK,
            format!(
                "Hearth doesn't run, though there are data in {place}; its ports were opened for a moment to see whether it could."
            ),
            "sudo systemctl start hearth; why it ended stands in its log: journalctl -u hearth -n 50",
        ),
        Presence::Absent => {
            Finding::skipped(CHECK, "Hearth doesn't run; its ports were opened for a moment to see whether it could.")
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::settings;
    use super::*;

    #[rstest]
    #[case(&[(Check::HttpsPort, true)], Presence::Runs)]
    #[case(&[(Check::HttpsPort, false), (Check::RelayUdpPort, true)], Presence::Absent)]
    #[case(&[], Presence::Absent)]
    #[tokio::test]
    async fn o10_where_nobody_holds_the_data_only_the_page_speaks_for_a_server(
        #[case] doors: &[(Check, bool)],
        #[case] expected: Presence,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: dir.path().to_owned(), ..settings("meet.example.org") };
        assert_eq!(presence(&settings, doors.iter().copied()).await, expected);
        assert_eq!(presence(&Settings { inside: true, ..settings }, doors.iter().copied()).await, Presence::Runs);
    }

    #[test]
    fn o10_a_server_that_has_run_and_does_not_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = |presence| judge(dir.path(), presence).outcome;
        assert_eq!(outcome(Presence::Absent), Outcome::Skipped);
        std::fs::create_dir(dir.path().join(STORE)).unwrap();
        assert_eq!(outcome(Presence::Absent), Outcome::Warning);
        assert_eq!(outcome(Presence::Hangs), Outcome::Bad);
        assert_eq!(outcome(Presence::Hidden), Outcome::Skipped);
        assert_eq!(outcome(Presence::Runs), Outcome::Good);
    }
}
