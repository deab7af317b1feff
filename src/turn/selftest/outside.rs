//! The address that this machine has outside, when it stands behind a router: asked of STUN servers that the administrator named,
//! and of nobody else.

use std::net::{IpAddr, Ipv4Addr};

use super::finding::Places;
use crate::turn::probe;

/// A STUN server of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunServer {
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
}

/// What is known of the address outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// There is nobody to ask.
    Unasked,
    /// Nobody answered.
    Unknown,
    /// This is it.
    Known(Ipv4Addr),
}

/// Whether people elsewhere can't reach `address`: it is one of those that routers translate (RFC 1918, RFC 6598).
pub(super) const fn is_translated(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private() || (first == 100 && second & 0b1100_0000 == 64)
}

/// Asks the servers, one after the other, for the address that packets from `own` come from.
pub async fn find(own: Ipv4Addr, servers: &[StunServer]) -> Outside {
    for server in servers {
        if let Some(address) = ask(own, server).await {
            return Outside::Known(address);
        }
    }
    if servers.is_empty() { Outside::Unasked } else { Outside::Unknown }
}

async fn ask(own: Ipv4Addr, server: &StunServer) -> Option<Ipv4Addr> {
    match probe::seen_by(server, own.into()).await? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

impl Outside {
    /// One sentence for the log about a relay whose address is `own`, which is translated. `None` when all is well.
    pub(super) fn told(self, own: Ipv4Addr, Places { own: listen, ports, .. }: &Places) -> Option<String> {
        let (port, first, last) = (listen.port(), ports.start(), ports.end());
        match self {
            Self::Known(address) if address == own => None,
            Self::Known(address) => Some(format!(
                "the relay at {own}, which is private, tells people its address outside, {address}, as a STUN server sees it: let the \
                 router forward UDP and TCP port {port} and UDP ports {first}-{last} to {own}, and write external_address = \
                 \"{address}\" into [relay] if that address stays the same"
            )),
            Self::Unasked => Some(format!(
                "only people in the same network can reach the relay at {own}, which is private; if others are to, write the \
                 router's outside address as external_address into [relay]; a STUN server in ice.servers helps to find it"
            )),
            Self::Unknown => Some(format!(
                "only people in the same network can reach the relay at {own}, which is private, and no STUN server of ice.servers \
                 answered when asked for the address outside; write it as external_address into [relay]"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn an_address_outside_is_told_as_the_line_to_write() {
        let own = Ipv4Addr::new(192, 168, 1, 5);
        let listen = SocketAddr::from((own, 3478));
        let places = Places { own: listen, advertised: listen, ports: 49_152..=65_535 };
        let told = Outside::Known(Ipv4Addr::new(203, 0, 113, 7)).told(own, &places).unwrap();
        assert!(told.contains("write external_address = \"203.0.113.7\" into [relay]"), "{told}");
        assert_eq!(Outside::Known(own).told(own, &places), None);
        for outside in [Outside::Unasked, Outside::Unknown] {
            let told = outside.told(own, &places).unwrap();
            assert!(told.contains("as external_address into [relay]") && !told.contains("  "), "{told}");
        }
    }

    #[test]
    fn translated_addresses_are_those_of_rfc_1918_and_of_large_providers() {
        for text in ["10.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"] {
            assert!(is_translated(text.parse().unwrap()), "{text}");
        }
        for text in ["127.0.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "203.0.113.7"] {
            assert!(!is_translated(text.parse().unwrap()), "{text}");
        }
    }
}
