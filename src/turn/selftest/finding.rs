//! What a test found, in words: the likely cause, and what to do about it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

/// What a test of the relay by itself found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A packet went from one allocation to another through the advertised address.
    Works,
    /// It works at this machine's own address. The advertised one doesn't answer from here, which is usual behind a router.
    OnlyInside,
    /// It doesn't work.
    Broken {
        /// Where it was asked.
        at: SocketAddr,
        /// What went wrong there.
        fault: Fault,
    },
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answered.
    Silent,
    /// The system would not send the question.
    Unsent(io::ErrorKind),
    /// Something else than this relay answered.
    Stranger,
    /// The relay refused a request.
    Refused {
        /// Which.
        step: Step,
        /// With which code (RFC 8656 §19).
        code: u16,
    },
    /// All was granted, but the packet didn't come out.
    Lost,
}

/// A request of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// For an allocation.
    Allocate,
    /// For a permission.
    Permit,
    /// For the end of an allocation.
    Free,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocate => "an allocation",
            Self::Permit => "a permission",
            Self::Free => "the end of an allocation",
        })
    }
}

/// Where the relay is, for the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// An address of this machine at which it listens.
    pub(super) own: SocketAddr,
    /// Where people are told to find it.
    pub(super) advertised: SocketAddr,
    /// Where it relays.
    pub(super) ports: RangeInclusive<u16>,
}

impl Places {
    /// The same relay, with the address outside by which people find it when one is known.
    pub(super) fn seen_at(&self, outside: Option<Ipv4Addr>) -> Self {
        let advertised = outside.map_or(self.advertised, |outside| SocketAddr::from((outside, self.advertised.port())));
        Self { advertised, ..self.clone() }
    }
}

impl Finding {
    /// Whether the relay did what it is for, at the address that people are told or, where that one can't be asked from here, at
    /// its own.
    pub const fn works(self) -> bool {
        match self {
            Self::Works | Self::OnlyInside => true,
            Self::Broken { .. } => false,
        }
    }

    /// One sentence for the log: what is so, and where it isn't as it should be, the likely cause and the mend.
    pub(super) fn told(self, places: &Places) -> String {
        let Places { own, advertised, ports } = places;
        let (port, first, last) = (own.port(), ports.start(), ports.end());
        match self {
            Self::Works => format!("the relay works: a packet went through it at {advertised}"),
            Self::OnlyInside => format!(
                "the relay works, but its outside address {advertised} does not answer from here; many routers don't return \
                 packets that are sent to their own outside address, and then nothing is wrong; if people outside can't connect, \
                 let the router forward UDP and TCP port {port} and UDP ports {first}-{last} to {}, and check \
                 relay.external_address",
                own.ip()
            ),
            Self::Broken { at, fault } => fault.told(at, places),
        }
    }
}

impl Fault {
    fn told(self, at: SocketAddr, Places { own, ports, .. }: &Places) -> String {
        let (port, first, last) = (own.port(), ports.start(), ports.end());
        match self {
            Self::Silent => format!(
                "the relay does not work: no answer from {at} by UDP; likely a firewall of this machine stops it, or relay.address \
                 is no address of this machine any more; open UDP and TCP port {port} and UDP ports {first}-{last}, for example with \
                 `ufw allow {port}` and `ufw allow {first}:{last}/udp`"
            ),
            Self::Unsent(error) => format!(
                "the relay could not be tested: this machine can't send to {at} ({error}); likely its network is down, or a \
                 firewall forbids it to send; allow UDP to port {port}"
            ),
            Self::Stranger => format!(
                "the relay can't be reached: something else than this relay answers at {at}; likely relay.external_address is not \
                 the address of this site, or the router forwards port {port} to another machine; let it forward to {}",
                own.ip()
            ),
            Self::Refused { step: Step::Allocate, code: 508 } => format!(
                "the relay does not work: no relay port could be opened (508); likely all of {first}-{last} are taken, or no more \
                 files may be open, or relay.address is no address of this machine any more; widen relay.ports, or set \
                 relay.address"
            ),
            Self::Refused { step, code } => format!(
                "the relay does not work: at {at} it refused {step} with {code}, which should not happen; restart it, and report it \
                 if that does not help"
            ),
            Self::Lost => format!(
                "the relay does not work: at {at} it granted everything, but no packet came through; likely relay.max_kbps is used \
                 up, or a firewall of this machine stops UDP ports {first}-{last}; open them with `ufw allow {first}:{last}/udp`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_but_the_good_one_names_a_likely_cause_and_a_mend() {
        let (own, advertised) = ("10.0.0.5:3478".parse().unwrap(), "203.0.113.7:3478".parse().unwrap());
        let places = Places { own, advertised, ports: 49_152..=65_535 };
        assert_eq!(Finding::Works.told(&places), "the relay works: a packet went through it at 203.0.113.7:3478");
        let inside = Finding::OnlyInside.told(&places);
        assert!(inside.contains("203.0.113.7:3478 does not answer") && inside.contains("nothing is wrong"), "{inside}");
        assert!(inside.contains("forward UDP and TCP port 3478 and UDP ports 49152-65535 to 10.0.0.5"), "{inside}");
        let cases = [
            (Fault::Silent, "ufw allow 49152:65535/udp"),
            (Fault::Unsent(io::ErrorKind::NetworkUnreachable), "network unreachable"),
            (Fault::Stranger, "relay.external_address is not the address of this site"),
            (Fault::Refused { step: Step::Allocate, code: 508 }, "widen relay.ports"),
            (Fault::Refused { step: Step::Permit, code: 403 }, "refused a permission with 403"),
            (Fault::Refused { step: Step::Free, code: 437 }, "refused the end of an allocation with 437"),
            (Fault::Lost, "relay.max_kbps"),
        ];
        for (fault, mend) in cases {
            let told = Finding::Broken { at: own, fault }.told(&places);
            assert!(told.contains(mend) && !told.contains('\n') && !told.contains("  "), "{told}");
        }
    }
}
