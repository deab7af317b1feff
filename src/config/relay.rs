//! `[relay]`

use std::net::{Ipv4Addr, SocketAddr};

use super::declare::section;
use super::server::both_families;
use super::value::{Cidr, PortRange};

section! {
    /// The relay (STUN and TURN over UDP and TCP), which carries calls that firewalls would stop.
    Relay, "relay" {
        /// Whether it runs.
        enabled: bool = true;
        /// Addresses and ports to answer on, by UDP and TCP. On a machine without IPv6 the IPv6 ones are passed over.
        listen: Vec<SocketAddr> = both_families(3478);
        /// The IPv4 address of this machine to relay from. Found by itself when left out.
        address: Option<Ipv4Addr> = None, for example "192.0.2.10";
        /// The IPv4 address under which others reach `address`, when this machine stands behind a router that translates it.
        external_address: Option<Ipv4Addr> = None, for example "203.0.113.7";
        /// The UDP ports to relay from. A firewall must let them in.
        ports: PortRange = PortRange { first: 49152, last: 65535 };
        /// How long the passwords handed out for the relay are good, in seconds.
        credential_ttl_seconds: u32 = 3600;
        /// Ranges of private addresses that the relay may send to, such as "10.1.0.0/16" where people are in the same local
        /// network. Without them it reaches public addresses only.
        allow_peers: Vec<Cidr> = Vec::new();
    }
}
