//! Which peers a relay may exchange packets with.
//!
//! A relay that forwards to any address is a door into the network it stands in: to the machine's own services, the LAN, and the
//! cloud's metadata service. So everything is forbidden that is not plain public unicast, and every address of this machine too;
//! except the relay's own live ports, through which two relayed participants meet, and what the administrator lists.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::server::ClientSocket;

/// IPv4 ranges that are not public unicast (the IANA special-purpose registry and multicast), and one public address that a
/// large cloud uses for its internal services.
const FORBIDDEN_V4: [(Ipv4Addr, u8); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The one IPv6 block of public unicast. All else is forbidden by standing outside of it: `::`, `::1`, IPv4-compatible and
/// IPv4-mapped addresses, NAT64, discard, unique-local, link-local, site-local, multicast.
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges within [`PUBLIC_V6`] that are special: protocol assignments with Teredo in them, documentation, 6to4, AS112.
const FORBIDDEN_V6: [(Ipv6Addr, u8); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// How many former addresses of the relay are remembered: an allocation lives on at most for as long as it is refreshed, and a machine whose
/// addresses change more often than that has none worth keeping.
const MAX_FORMER: usize = 8;

/// Whether `address` is plain public unicast, by the tables alone.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !FORBIDDEN_V4.iter().any(|&(net, prefix)| contains_v4(net, prefix, address)),
        IpAddr::V6(address) => {
            contains_v6(PUBLIC_V6.0, PUBLIC_V6.1, address)
                && !FORBIDDEN_V6.iter().any(|&(net, prefix)| contains_v6(net, prefix, address))
        }
    }
}

/// The peer policy of one relay with what it depends on: this machine's addresses, the live relay ports, the allowed ranges.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// Relay addresses as bound, each with the address that peers know it by.
    published: Vec<(IpAddr, IpAddr)>,
    /// The same of addresses that were relayed at before, the latest first: relay sockets may still be bound to them.
    former: Vec<(IpAddr, IpAddr)>,
    allowed: Vec<(IpAddr, u8)>,
    local: HashSet<IpAddr>,
    /// The client behind each live relay port, by the address that is bound.
    live: HashMap<SocketAddr, ClientSocket>,
}

impl Peers {
    /// `published` pairs every address that relay sockets are bound to with the one advertised for it.
    pub(super) fn new(published: Vec<(IpAddr, IpAddr)>, allowed: Vec<(IpAddr, u8)>) -> Self {
        Self { published, allowed, ..Self::default() }
    }

    /// Replaces the list of this machine's own addresses. True when it is another one.
    pub(super) fn set_local(&mut self, addresses: HashSet<IpAddr>) -> bool {
        let changed = self.local != addresses;
        self.local = addresses;
        changed
    }

    /// Advertises `known` for the address that relay sockets are bound to at `bound`. True when that is news.
    pub(super) fn publish(&mut self, bound: IpAddr, known: IpAddr) -> bool {
        let pair = self.published.iter_mut().find(|(address, _)| *address == bound);
        pair.is_some_and(|pair| std::mem::replace(&mut pair.1, known) != known)
    }

    /// Relays at other addresses from now on, paired as for [`Peers::new`]. True when that is news.
    pub(super) fn move_to(&mut self, published: Vec<(IpAddr, IpAddr)>) -> bool {
        let same = |one: &[(IpAddr, IpAddr)]| one.iter().map(|(bound, _)| *bound).eq(published.iter().map(|(bound, _)| *bound));
        if same(&self.published) {
            return false;
        }
        let before = std::mem::replace(&mut self.published, published);
        let stays = |bound: IpAddr| self.published.iter().any(|(other, _)| *other == bound);
        let former = before.into_iter().chain(std::mem::take(&mut self.former)).filter(|(bound, _)| !stays(*bound));
        self.former = former.take(MAX_FORMER).collect();
        true
    }

    /// Notes that a relay socket for `owner` is bound to `address`.
    pub(super) fn opened(&mut self, address: SocketAddr, owner: ClientSocket) {
        self.live.insert(address, owner);
    }

    /// Notes that the relay socket of `address` is gone.
    pub(super) fn closed(&mut self, address: SocketAddr) {
        self.live.remove(&address);
    }

    /// The client whose live relay port `peer` is, written with either of its addresses.
    pub(super) fn owner(&self, peer: SocketAddr) -> Option<ClientSocket> {
        self.live.get(&self.bound(peer)).copied()
    }

    /// Whether there is an address of this family to relay at.
    pub(super) fn serves(&self, ipv6: bool) -> bool {
        self.published.iter().any(|(bound, _)| bound.is_ipv6() == ipv6)
    }

    /// Whether a relay may send to `peer` and take packets from it. `peer` may be written with the bound or the advertised address.
    pub(super) fn allows(&self, peer: SocketAddr) -> bool {
        if peer.port() == 0 {
            return false;
        }
        if self.owner(peer).is_some() {
            return true;
        }
        let ip = peer.ip();
        let own = self.local.contains(&ip) || self.pairs().any(|(bound, known)| ip == bound || ip == known);
        // A wide allowed range, such as the whole LAN, must not open this machine's own services: they need naming one by one.
        let named = |&(net, prefix): &(IpAddr, u8)| prefix == max_prefix(net) || net.is_loopback();
        let listed = self.allowed.iter().any(|range| contains(*range, ip) && (!(own || ip.is_loopback()) || named(range)));
        listed || (is_public(ip) && !own)
    }

    /// `peer` as it is bound, if it is one of our own relays written with the address of a 1:1 NAT.
    fn bound(&self, peer: SocketAddr) -> SocketAddr {
        self.pairs()
            .map(|(bound, known)| (SocketAddr::new(bound, peer.port()), known))
            .find(|&(bound, known)| known == peer.ip() && self.live.contains_key(&bound))
            .map_or(peer, |(bound, _)| bound)
    }

    /// The address that clients know the sender `source` by; the reverse of [`Peers::bound`].
    pub(super) fn known(&self, source: SocketAddr) -> SocketAddr {
        let known = self.pairs().find(|&(bound, _)| bound == source.ip());
        known.map_or(source, |(_, known)| SocketAddr::new(known, source.port()))
    }

    /// All addresses that relay sockets may be bound to, each with the one advertised for it.
    fn pairs(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        self.published.iter().chain(&self.former).copied()
    }
}

const fn max_prefix(net: IpAddr) -> u8 {
    if net.is_ipv4() { 32 } else { 128 }
}

fn contains((net, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => contains_v4(net, prefix, address),
        (IpAddr::V6(net), IpAddr::V6(address)) => contains_v6(net, prefix, address),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn contains_v4(net: Ipv4Addr, prefix: u8, address: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    (net.to_bits() ^ address.to_bits()) & mask == 0
}

fn contains_v6(net: Ipv6Addr, prefix: u8, address: Ipv6Addr) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
    (net.to_bits() ^ address.to_bits()) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::super::server::Transport;
    use super::*;

    fn peer(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    fn client() -> ClientSocket {
        let (local, remote) = (peer("198.41.0.4", 3478), peer("8.8.8.8", 4000));
        ClientSocket { transport: Transport::Udp, local, remote }
    }

    fn forbidden(addresses: &[&str]) {
        let peers = Peers::default();
        for address in addresses {
            assert!(!peers.allows(peer(address, 5000)), "{address} was allowed");
        }
    }

    #[test]
    fn t6_this_host_is_forbidden() {
        forbidden(&["127.0.0.1", "127.1.2.3", "127.255.255.255", "0.0.0.0", "0.1.2.3", "::1", "::"]);
    }

    #[test]
    fn t7_ipv4_mapped_addresses_are_forbidden() {
        forbidden(&["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8"]);
    }

    #[test]
    fn t8_embedded_spellings_are_forbidden() {
        forbidden(&["::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::", "64:ff9b:1:ffff::1", "2001:0:7f00:1::"]);
        forbidden(&["2002:0808:0808::1", "64:ff9b::8.8.8.8"]);
    }

    #[test]
    fn t9_link_local_unique_local_and_cloud_metadata_are_forbidden() {
        forbidden(&["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "fc00::1", "fdff::1", "fec0::1", "feff::1"]);
        forbidden(&["fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"]);
    }

    #[test]
    fn t10_special_ranges_are_forbidden_to_their_last_address() {
        forbidden(&["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"]);
        forbidden(&["100.64.0.0", "100.127.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.1", "198.51.100.1", "203.0.113.1"]);
        forbidden(&["198.18.0.0", "198.19.255.255", "240.0.0.0", "255.255.255.255", "224.0.0.1", "239.255.255.255"]);
        forbidden(&["192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1"]);
        forbidden(&["ff00::", "ff02::1", "2001:db8::1", "2001:1ff::1", "3fff::1", "5f00::1", "100::1", "2620:4f:8000::1"]);
    }

    #[test]
    fn public_addresses_next_to_the_special_ranges_are_allowed() {
        let peers = Peers::default();
        for address in ["8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "128.0.0.1", "172.15.255.255"] {
            assert!(peers.allows(peer(address, 5000)), "{address} was forbidden");
        }
        for address in ["172.32.0.0", "223.255.255.255", "198.20.0.0", "2001:4860::8888", "2a00::1", "2003::1", "3ffe::1"] {
            assert!(peers.allows(peer(address, 5000)), "{address} was forbidden");
        }
        assert!(!peers.allows(peer("8.8.8.8", 0)), "port 0 is no peer");
    }

    #[test]
    fn t10_listed_ranges_are_allowed_and_no_more() {
        let peers = Peers::new(vec![], vec![("10.1.0.0".parse().unwrap(), 16), ("fd00::".parse().unwrap(), 64)]);
        assert!(peers.allows(peer("10.1.255.255", 1)));
        assert!(peers.allows(peer("fd00::7", 1)));
        for address in ["10.2.0.0", "fd00:0:0:1::", "::ffff:10.1.0.1", "127.0.0.1"] {
            assert!(!peers.allows(peer(address, 1)), "{address} was allowed");
        }
    }

    #[test]
    fn t11_own_address_is_open_on_live_relay_ports_only() {
        let own: IpAddr = "198.41.0.4".parse().unwrap();
        let mut peers = Peers::new(vec![(own, own)], vec![]);
        peers.opened(SocketAddr::new(own, 50_000), client());
        assert!(peers.allows(SocketAddr::new(own, 50_000)));
        for port in [22, 443, 3478, 9100, 50_001] {
            assert!(!peers.allows(SocketAddr::new(own, port)), "{port} was allowed");
        }
        peers.closed(SocketAddr::new(own, 50_000));
        assert!(!peers.allows(SocketAddr::new(own, 50_000)));
    }

    #[test]
    fn t11_behind_a_nat_own_relays_are_reached_directly_by_either_address() {
        let (bound, known): (IpAddr, IpAddr) = ("10.0.0.5".parse().unwrap(), "198.41.0.4".parse().unwrap());
        let mut peers = Peers::new(vec![(bound, known)], vec![]);
        peers.opened(SocketAddr::new(bound, 50_000), client());
        assert!(peers.allows(SocketAddr::new(known, 50_000)) && peers.allows(SocketAddr::new(bound, 50_000)));
        assert!(!peers.allows(SocketAddr::new(known, 443)) && !peers.allows(SocketAddr::new(bound, 443)));
        assert_eq!(peers.owner(SocketAddr::new(known, 50_000)), Some(client()));
        assert_eq!(peers.owner(SocketAddr::new(known, 443)), None);
        assert_eq!(peers.known(SocketAddr::new(bound, 50_000)), SocketAddr::new(known, 50_000));
    }

    #[test]
    fn r39_what_is_open_at_a_former_address_stays_open_and_nothing_else_of_it_is() {
        let [old, new, known] = ["10.0.0.5", "10.0.0.6", "198.41.0.4"].map(|text| text.parse::<IpAddr>().unwrap());
        let mut peers = Peers::new(vec![(old, known)], vec![]);
        peers.opened(SocketAddr::new(old, 50_000), client());
        assert!(peers.move_to(vec![(new, new)]) && !peers.move_to(vec![(new, new)]));
        assert_eq!(peers.owner(SocketAddr::new(known, 50_000)), Some(client()));
        assert_eq!(peers.known(SocketAddr::new(old, 50_000)), SocketAddr::new(known, 50_000));
        for forbidden in [old, new, known] {
            assert!(!peers.allows(SocketAddr::new(forbidden, 443)), "{forbidden}");
        }
        // However often it moves, and wherever to, little is remembered.
        for last in 1..=100 {
            peers.move_to(vec![(IpAddr::from([198, 41, 1, last]), known)]);
        }
        peers.move_to(vec![(new, new)]);
        assert_eq!((peers.pairs().count(), peers.pairs().filter(|(bound, _)| *bound == new).count()), (1 + MAX_FORMER, 1));
    }

    #[test]
    fn t12_interface_addresses_are_forbidden_even_within_a_listed_range() {
        let (lan, near): (IpAddr, IpAddr) = ("192.168.1.10".parse().unwrap(), "192.168.1.11".parse().unwrap());
        let mut peers = Peers::new(vec![], vec![("192.168.0.0".parse().unwrap(), 16), ("0.0.0.0".parse().unwrap(), 0)]);
        let public: IpAddr = "198.41.0.4".parse().unwrap();
        assert!(peers.allows(SocketAddr::new(public, 80)));
        peers.set_local(HashSet::from([lan, public]));
        assert!(!peers.allows(SocketAddr::new(lan, 80)));
        assert!(!peers.allows(SocketAddr::new(public, 80)));
        assert!(!peers.allows(peer("127.0.0.1", 80)), "a range around loopback opens no loopback");
        assert!(peers.allows(SocketAddr::new(near, 80)));
        let mut named = Peers::new(vec![], vec![(lan, 32), ("127.0.0.0".parse().unwrap(), 8)]);
        named.set_local(HashSet::from([lan, "127.0.0.1".parse().unwrap()]));
        assert!(named.allows(SocketAddr::new(lan, 80)) && named.allows(peer("127.0.0.1", 80)));
    }
}
