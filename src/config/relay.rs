//! `[relay]`

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::declare::section;
use super::ice::Confidential;
use super::problem::Problem;
use super::server::both_families;
use super::value::{Cidr, PortRange};
use crate::ids::Secret;

/// Whoever was given a name and its password can try secrets on them, as fast as a machine can.
const FEWEST_SECRET_BYTES: usize = 16;

section! {
    /// The relay (STUN and TURN over UDP, TCP and TLS), which carries calls that firewalls would stop.
    Relay, "relay" {
        /// Whether it runs.
        enabled: bool = true => Offered;
        /// Addresses and ports to answer on, by UDP and TCP. On a machine without IPv6 the IPv6 ones are passed over.
        listen: Vec<SocketAddr> = both_families(3478);
        /// Addresses and TCP ports to answer on by TLS. An empty list is none. The ports of `server.listen` answer as well.
        listen_tls: Vec<SocketAddr> = both_families(5349);
        /// The IPv4 address of this machine to relay from. Found by itself when left out.
        address: Option<Ipv4Addr> = None, for example "192.0.2.10";
        /// The IPv4 address under which others reach `address`, when this machine stands behind a router that translates it.
        external_address: Option<Ipv4Addr> = None, for example "203.0.113.7" => Offered;
        /// Whether to relay to IPv6 too, where this machine has a public IPv6 address.
        ipv6: bool = true;
        /// The IPv6 address of this machine to relay from. Found by itself when left out; without one, IPv4 alone is relayed.
        address_ipv6: Option<Ipv6Addr> = None, for example "2001:db8::10";
        /// The UDP ports to relay from. A firewall must let them in.
        ports: PortRange = PortRange { first: 49152, last: 65535 };
        /// How long the passwords handed out for the relay are good, in seconds.
        credential_ttl_seconds: u32 = 3600 => Live, Offered;
        /// A file with a secret of 16 characters or more, from which other software makes passwords of its own for this relay
        /// (what coturn calls use-auth-secret). Its users have the limits of a participant. Without it nobody but
        /// participants may relay. To make one: openssl rand -hex 32
        shared_secret_file: Option<PathBuf> = None, for example "/etc/hearth/relay-secret";
        /// Ranges of private addresses that the relay may send to, such as "10.1.0.0/16" where people are in the same local
        /// network. Without them it reaches public addresses only.
        allow_peers: Vec<Cidr> = Vec::new();
        /// How many relayed connections (allocations) there may be at once, and how many TCP and TLS connections of clients. Each
        /// participant who needs the relay has one or a few.
        max_allocations: u32 = 2000 => Live, Offered;
        /// How many of them one network address may hold: a whole office often shares one. It may have as many TCP and TLS
        /// connections.
        max_allocations_per_address: u32 = 128 => Live, Offered;
        /// How many of them one participant of a meeting may hold. Browsers hold one for each way to the relay (UDP, TCP and TLS)
        /// and each of the other participants.
        max_allocations_per_participant: u32 = 32 => Live;
        /// What one relayed connection may send, and as much what it may receive, in kilobits per second.
        max_kbps_per_allocation: u32 = 8000 => Live, Offered;
        /// What one participant may send by all of its relayed connections, and as much what it may receive, in kilobits per second.
        max_kbps_per_participant: u32 = 32000 => Live, Offered;
        /// What may pass through the relay in all, in kilobits per second. No limit when left out.
        max_kbps: Option<u32> = None, for example "100000" => Live, Offered;
        /// How many requests without a valid password one network address gets answered in a second by UDP. By TCP and TLS, where
        /// nobody can ask in the name of another address, it is 16 times as many.
        challenges_per_second: u32 = 10 => Live;
        /// How many times in a second one network address may ask for its own address (STUN) by UDP; 16 times as many by TCP and TLS.
        bindings_per_second: u32 = 20 => Live;
        /// Whether the relay sends a packet through itself at the start and every hour, and says in the log what stops it.
        self_test: bool = true;
        /// How many threads relay. When left out, one for each processor, up to 4, and on other systems than Linux one.
        threads: Option<u32> = None, for example "1";
    }
}

impl Relay {
    /// The secret that other software makes passwords from, where it may, read from its file.
    ///
    /// # Errors
    /// When the file can't be read, or what it holds could be guessed.
    pub fn shared_secret(&self) -> Result<Option<Secret<String>>, Problem> {
        let secret = self.shared_secret_file.clone().map(|path| Confidential::File(path).reveal()).transpose()?;
        if secret.as_ref().is_some_and(|secret| secret.expose().len() < FEWEST_SECRET_BYTES) {
            let mend = "write at least 16 characters into the file; openssl rand -hex 32 makes good ones";
            return Err(Problem::new("relay.shared_secret_file", "the secret in it could be guessed", mend));
        }
        Ok(secret)
    }
}
