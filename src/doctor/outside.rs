//! The test from outside: a link that works once, and what a phone that opened it reports of its way to the relay.
//!
//! Nothing of it is written down. The link's secret is kept as its hash, there is one link at a time, and it is good for ten
//! minutes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::Settings;
use super::finding::{Check, Finding};
use super::machine::Machine;
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, Secret, random_bytes};

/// How long a link is good.
pub const LINK_LIFE: Duration = Duration::from_secs(600);
/// How often one link may be opened: a page may have to be loaded again.
const OPENINGS: u8 = 3;
/// The longest reason that is kept, in characters.
const MAX_REASON_CHARS: usize = 200;

/// A way to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// By UDP.
    Udp,
    /// By TCP.
    Tcp,
    /// By TLS, on the port of the page.
    Tls,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];
}

/// How far the phone got on one way (RFC 8445 §5.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// It has an address of its own.
    pub host: bool,
    /// It learnt the address that it has outside.
    pub reflexive: bool,
    /// It was given an address of the relay.
    pub relayed: bool,
    /// What its browser says about what it did not get.
    pub reason: Option<String>,
}

/// A link that is good no more, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This link has been used or is too old. Make a new one.")]
pub struct LinkInvalid;

/// How the test stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Until when the link is good.
    pub expires_at: Timestamp,
    /// Somebody has opened it.
    pub opened: bool,
    /// Everything has been reported.
    pub done: bool,
    /// What was found, as far as it has been reported.
    pub findings: Vec<Finding>,
}

/// The test, where one was asked for.
#[derive(Default)]
pub struct Outside(Mutex<Option<Test>>);

struct Test {
    secret_hash: [u8; 32],
    /// Whose relay credentials the phone is given. No meeting has this participant.
    participant: ParticipantId,
    expires_at: Timestamp,
    openings: u8,
    findings: BTreeMap<Lane, Finding>,
}

impl Test {
    fn is_done(&self) -> bool {
        self.findings.len() == Lane::ALL.len()
    }
}

impl Outside {
    /// A new link's secret, and until when it is good. The link before is good no more.
    pub fn prepare(&self, now: Timestamp) -> (Secret<String>, Timestamp) {
        let secret = BASE64URL_NOPAD.encode(&random_bytes::<24>());
        let expires_at = now.plus(LINK_LIFE);
        *self.test() = Some(Test {
            secret_hash: hash(&secret),
            participant: ParticipantId::random(),
            expires_at,
            openings: 0,
            findings: BTreeMap::new(),
        });
        (Secret::new(secret), expires_at)
    }

    /// Lets a phone begin. The participant is the one whose credentials it gets.
    ///
    /// # Errors
    /// When the link is not good any more.
    pub fn open(&self, secret: &str, now: Timestamp) -> Result<ParticipantId, LinkInvalid> {
        let mut held = self.test();
        let test = valid(&mut held, secret, now)?;
        if test.openings == OPENINGS {
            return Err(LinkInvalid);
        }
        test.openings += 1;
        Ok(test.participant)
    }

    /// Whether a report about this way is waited for.
    ///
    /// # Errors
    /// When the link is not good any more.
    pub(super) fn expects(&self, secret: &str, lane: Lane, now: Timestamp) -> Result<(), LinkInvalid> {
        awaiting(&mut self.test(), secret, lane, now).map(drop)
    }

    /// Takes what was found on one way. Each way is reported once, and with the last one the link is used up.
    ///
    /// # Errors
    /// When the link is not good any more.
    pub(super) fn report(&self, secret: &str, lane: Lane, finding: Finding, now: Timestamp) -> Result<(), LinkInvalid> {
        awaiting(&mut self.test(), secret, lane, now)?.findings.insert(lane, finding);
        Ok(())
    }

    /// How the last test stands; `None` before the first.
    pub fn standing(&self) -> Option<Standing> {
        self.test().as_ref().map(|test| Standing {
            expires_at: test.expires_at,
            opened: test.openings > 0,
            done: test.is_done(),
            findings: test.findings.values().cloned().collect(),
        })
    }

    fn test(&self) -> MutexGuard<'_, Option<Test>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn valid<'a>(held: &'a mut Option<Test>, secret: &str, now: Timestamp) -> Result<&'a mut Test, LinkInvalid> {
    let is_good = |test: &&mut Test| test.secret_hash == hash(secret) && now < test.expires_at && !test.is_done();
    held.as_mut().filter(is_good).ok_or(LinkInvalid)
}

/// The test, where somebody has opened it and nobody has reported about this way.
fn awaiting<'a>(held: &'a mut Option<Test>, secret: &str, lane: Lane, now: Timestamp) -> Result<&'a mut Test, LinkInvalid> {
    let test = valid(held, secret, now)?;
    if test.openings == 0 || test.findings.contains_key(&lane) { Err(LinkInvalid) } else { Ok(test) }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

pub(super) fn judge(settings: &Settings, machine: &Machine, lane: Lane, reached: &Reached) -> Finding {
    let port = settings.relay.as_ref().map_or(3478, |relay| relay.port());
    let page = settings.https_port();
    let (check, way, door, consequence) = match lane {
        Lane::Udp => (Check::OutsideUdp, "UDP", format!("{port}/udp"), "calls by way of the relay will be slow or fail"),
        Lane::Tcp => (Check::OutsideTcp, "TCP", format!("{port}/tcp"), "people whose network stops UDP may not get in"),
        Lane::Tls => (Check::OutsideTls, "TLS", format!("{page}/tcp"), "people behind strict firewalls may not get in"),
    };
    if reached.relayed {
        return Finding::good(check, format!("From outside, the relay is reached by {way}."));
    }
    let reason = reached.reason.as_deref().map(|reason| format!(" (its browser says: {})", plain(reason))).unwrap_or_default();
    let mend = format!(
        "sudo ufw allow {door}; and {}; then try once more, also from another network",
        settings.router_rule(machine.inner())
    );
    let sentence = if !reached.host {
        format!("By {way} the phone tried nothing: its browser has no network or forbids it{reason}.")
    } else if lane == Lane::Udp && reached.reflexive {
        format!("By UDP the phone reached this server, but the relay gave it no address{reason}: {consequence}.")
    } else {
        format!("By {way} the phone didn't reach the relay{reason}: {consequence}.")
    };
    match lane {
        Lane::Udp => Finding::bad(check, sentence, mend),
        Lane::Tcp | Lane::Tls => Finding::warning(check, sentence, mend),
    }
}

/// Words of a stranger's browser, as short text on one line.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::{machine, settings};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn well() -> Reached {
        Reached { host: true, reflexive: true, relayed: true, reason: None }
    }

    #[test]
    fn o10_a_link_is_good_for_ten_minutes_three_openings_and_one_report_of_each_way() {
        let (outside, settings) = (Outside::default(), settings("meet.example.org"));
        assert_eq!(outside.standing(), None);
        assert_eq!(outside.open("", NOW), Err(LinkInvalid));
        let (secret, expires_at) = outside.prepare(NOW);
        let secret = secret.expose();
        assert_eq!(expires_at, NOW.plus(LINK_LIFE));
        let report = |lane| {
            let expected = outside.expects(secret, lane, NOW);
            let taken = outside.report(secret, lane, judge(&settings, &machine(&[]), lane, &well()), NOW);
            assert_eq!(taken, expected);
            taken
        };
        assert_eq!(report(Lane::Udp), Err(LinkInvalid), "nobody has opened it");
        assert_eq!(outside.open(&format!("{secret}x"), NOW), Err(LinkInvalid));
        assert_eq!(outside.open(secret, expires_at), Err(LinkInvalid), "it is too old");
        let openings = [(); 4].map(|()| outside.open(secret, NOW));
        assert!(openings[0].is_ok() && openings[0] == openings[1] && openings[1] == openings[2]);
        assert_eq!(openings[3], Err(LinkInvalid));
        for lane in Lane::ALL {
            assert_eq!(report(lane), Ok(()));
            assert_eq!(report(lane), Err(LinkInvalid), "{lane:?} was reported before");
        }
        let standing = outside.standing().unwrap();
        assert!(standing.opened && standing.done);
        assert!(standing.findings.iter().all(|finding| finding.outcome == Outcome::Good));
        assert_eq!(outside.open(secret, NOW), Err(LinkInvalid));
    }

    #[test]
    fn o10_a_new_link_ends_the_one_before() {
        let outside = Outside::default();
        let (first, _) = outside.prepare(NOW);
        let (second, _) = outside.prepare(NOW);
        assert_eq!(outside.open(first.expose(), NOW), Err(LinkInvalid));
        assert!(outside.open(second.expose(), NOW).is_ok());
    }

    #[rstest]
    #[case(Lane::Udp, true, false, Outcome::Bad, "sudo ufw allow 3478/udp")]
    #[case(Lane::Udp, false, false, Outcome::Bad, "sudo ufw allow 3478/udp")]
    #[case(Lane::Tcp, false, false, Outcome::Warning, "sudo ufw allow 3478/tcp")]
    #[case(Lane::Tls, false, false, Outcome::Warning, "sudo ufw allow 8443/tcp")]
    #[case(Lane::Tls, false, true, Outcome::Good, "")]
    fn o10_each_way_that_fails_has_its_mend(
        #[case] lane: Lane,
        #[case] reflexive: bool,
        #[case] relayed: bool,
        #[case] outcome: Outcome,
        #[case] mend: &str,
    ) {
        let reached = Reached { host: true, reflexive, relayed, reason: Some("701\u{1b}[31m: no answer".repeat(40)) };
        let found = judge(&settings("meet.example.org"), &machine(&["192.168.1.5"]), lane, &reached);
        assert_eq!(found.outcome, outcome);
        assert!(found.sentence.len() < 500 && !found.sentence.contains('\u{1b}'), "{found:?}");
        let told = found.mend.unwrap_or_default();
        assert!(told.contains(mend) && (told.is_empty() || told.contains("to 192.168.1.5")), "{told}");
    }
}
