//! The addresses of this machine to relay at, where nobody says which.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::policy;
use crate::interfaces;

/// The addresses to relay at, of each family at most one.
pub type RelayAddresses = (Option<Ipv4Addr>, Option<Ipv6Addr>);

/// The address for [`Settings::relay_ipv4`](super::Settings::relay_ipv4) of a relay that listens at `listen`: the one that this machine reaches the internet
/// from, or one of its others where it has no such route. Loopback only where nobody but this machine can reach the listeners.
pub fn default_relay_ipv4(listen: &[SocketAddr]) -> Option<Ipv4Addr> {
    let loopback = || (!listen.is_empty() && are_loopback(listen)).then_some(Ipv4Addr::LOCALHOST);
    routed_ipv4().or_else(|| first_for_others(interfaces::addresses().unwrap_or_default())).or_else(loopback)
}

/// The public address that this machine reaches the IPv6 internet from, for [`Settings::relay_ipv6`](super::Settings::relay_ipv6).
pub fn default_relay_ipv6() -> Option<Ipv6Addr> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
    // As below: a documentation address, and nothing is sent.
    socket.connect((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V6(address) if policy::is_public(IpAddr::V6(address)) => Some(address),
        IpAddr::V6(_) | IpAddr::V4(_) => None,
    }
}

/// Whether others reach the listeners of a relay, and none of the addresses that it relays at.
pub(super) fn is_out_of_reach(listen: &[SocketAddr], (ipv4, ipv6): RelayAddresses) -> bool {
    let for_others = ipv4.is_some_and(|address| !address.is_loopback()) || ipv6.is_some_and(|address| !address.is_loopback());
    !for_others && !are_loopback(listen)
}

fn are_loopback(listen: &[SocketAddr]) -> bool {
    listen.iter().all(|address| address.ip().is_loopback())
}

fn routed_ipv4() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Connecting a UDP socket chooses a route and sends nothing; the address is one for documentation.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    first_for_others([socket.local_addr().ok()?.ip()])
}

/// The first IPv4 address that others may reach.
fn first_for_others(addresses: impl IntoIterator<Item = IpAddr>) -> Option<Ipv4Addr> {
    addresses.into_iter().find_map(|address| match address {
        IpAddr::V4(address) => {
            let here_alone = address.is_unspecified() || address.is_loopback() || address.is_link_local();
            (!here_alone).then_some(address)
        }
        IpAddr::V6(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

    #[test]
    fn the_default_relay_address_is_one_of_this_machine_that_others_reach() {
        let address = default_relay_ipv4(&[LOOPBACK]).expect("loopback is always there");
        assert!(UdpSocket::bind((address, 0)).is_ok(), "{address} can't be bound");
        assert!(default_relay_ipv4(&[ANY, LOOPBACK]).is_none_or(|address| !address.is_loopback()));
    }

    #[test]
    fn addresses_that_others_can_not_reach_are_passed_over() {
        let first = |addresses: &[&str]| first_for_others(addresses.iter().map(|address| address.parse().unwrap()));
        assert_eq!(first(&["127.0.0.1", "::1", "169.254.7.7", "fe80::1", "10.1.2.3", "192.0.2.7"]), Some([10, 1, 2, 3].into()));
        assert_eq!(first(&["0.0.0.0", "127.0.0.53", "169.254.0.1", "2001:db8::1"]), None);
    }

    #[test]
    fn without_a_way_out_the_default_is_an_address_of_the_local_network_or_none() {
        let inner = "turn::addresses::tests::the_defaults_of_a_machine_without_a_way_out";
        let ways: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];
        let works = |way: &&&[&str]| {
            let tried = Command::new("unshare").args(**way).args(["ip", "link", "set", "lo", "up"]).output();
            tried.is_ok_and(|output| output.status.success())
        };
        let Some(way) = ways.iter().find(works) else {
            // This user may not make a network namespace, or the tools are not there.
            return;
        };
        let mut command = Command::new("unshare");
        command.args(*way).arg(std::env::current_exe().unwrap());
        let output = command.args(["--exact", inner, "--ignored"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    }

    #[test]
    #[ignore = "needs a network of its own, which the test above makes for it"]
    fn the_defaults_of_a_machine_without_a_way_out() {
        let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap();
        if devices.lines().skip(2).any(|line| !line.trim_start().starts_with("lo:")) {
            // A network that somebody uses: nothing is changed.
            return;
        }
        let ip = |arguments: &str| assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
        ip("link set lo up");
        assert_eq!(default_relay_ipv4(&[ANY]), None);
        assert_eq!(default_relay_ipv4(&[LOOPBACK]), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(default_relay_ipv6(), None);
        ip("addr add 169.254.7.7/16 dev lo");
        ip("addr add 10.1.2.3/24 dev lo");
        assert_eq!(default_relay_ipv4(&[ANY]), Some([10, 1, 2, 3].into()));
        assert_eq!(default_relay_ipv4(&[LOOPBACK]), Some([10, 1, 2, 3].into()));
    }

    #[test]
    fn a_relay_is_out_of_reach_when_its_listeners_are_not() {
        let with = |listen, ipv4, ipv6| is_out_of_reach(&[listen], (ipv4, ipv6));
        let (lan, public) = (Some([10, 1, 2, 3].into()), Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
        assert!(with(ANY, None, None) && with(ANY, Some(Ipv4Addr::LOCALHOST), Some(Ipv6Addr::LOCALHOST)));
        assert!(!with(ANY, lan, None) && !with(ANY, None, public));
        assert!(!with(LOOPBACK, Some(Ipv4Addr::LOCALHOST), None), "nobody else can ask for anything");
    }
}
