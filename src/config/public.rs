//! Which names and addresses a public authority would vouch for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names that belong to nobody in particular (RFC 2606, RFC 6761, RFC 6762, RFC 8375, RFC 9476, ICANN's `internal`) and some that
/// routers are fond of.
const NOBODYS: [&str; 19] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "example.com",
    "example.net",
    "example.org",
    "fritz.box",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "test",
];

/// Whether `host` may be known to everybody: a name below a public domain, or an address that is routed everywhere.
pub(super) fn is_public(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(address)) => is_routed_v4(address),
        Ok(IpAddr::V6(address)) => is_routed_v6(address),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            let is_below = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            host.contains('.') && !NOBODYS.iter().any(|name| is_below(name))
        }
    }
}

fn is_routed_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocols = (a, b, c) == (192, 0, 0) || (a == 198 && (b == 18 || b == 19));
    !(is_special || is_shared || is_protocols || a == 0 || a >= 224)
}

/// Everything routed so far lies in 2000::/3, and some of that is not.
fn is_routed_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (a & 0xe000) == 0x2000 && !(a == 0x2001 && (b == 0xdb8 || b < 0x200)) && (a, b & 0xf000) != (0x3fff, 0)
}
