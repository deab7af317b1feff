//! The peer policy told a second time, in other words than the relay's own: what nothing may ever be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether a relay with these addresses of its own, and with these ranges opened by its administrator, may send to `peer`.
pub fn may_send_to(peer: SocketAddr, own: impl IntoIterator<Item = IpAddr>, listed: &[(IpAddr, u8)]) -> bool {
    let ip = peer.ip();
    let is_own = own.into_iter().any(|address| address == ip);
    let by_itself = listed.contains(&(ip, if ip.is_ipv4() { 32 } else { 128 }));
    let in_range = listed.iter().any(|range| is_within(ip, *range));
    peer.port() != 0 && (by_itself || !is_own && !ip.is_loopback() && (in_range || is_public(ip)))
}

fn is_within(ip: IpAddr, (net, prefix): (IpAddr, u8)) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().iter().map(|byte| format!("{byte:08b}")).collect::<String>(),
        IpAddr::V6(ip) => ip.octets().iter().map(|byte| format!("{byte:08b}")).collect::<String>(),
    };
    ip.is_ipv4() == net.is_ipv4() && bits(ip).starts_with(&bits(net)[..usize::from(prefix)])
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let by_nature = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation() || ip.is_multicast();
    let by_registry = match ip.octets() {
        [0 | 240..=255, ..] => true,
        [100, 64..=127, ..] | [198, 18 | 19, ..] => true,
        [192, 0, 0, _] | [192, 31, 196, _] | [192, 52, 193, _] | [192, 88, 99, _] | [192, 175, 48, _] => true,
        cloud => cloud == [168, 63, 129, 16],
    };
    !by_nature && !by_registry
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x2620, 0x4f, 0x8000, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}
