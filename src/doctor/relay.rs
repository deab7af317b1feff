//! Whether a packet goes through the relay, tried as a client would.

use std::net::SocketAddr;

use super::finding::{Check, Finding};
use super::{NoKey, RelaySettings, Settings};
use crate::turn::{self, Fault, Step, probe};

const CHECK: Check = Check::Relay;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    /// The relay is switched off.
    Off,
    /// The server doesn't run.
    Stopped,
    /// Its key can't be had.
    NoKey(NoKey),
    /// It has no address to relay at.
    NoAddress,
    /// This.
    Tested(turn::Finding),
}

pub(super) async fn try_out(settings: &Settings, running: bool) -> Facts {
    let Some(relay) = &settings.relay else { return Facts::Off };
    if !running {
        return Facts::Stopped;
    }
    match &relay.test {
        Err(why) => Facts::NoKey(why.clone()),
        Ok(test) => probe::test(test).await.map_or(Facts::NoAddress, Facts::Tested),
    }
}

pub(super) fn judge(settings: &Settings, facts: &Facts) -> Finding {
    let Some(relay) = &settings.relay else {
        return Finding::skipped(CHECK, "The relay inside is switched off (relay.enabled).");
    };
    match facts {
        Facts::Off => Finding::skipped(CHECK, "The relay inside is switched off (relay.enabled)."),
        Facts::Stopped => Finding::skipped(CHECK, "The relay can be tried only while the server runs."),
        Facts::NoKey(why) => judge_key(why),
        Facts::NoAddress => Finding::bad(
            CHECK,
            "The relay has no address that others can reach, and helps nobody.",
            "set relay.address to an address of this machine, or restart the server when its network is up",
        ),
        Facts::Tested(turn::Finding::Works | turn::Finding::OnlyInside) => {
            Finding::good(CHECK, "A packet went through the relay.")
        }
        Facts::Tested(turn::Finding::Broken { at, fault }) => judge_fault(relay, *at, *fault),
    }
}

fn judge_key(why: &NoKey) -> Finding {
    match why {
        NoKey::NotMade => Finding::skipped(
            CHECK,
            "The relay has no key in the data directory, so it was not tried; the server makes one when it starts.",
        ),
        NoKey::Forbidden => {
            Finding::skipped(CHECK, "This user may not read the relay's key, so the relay was not tried; run this with sudo.")
        }
        NoKey::Unusable(why) => Finding::bad(
            CHECK,
            format!("The relay was not tried: {why}."),
            "do that before the server starts anew, which it can't with such a key",
        ),
    }
}

fn judge_fault(relay: &RelaySettings, at: SocketAddr, fault: Fault) -> Finding {
    let (port, range) = (relay.port(), relay.range());
    let (sentence, mend) = match fault {
        Fault::Silent => (
            format!("The relay does not answer at {at} by UDP: likely a firewall of this machine stops it."),
            format!("sudo ufw allow {port} && sudo ufw allow {}/udp", range.replace('-', ":")),
        ),
        Fault::Unsent(error) => (
            format!("This machine can't send to its own relay at {at} ({error})."),
            format!("bring the network up, and let the firewall send UDP to port {port}"),
        ),
        Fault::Stranger => (
            format!("Something else than this relay answers at {at}."),
            format!("correct relay.external_address, or let the router forward UDP {port} to this machine"),
        ),
        Fault::Refused { step: Step::Allocate, code: 508 } => (
            format!("The relay could open none of its ports {range} (508)."),
            String::from("widen relay.ports, raise LimitNOFILE, or correct relay.address"),
        ),
        Fault::Refused { step, code } => (
            format!("The relay refused {step} with {code}, which should not happen."),
            String::from("restart the server: sudo systemctl restart hearth"),
        ),
        Fault::Lost => (
            format!("The relay granted everything at {at}, but no packet came through."),
            format!("sudo ufw allow {}/udp; and see whether relay.max_kbps is too small", range.replace('-', ":")),
        ),
    };
    Finding::bad(CHECK, sentence, mend)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::finding::Outcome;
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn o10_every_fault_of_the_relay_has_a_sentence_and_a_mend() {
        let at = "192.0.2.5:3478".parse().unwrap();
        let faults = [
            (Fault::Silent, "sudo ufw allow 3478 && sudo ufw allow 49152:65535/udp"),
            (Fault::Unsent(io::ErrorKind::NetworkUnreachable), "UDP to port 3478"),
            (Fault::Stranger, "relay.external_address"),
            (Fault::Refused { step: Step::Allocate, code: 508 }, "relay.ports"),
            (Fault::Refused { step: Step::Permit, code: 403 }, "restart"),
            (Fault::Lost, "sudo ufw allow 49152:65535/udp"),
        ];
        for (fault, mend) in faults {
            let found = judge(&settings("meet.example.org"), &Facts::Tested(turn::Finding::Broken { at, fault }));
            assert_eq!(found.outcome, Outcome::Bad);
            assert!(found.mend.as_ref().unwrap().contains(mend), "{found:?}");
        }
    }

    #[test]
    fn o10_a_relay_that_works_inside_is_good_and_one_that_can_not_be_tried_is_passed_over() {
        let settings = settings("meet.example.org");
        let outcome = |facts| judge(&settings, &facts).outcome;
        assert_eq!(outcome(Facts::Tested(turn::Finding::Works)), Outcome::Good);
        assert_eq!(outcome(Facts::Tested(turn::Finding::OnlyInside)), Outcome::Good);
        assert_eq!(outcome(Facts::NoAddress), Outcome::Bad);
        for facts in [Facts::Off, Facts::Stopped, Facts::NoKey(NoKey::NotMade), Facts::NoKey(NoKey::Forbidden)] {
            assert_eq!(outcome(facts), Outcome::Skipped);
        }
        assert_eq!(outcome(Facts::NoKey(NoKey::Unusable(String::from("run `chmod 600 relay`")))), Outcome::Bad);
    }
}
