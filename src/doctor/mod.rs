//! The doctor: finds what is wrong with the place where this server stands, and says how to mend it.
//!
//! Each topic has a file with the *facts* about it, a function that gathers them from the system, and a pure one that judges them.
//! Nobody is asked but this machine, its name server, the server's own address, and the STUN servers that the administrator named.
//! From the command line it works beside a running server, which it tries from outside by its ports, and without one, when it opens
//! the ports itself for a moment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::authority::HTTPS_PORT;
use crate::clock::Timestamp;
use crate::turn::{self, Outside, StunServer};

mod certificate;
mod clock;
mod container;
mod data_dir;
mod disk;
mod dns;
mod finding;
mod firewall;
mod hairpin;
mod ipv6;
mod machine;
mod open_files;
pub mod outside;
mod ports;
mod provider_nat;
mod relay;
mod relay_address;
mod rounds;
mod server;

pub use finding::{Check, Finding, Outcome, Report};
pub use rounds::Doctor;

use machine::Machine;

/// What is meant to be so: the configuration, as far as the doctor needs it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name or address that people type, an IPv6 address without brackets, and the port that goes with it.
    pub public: Option<(String, u16)>,
    /// Whether that is one of the internet, so that browsers expect an authority that they know to vouch for it.
    pub of_the_internet: bool,
    /// Where HTTPS is to answer.
    pub https: Vec<SocketAddr>,
    /// Where plain HTTP is to answer, for whoever comes without TLS and for the authority that gives certificates.
    pub http: Vec<SocketAddr>,
    /// Where the data lie.
    pub data_dir: PathBuf,
    /// The relay, where it is to run.
    pub relay: Option<RelaySettings>,
    /// Who may be asked for the address that this machine has outside.
    pub stun_servers: Vec<StunServer>,
    /// Whether it is the running server itself that asks. Then no port is opened for a moment.
    pub inside: bool,
    /// Where the running server should listen and doesn't, because another program was there first. These ports aren't its own.
    pub missing: Vec<SocketAddr>,
}

/// What is meant to be so about the relay.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Where it is to answer by UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where it is to answer by TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// Where it is to relay for IPv4.
    pub ipv4: Option<Ipv4Addr>,
    /// Where it is to relay for IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// Whether it may relay for IPv6 at all.
    pub wants_ipv6: bool,
    /// The address that it tells people instead of its own.
    pub external: Option<Ipv4Addr>,
    /// The ports to relay at.
    pub ports: RangeInclusive<u16>,
    /// What a test of the relay needs.
    pub test: Result<turn::Settings, NoKey>,
}

/// Why there is no key to try the relay with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// The server has made none yet.
    NotMade,
    /// Whoever asks is another user than the server's, and may not read it.
    Forbidden,
    /// There is one that the server would not take. In a sentence, with the mend.
    Unusable(String),
}

impl RelaySettings {
    /// The first port of its own.
    fn port(&self) -> u16 {
        self.listen.first().map_or(3478, SocketAddr::port)
    }

    fn range(&self) -> String {
        format!("{}-{}", self.ports.start(), self.ports.end())
    }
}

impl Settings {
    /// By which name people ask for the server.
    fn asked_name(&self) -> &str {
        self.public.as_ref().map_or("localhost", |(name, _)| name)
    }

    fn https_port(&self) -> u16 {
        self.https.first().map_or(HTTPS_PORT, SocketAddr::port)
    }

    /// What a router in front of the machine at `own` must be told.
    fn router_rule(&self, own: IpAddr) -> String {
        let outside = self.public.as_ref().map_or(self.https_port(), |(_, port)| *port);
        let https = if outside == self.https_port() {
            format!("TCP {outside}")
        } else {
            format!("TCP {outside} (to port {})", self.https_port())
        };
        let relay = self.relay.as_ref().map(|relay| {
            let port = relay.port();
            format!(", UDP {port}, TCP {port} and UDP {}", relay.range())
        });
        format!("in the router, forward {https}{} to {own}", relay.unwrap_or_default())
    }
}

/// Looks at everything once. It takes some seconds where somebody doesn't answer.
pub async fn examine(settings: &Settings) -> Report {
    let now = Timestamp::now();
    let data_dir = settings.data_dir.clone();
    let slow = async {
        let slow = move || (data_dir::look(&data_dir), clock::look(&data_dir, now), disk::look(&data_dir), firewall::look());
        tokio::join!(aside(Machine::look), aside(container::look), aside(slow))
    };
    let ((machine, container, (data_dir, clock, disk, firewall)), dns, seen, ports) =
        tokio::join!(slow, dns::look_up(settings), relay_address::ask(settings), ports::try_all(settings));
    let known = known_outside(settings, seen);
    // With an address of the internet, no router stands in between, wherever the name leads.
    let own = machine.ipv4().first().copied().filter(|first| !is_private(*first));
    let outside = known.or(own).or_else(|| dns.public_ipv4());
    let (hairpin, relay) = tokio::join!(
        hairpin::try_out(settings, &machine, outside, &ports),
        relay::try_out(settings, ports.presence() == server::Presence::Runs)
    );
    let mut findings = vec![server::judge(&settings.data_dir, ports.presence())];
    findings.push(dns::judge(settings, &machine, known, &dns));
    findings.extend(ports.judge());
    findings.push(firewall::judge(settings, &firewall));
    findings.extend(certificate::judge(settings, ports.presented(), now));
    findings.push(relay::judge(settings, &relay));
    findings.push(relay_address::judge(settings, seen, dns.public_ipv4()));
    findings.push(hairpin::judge(settings, &machine, &hairpin));
    findings.push(provider_nat::judge(settings, &machine, seen));
    findings.push(ipv6::judge(settings, &machine, &dns));
    findings.push(container::judge(settings, &machine, container));
    findings.push(machine.judge());
    findings.push(open_files::judge(open_files::look()));
    findings.push(data_dir::judge(&settings.data_dir, &data_dir));
    findings.push(disk::judge(&settings.data_dir, disk));
    findings.push(clock::judge(&clock));
    Report { findings }
}

/// Does what waits for the file system, or for another program, where nobody else waits for it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("what is done aside ends, and is not called off")
}

/// The IPv4 address that people outside find this machine at, where a STUN server or the administrator says it.
fn known_outside(settings: &Settings, seen: Outside) -> Option<Ipv4Addr> {
    match seen {
        Outside::Known(address) => Some(address),
        Outside::Unasked | Outside::Unknown => settings.relay.as_ref().and_then(|relay| relay.external),
    }
}

/// Whether an address is one that people outside of a local network can't reach: RFC 1918, RFC 6598, RFC 3927, RFC 6333, loopback.
const fn is_private(address: Ipv4Addr) -> bool {
    address.is_private() || address.is_loopback() || address.is_link_local() || is_shared(address) || is_ds_lite(address)
}

/// Whether the address is the inner end of a DS-Lite tunnel (192.0.0.0/29, RFC 6333 §5.7).
const fn is_ds_lite(address: Ipv4Addr) -> bool {
    let [first, second, third, fourth] = address.octets();
    first == 192 && second == 0 && third == 0 && fourth < 8
}

/// Whether an address is of those that providers share among their customers (RFC 6598).
const fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

#[cfg(test)]
mod tests;
