//! Which of the sockets that the service manager passed is for what.
//!
//! Where one was passed for a purpose, the addresses that the configuration names for that purpose are not bound: the unit decides.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::config::Config;
use crate::lifecycle::sockets::{Label, Passed};

/// What nobody expects anything but plain HTTP at.
const HTTP_PORT: u16 = 80;

/// What somebody connects for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The page and the API.
    Https,
    /// The way from plain HTTP to the page, and the questions of a certificate authority.
    Http,
    /// STUN and TURN.
    Relay,
    /// STUN and TURN over TLS.
    RelayTls,
}

/// The configuration with the addresses of the passed sockets in place of those that it named.
///
/// # Errors
/// When the relay got a socket that it can't use.
pub(super) fn settle(mut config: Config, passed: &Passed) -> Result<Config> {
    let for_datagrams_too = |label: &Label| passed.datagrams().any(|other| other.local == label.local);
    let purpose = |label: &Label| match purpose(label, &config) {
        // Whatever the settings say by now: nobody but the relay is asked by datagrams.
        Purpose::Https if label.name != "https" && for_datagrams_too(label) => Purpose::Relay,
        purpose @ (Purpose::Https | Purpose::Http | Purpose::Relay | Purpose::RelayTls) => purpose,
    };
    let streams: Vec<(Purpose, &Label)> = passed.streams().map(|label| (purpose(label), label)).collect();
    let at = |wanted| streams.iter().filter(move |(purpose, _)| *purpose == wanted).map(|(_, label)| *label);
    let for_relay = || passed.datagrams().chain(at(Purpose::Relay));
    if let Some(label) = for_relay().chain(at(Purpose::RelayTls)).find(|label| label.takes_both) {
        bail!(
            "the relay can't use {}, which takes IPv4 and IPv6 at once; write BindIPv6Only=ipv6-only into the socket unit, and a line for \
             each of 0.0.0.0 and [::]",
            label.local
        );
    }
    let (https, http) = (addresses(at(Purpose::Https)), addresses(at(Purpose::Http)));
    let (relay, relay_tls) = (addresses(for_relay()), addresses(at(Purpose::RelayTls)));
    for (wanted, named) in [
        (https, &mut config.server.listen),
        (http, &mut config.server.listen_http),
        (relay, &mut config.relay.listen),
        (relay_tls, &mut config.relay.listen_tls),
    ] {
        if !wanted.is_empty() {
            tracing::info!(addresses = ?wanted, "listening on sockets that the service manager holds");
            *named = wanted;
        }
    }
    Ok(config)
}

/// Warns of those that nothing took: whoever connects there waits in vain.
pub(super) fn warn_of_unused(passed: &Passed) {
    for address in passed.left() {
        tracing::warn!(%address, "nothing answers on a socket that the service manager passed; remove it from the socket unit");
    }
}

/// By name where the unit gives it one that we know, else by port.
fn purpose(label: &Label, config: &Config) -> Purpose {
    let names = |addresses: &[SocketAddr]| addresses.iter().any(|address| address.port() == label.local.port());
    match label.name.as_str() {
        "https" => Purpose::Https,
        "http" => Purpose::Http,
        "relay" => Purpose::Relay,
        "relay-tls" => Purpose::RelayTls,
        _ if names(&config.relay.listen) => Purpose::Relay,
        _ if names(&config.relay.listen_tls) => Purpose::RelayTls,
        _ if label.local.port() == HTTP_PORT || names(&config.server.listen_http) => Purpose::Http,
        _ => Purpose::Https,
    }
}

/// Each address once: several UDP sockets may share one.
fn addresses<'a>(labels: impl Iterator<Item = &'a Label>) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for label in labels {
        if !addresses.contains(&label.local) {
            addresses.push(label.local);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn stream() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn passed_sockets_take_the_place_of_what_the_configuration_names_for_the_same_purpose() {
        let (page, tls, udp) = (stream(), stream(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let at = [page.local_addr().unwrap(), tls.local_addr().unwrap(), udp.local_addr().unwrap()];
        let mut passed = Passed::default();
        passed.add_stream("hearth.socket", page).unwrap();
        passed.add_stream("relay-tls", tls).unwrap();
        passed.add_datagrams("hearth.socket", udp).unwrap();
        let settled = settle(Config::default(), &passed).unwrap();
        assert_eq!(
            (settled.server.listen, settled.relay.listen_tls, settled.relay.listen),
            (vec![at[0]], vec![at[1]], vec![at[2]])
        );
        let nothing = settle(Config::default(), &Passed::default()).unwrap();
        assert_eq!(nothing, Config::default());
    }

    #[test]
    fn without_a_name_that_we_know_the_port_tells_what_a_socket_is_for() {
        let (relay, tls) = (stream(), stream());
        let mut config = Config::default();
        config.relay.listen = vec![SocketAddr::from(([0; 4], relay.local_addr().unwrap().port()))];
        config.relay.listen_tls = vec![SocketAddr::from(([0; 4], tls.local_addr().unwrap().port()))];
        let label = |name: &str, socket: &TcpListener| {
            let local = socket.local_addr().unwrap();
            Label { name: name.to_owned(), local, takes_both: false }
        };
        assert_eq!(purpose(&label("hearth.socket", &relay), &config), Purpose::Relay);
        assert_eq!(purpose(&label("", &tls), &config), Purpose::RelayTls);
        assert_eq!(purpose(&label("https", &relay), &config), Purpose::Https, "a name that we know says more than a port");
        assert_eq!(purpose(&label("unknown", &stream()), &config), Purpose::Https);
        let port_80 = Label { name: String::from("hearth.socket"), local: SocketAddr::from(([0; 4], 80)), takes_both: false };
        assert_eq!(purpose(&port_80, &config), Purpose::Http);
    }

    #[test]
    fn the_relay_refuses_a_socket_for_both_families_and_says_how_to_mend_the_unit() {
        let Ok(both) = UdpSocket::bind("[::]:0") else { return };
        if socket2::SockRef::from(&both).only_v6().unwrap() {
            return;
        }
        let mut passed = Passed::default();
        passed.add_datagrams("", both).unwrap();
        let error = settle(Config::default(), &passed).unwrap_err().to_string();
        assert!(error.contains("BindIPv6Only=ipv6-only"), "{error}");
    }
}
