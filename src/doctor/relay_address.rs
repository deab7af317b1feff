//! Whether the address that the relay tells people is the one that this machine has outside, as a STUN server sees it.

use std::net::Ipv4Addr;

use super::finding::{Check, Finding};
use super::{RelaySettings, Settings, is_private};
use crate::turn::{Outside, find_outside};

const CHECK: Check = Check::RelayAddress;

/// What STUN servers say.
pub(super) async fn ask(settings: &Settings) -> Outside {
    let own = settings.relay.as_ref().and_then(|relay| relay.ipv4).unwrap_or(Ipv4Addr::UNSPECIFIED);
    find_outside(own, &settings.stun_servers).await
}

/// `by_name` is what the public name leads to, for whoever has to write an address down.
pub(super) fn judge(settings: &Settings, seen: Outside, by_name: Option<Ipv4Addr>) -> Finding {
    let Some(relay) = &settings.relay else {
        return Finding::skipped(CHECK, "The relay inside is switched off (relay.enabled).");
    };
    let Some(own) = relay.ipv4 else {
        return Finding::skipped(CHECK, "The relay has no IPv4 address of its own.");
    };
    let told = relay.external.unwrap_or(own);
    match seen {
        Outside::Known(address) if address == told => {
            Finding::good(CHECK, format!("The relay tells people {told}, and from there this machine is seen."))
        }
        Outside::Known(address) if relay.external.is_none() && is_private(own) => Finding::good(
            CHECK,
            format!(
                "The relay at {own} tells people {address}, as a STUN server sees it; if that never changes, {}.",
                line(address)
            ),
        ),
        Outside::Known(address) => {
            let sentence = format!("The relay tells people {told}, but a STUN server sees this machine at {address}.");
            Finding::bad(CHECK, sentence, line(address))
        }
        Outside::Unknown => Finding::warning(
            CHECK,
            "No STUN server of ice.servers answers, so the address outside can't be compared.",
            "correct ice.servers, or let the firewall send UDP to port 3478 and receive the answers",
        ),
        Outside::Unasked => judge_alone(relay, own, by_name),
    }
}

/// What can be said where nobody was asked how this machine is seen.
fn judge_alone(relay: &RelaySettings, own: Ipv4Addr, by_name: Option<Ipv4Addr>) -> Finding {
    let told = relay.external.unwrap_or(own);
    if told.is_loopback() {
        Finding::skipped(CHECK, format!("The relay tells people {told}: it is for this machine alone."))
    } else if !is_private(own) && told == own {
        Finding::good(CHECK, format!("The relay tells people {told}, an address of this machine."))
    } else if relay.external.is_some() {
        let sentence = format!("The relay tells people {told}; a STUN server in ice.servers would let that be compared.");
        Finding::skipped(CHECK, sentence)
    } else {
        let unknown = || String::from("write the router's address outside as external_address into [relay]");
        let sentence = format!("The relay tells people {own}, which only the local network reaches.");
        Finding::warning(CHECK, sentence, by_name.map_or_else(unknown, line))
    }
}

/// The setting that says this address.
fn line(address: Ipv4Addr) -> String {
    format!("write external_address = \"{address}\" into [relay]")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::settings;
    use super::*;

    const LAN: &str = "192.168.1.5";
    const OUTSIDE: &str = "203.0.113.7";

    #[rstest]
    #[case(LAN, Some(OUTSIDE), Some(OUTSIDE), Outcome::Good, "")]
    #[case(LAN, None, Some(OUTSIDE), Outcome::Good, "")]
    #[case(OUTSIDE, None, Some(OUTSIDE), Outcome::Good, "")]
    #[case(OUTSIDE, None, None, Outcome::Good, "")]
    #[case(LAN, Some("198.51.100.9"), Some(OUTSIDE), Outcome::Bad, "external_address = \"203.0.113.7\"")]
    #[case(OUTSIDE, None, Some("198.51.100.9"), Outcome::Bad, "external_address = \"198.51.100.9\"")]
    #[case(LAN, None, None, Outcome::Warning, "external_address = \"192.0.2.80\"")]
    #[case(LAN, Some(OUTSIDE), None, Outcome::Skipped, "")]
    #[case("127.0.0.1", None, None, Outcome::Skipped, "")]
    fn o10_the_address_that_the_relay_tells_is_compared_with_what_others_see(
        #[case] own: &str,
        #[case] external: Option<&str>,
        #[case] seen: Option<&str>,
        #[case] outcome: Outcome,
        #[case] mend: &str,
    ) {
        let mut settings = settings("meet.example.org");
        let relay = settings.relay.as_mut().unwrap();
        relay.ipv4 = Some(own.parse().unwrap());
        relay.external = external.map(|address| address.parse().unwrap());
        let seen = seen.map_or(Outside::Unasked, |address| Outside::Known(address.parse().unwrap()));
        let found = judge(&settings, seen, Some("192.0.2.80".parse().unwrap()));
        assert_eq!(found.outcome, outcome, "{found:?}");
        assert!(found.mend.unwrap_or_default().contains(mend));
    }

    #[test]
    fn o10_a_stun_server_that_does_not_answer_is_told() {
        assert_eq!(judge(&settings("meet.example.org"), Outside::Unknown, None).outcome, Outcome::Warning);
    }
}
