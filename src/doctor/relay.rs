//! Whether a packet goes through the relay, tried as a client would.

use super::Settings;
use super::finding::{Check, Finding};
use crate::turn::{self, Fault, Step, probe};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    /// The relay is switched off.
    Off,
    /// The server doesn't run.
    Stopped,
    /// Its key can't be read.
    NoKey,
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
    let Some(test) = &relay.test else { return Facts::NoKey };
    probe::test(test).await.map_or(Facts::NoAddress, Facts::Tested)
}

pub(super) fn judge(settings: &Settings, facts: &Facts) -> Finding {
    const CHECK: Check = Check::Relay;
    let Some(relay) = &settings.relay else {
        return Finding::skipped(CHECK, "The relay inside is switched off (relay.enabled).");
    };
    let (port, range) = (relay.port(), relay.range());
    match *facts {
        Facts::Off => Finding::skipped(CHECK, "The relay inside is switched off (relay.enabled)."),
        Facts::Stopped => Finding::skipped(CHECK, "The relay can be tried only while the server runs."),
        Facts::NoKey => Finding::skipped(
            CHECK,
            "This user may not read the relay's key, so the relay was not tried; run this as the server's user, for example with \
             sudo -u hearth.",
        ),
        Facts::NoAddress => Finding::bad(
            CHECK,
            "The relay has no address that others can reach, and helps nobody.",
            "set relay.address to an address of this machine, or restart the server when its network is up",
        ),
        Facts::Tested(turn::Finding::Works | turn::Finding::OnlyInside) => {
            Finding::good(CHECK, "A packet went through the relay.")
        }
        Facts::Tested(turn::Finding::Broken { at, fault }) => match fault {
            Fault::Silent => Finding::bad(
                CHECK,
                format!("The relay does not answer at {at} by UDP: likely a firewall of this machine stops it."),
                format!("sudo ufw allow {port} && sudo ufw allow {}/udp", range.replace('-', ":")),
            ),
            Fault::Unsent(error) => Finding::bad(
                CHECK,
                format!("This machine can't send to its own relay at {at} ({error})."),
                format!("bring the network up, and let the firewall send UDP to port {port}"),
            ),
            Fault::Stranger => Finding::bad(
                CHECK,
                format!("Something else than this relay answers at {at}."),
                format!("correct relay.external_address, or let the router forward UDP {port} to this machine"),
            ),
            Fault::Refused { step: Step::Allocate, code: 508 } => Finding::bad(
                CHECK,
                format!("The relay could open none of its ports {range} (508)."),
                "widen relay.ports, raise LimitNOFILE, or correct relay.address",
            ),
            Fault::Refused { step, code } => Finding::bad(
                CHECK,
                format!("The relay refused {step} with {code}, which should not happen."),
                "restart the server: sudo systemctl restart hearth",
            ),
            Fault::Lost => Finding::bad(
                CHECK,
                format!("The relay granted everything at {at}, but no packet came through."),
                format!("sudo ufw allow {}/udp; and see whether relay.max_kbps is too small", range.replace('-', ":")),
            ),
        },
    }
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
        for facts in [Facts::Off, Facts::Stopped, Facts::NoKey] {
            assert_eq!(outcome(facts), Outcome::Skipped);
        }
    }
}
