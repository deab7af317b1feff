//! What a check found, in words: one sentence about what is so, and where it isn't as it should be, exactly what mends it.

use std::fmt;

use serde::Serialize;

/// Declares the checks together with the list of them all, which so can't miss one.
macro_rules! checks {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// One thing that is looked at. Programs know it by its name in snake_case, which stays the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Check {
            $($(#[$doc])+ $name,)+
        }

        impl Check {
            /// Every check there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

checks! {
    /// Whether the server runs, and so what the other checks could try.
    Server,
    /// Whether the public name leads here.
    Dns,
    /// Whether HTTPS answers.
    HttpsPort,
    /// Whether plain HTTP answers, where it is to.
    HttpPort,
    /// Whether the relay answers by UDP.
    RelayUdpPort,
    /// Whether the relay answers by TCP.
    RelayTcpPort,
    /// Whether the relay answers by TLS on a port of its own.
    RelayTlsPort,
    /// Whether the firewall of this machine lets people in.
    Firewall,
    /// Whether the clock is right.
    Clock,
    /// Whether the certificate is good now and for a while.
    CertificateDates,
    /// Whether the certificate is good for the public name.
    CertificateNames,
    /// Whether browsers trust the certificate.
    CertificateChain,
    /// Whether a packet goes through the relay.
    Relay,
    /// Whether the relay tells people the address that it has.
    RelayAddress,
    /// Whether the outside address leads back here.
    Hairpin,
    /// Whether the provider translates addresses, so that nobody outside can begin a connection.
    ProviderNat,
    /// Whether a container keeps the relay's ports to itself.
    Container,
    /// Whether enough files and sockets may be open.
    OpenFiles,
    /// Whether there is room on the disk.
    Disk,
    /// Whether IPv6 is there and used.
    Ipv6,
    /// Whether the data can be written.
    DataDir,
    /// Whether the program may see the addresses of this machine.
    Interfaces,
    /// Whether the relay is reached from outside by UDP.
    OutsideUdp,
    /// Whether the relay is reached from outside by TCP.
    OutsideTcp,
    /// Whether the relay is reached from outside by TLS.
    OutsideTls,
}

impl Check {
    /// The name by which programs know it.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned));
        name.expect("a variant without fields is written as its name")
    }
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it should be.
    Good,
    /// It was not looked at, and the sentence says why.
    Skipped,
    /// It works, but not for everybody or not for ever.
    Warning,
    /// It doesn't work.
    Bad,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it stands.
    pub outcome: Outcome,
    /// What is so, for people.
    pub sentence: String,
    /// What mends it: a command, a line of the configuration, or a rule of a router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    pub(super) fn good(check: Check, sentence: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Good, sentence: sentence.into(), mend: None }
    }

    pub(super) fn skipped(check: Check, why: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Skipped, sentence: why.into(), mend: None }
    }

    pub(super) fn warning(check: Check, sentence: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Warning, sentence: sentence.into(), mend: Some(mend.into()) }
    }

    pub(super) fn bad(check: Check, sentence: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Bad, sentence: sentence.into(), mend: Some(mend.into()) }
    }
}

/// Everything that was found, in the order in which people read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One for each check.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many checks came out like this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { outcome, sentence, mend, .. } in &self.findings {
            let word = match outcome {
                Outcome::Good => "good",
                Outcome::Skipped => "skipped",
                Outcome::Warning => "warning",
                Outcome::Bad => "bad",
            };
            writeln!(f, "{word:<9}{}", on_one_line(sentence))?;
            if let Some(mend) = mend {
                writeln!(f, "{:<9}to mend it: {}", "", on_one_line(mend))?;
            }
        }
        match (self.count(Outcome::Bad), self.count(Outcome::Warning)) {
            (0, 0) => writeln!(f, "Nothing is wrong."),
            (0, warnings) => writeln!(f, "Nothing is broken; {warnings} to look at."),
            (bad, 0) => writeln!(f, "{bad} to mend."),
            (bad, warnings) => writeln!(f, "{bad} to mend, {warnings} to look at."),
        }
    }
}

/// Names and errors come from outside; none of them may write lines of its own to a terminal.
fn on_one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o10_a_report_is_a_line_for_each_finding_one_for_each_mend_and_a_sum() {
        let findings = vec![
            Finding::good(Check::Disk, "There is room."),
            Finding::bad(Check::Dns, "It leads\nnowhere.", "add a record"),
            Finding::warning(Check::Ipv6, "There is none.", "ask for it"),
            Finding::skipped(Check::Clock, "Nobody knows."),
        ];
        let told = Report { findings }.to_string();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 7, "{told}");
        assert_eq!(lines[1], "bad      It leads nowhere.");
        assert_eq!(lines[2], "         to mend it: add a record");
        assert_eq!(lines[6], "1 to mend, 1 to look at.");
        assert_eq!(Report::default().to_string(), "Nothing is wrong.\n");
    }

    #[test]
    fn o10_programs_know_checks_and_outcomes_by_names_that_stay() {
        let finding = serde_json::to_value(Finding::bad(Check::RelayUdpPort, "No.", "Do.")).unwrap();
        let expected = serde_json::json!({"check": "relay_udp_port", "outcome": "bad", "sentence": "No.", "mend": "Do."});
        assert_eq!(finding, expected);
        assert_eq!(Check::RelayUdpPort.name(), "relay_udp_port");
        assert_eq!(serde_json::to_value(Outcome::Skipped).unwrap(), "skipped");
    }
}
