//! Whether the address outside leads back here: a router has to forward the ports, and to return what is sent to its own address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::Type;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Settings;
use super::finding::{Check, Finding};
use super::machine::Machine;
use super::ports::{self, Ports};
use super::server::Presence;
use crate::tls;

const PATIENCE: Duration = Duration::from_secs(3);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    /// Nobody knows the address outside.
    Unknown,
    /// It is this machine's own.
    Own(Ipv4Addr),
    /// It leads here.
    Here(SocketAddr),
    /// Somebody else answers there.
    Elsewhere(SocketAddr),
    /// Nobody answers there.
    Silent(SocketAddr),
}

pub(super) async fn try_out(settings: &Settings, machine: &Machine, outside: Option<Ipv4Addr>, ports: &Ports) -> Facts {
    let Some(outside) = outside else { return Facts::Unknown };
    if machine.has(IpAddr::V4(outside)) {
        return Facts::Own(outside);
    }
    let port = settings.public.as_ref().map_or_else(|| settings.https_port(), |(_, port)| *port);
    let at = SocketAddr::from((outside, port));
    let answer = match ports.presented() {
        Some(own) => compare(at, settings.asked_name(), own.hash).await,
        None if ports.presence() == Presence::Absent => come_back(at, settings.https_port()).await,
        None => return Facts::Unknown,
    };
    match answer {
        None => Facts::Silent(at),
        Some(true) => Facts::Here(at),
        Some(false) => Facts::Elsewhere(at),
    }
}

/// Whether the server there shows the certificate with this hash to whoever asks for `name`; `None` when nobody answers. For another
/// name it may have another certificate.
async fn compare(at: SocketAddr, name: &str, own: [u8; 32]) -> Option<bool> {
    let stream = timeout(PATIENCE, TcpStream::connect(at)).await.ok()?.ok()?;
    let shown = timeout(PATIENCE, tls::shake_hands(stream, name, b"http/1.1")).await;
    Some(shown.is_ok_and(|shown| shown.is_ok_and(|(_, presented)| presented.hash == own)))
}

/// Whether a connection to `at` comes in at our own port, which is opened for it; `None` when nobody answers.
async fn come_back(at: SocketAddr, port: u16) -> Option<bool> {
    let socket = ports::open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Type::STREAM).ok()?;
    let listener = TcpListener::from_std(socket.into()).ok()?;
    let (connected, accepted) = tokio::join!(timeout(PATIENCE, TcpStream::connect(at)), timeout(PATIENCE, listener.accept()));
    matches!(connected, Ok(Ok(_))).then(|| matches!(accepted, Ok(Ok(_))))
}

pub(super) fn judge(settings: &Settings, machine: &Machine, facts: &Facts) -> Finding {
    const CHECK: Check = Check::Hairpin;
    match facts {
        Facts::Unknown => Finding::skipped(CHECK, "The address outside isn't known from here, so it was not tried."),
        Facts::Own(address) => Finding::good(CHECK, format!("No router stands in between: {address} is this machine's own.")),
        Facts::Here(at) => Finding::good(CHECK, format!("The address outside leads here ({at}).")),
        Facts::Elsewhere(at) => Finding::bad(
            CHECK,
            format!("At {at} another server answers: the router leads elsewhere."),
            settings.router_rule(machine.inner()),
        ),
        Facts::Silent(at) => Finding::warning(
            CHECK,
            format!(
                "Nobody answers at {at}, the address outside. Some routers don't return what is sent to their own address; then \
                 only people in this network are stopped, and the outside test tells."
            ),
            settings.router_rule(machine.inner()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::{machine, settings};
    use super::*;

    const AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 443);

    #[rstest]
    #[case(Facts::Unknown, Outcome::Skipped)]
    #[case(Facts::Own(Ipv4Addr::new(203, 0, 113, 7)), Outcome::Good)]
    #[case(Facts::Here(AT), Outcome::Good)]
    #[case(Facts::Elsewhere(AT), Outcome::Bad)]
    #[case(Facts::Silent(AT), Outcome::Warning)]
    fn o10_an_address_outside_has_to_lead_here(#[case] facts: Facts, #[case] outcome: Outcome) {
        let found = judge(&settings("meet.example.org"), &machine(&["192.168.1.5"]), &facts);
        assert_eq!(found.outcome, outcome);
        let rule = "in the router, forward TCP 443 (to port 8443), UDP 3478, TCP 3478 and UDP 49152-65535 to 192.168.1.5";
        assert_eq!(found.mend.as_deref(), matches!(outcome, Outcome::Bad | Outcome::Warning).then_some(rule));
    }
}
