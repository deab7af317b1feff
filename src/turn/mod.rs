//! The relay: STUN Binding (RFC 8489) and TURN (RFC 8656), over UDP, TCP and TLS, inside the program.
//!
//! It relays UDP over IPv4, and over IPv6 where it is given an address to relay at. [`server`] decides everything and touches
//! nothing; `io` owns the sockets and the time and does as it is told. What may be relayed to whom is the peer policy's to say
//! (`policy`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use crate::ids::{ParticipantId, Secret, random_bytes};
use crate::lifecycle::Tasks;
use crate::lifecycle::sockets::Passed;

mod addresses;
mod channel_data;
mod counters;
pub mod credentials;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod io;
mod meter;
mod nonce;
mod policy;
pub mod probe;
mod rate;
mod selftest;
pub mod server;

pub use addresses::{RelayAddresses, default_relay_ipv4, default_relay_ipv6};
pub use counters::{Counters, Traffic};
pub use io::is_without_family;
pub use selftest::{Fault, Finding, Health, Outside, Step, StunServer, Tested, find_outside};

use self::credentials::SharedSecret;
use self::io::Edge;
use self::selftest::SelfTest;

/// The longest realm. It is part of every challenge, and with a longer one the answer to the shortest request, which may come
/// from somebody else than it says, would be more than twice as large as that, headers of IP and UDP included.
pub const MAX_REALM_BYTES: usize = 16;

/// How often it is looked whether there are other addresses to relay at.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);

/// What the protocol is called when TLS is agreed on (RFC 7443).
pub const ALPN: &[u8] = b"stun.turn";

/// What the relay needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to listen on, by UDP and TCP, such as `0.0.0.0:3478` and `[::]:3478`. IPv6 sockets take IPv6 only. Port 0 asks the system for a
    /// free port; every further address with port 0 gets the same one as the first.
    pub listen: Vec<SocketAddr>,
    /// Where and how clients are served who speak TLS from the first byte on.
    pub tls: Option<Tls>,
    /// The address of this machine to relay at for IPv4 peers; without it, IPv4 allocations are refused with 440.
    pub relay_ipv4: Option<Ipv4Addr>,
    /// The address of this machine to relay at for IPv6 peers; without it, IPv6 allocations are refused with 440.
    pub relay_ipv6: Option<Ipv6Addr>,
    /// The address that a 1:1 NAT gives `relay_ipv4` outside; advertised instead of it.
    pub external_ipv4: Option<Ipv4Addr>,
    /// Ports to relay at; picked at random.
    pub ports: RangeInclusive<u16>,
    /// The realm of the credentials. Any short text.
    pub realm: String,
    /// The secret that the credentials are made from; the same as the [`credentials::CredentialIssuer`]'s.
    pub secret: Secret<[u8; 32]>,
    /// The secret from which other software may make credentials of its own for this relay; nobody but ours uses it without.
    pub shared_secret: Option<SharedSecret>,
    /// Peer ranges (network and prefix length) that are allowed although they are not public, for sites without the internet.
    /// An address of this machine is allowed only when it is listed by itself, or in a range of loopback addresses.
    pub allow_peers: Vec<(IpAddr, u8)>,
    /// How much anyone may have of anything.
    pub limits: Limits,
    /// How many threads relay datagrams; when not said, one for each processor, up to 4, and on other systems than Linux one.
    pub threads: Option<usize>,
}

/// TLS on ports of the relay's own.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Addresses to listen on, such as `0.0.0.0:5349`. IPv6 sockets take IPv6 only.
    pub listen: Vec<SocketAddr>,
    /// The certificate and the protocols. Clients that agree on none are served like those that agree on [`ALPN`].
    pub config: Arc<ServerConfig>,
}

/// Quotas and rates. What exceeds them is refused; what was granted before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Allocations of one participant, or of one name that other software made; above, 486.
    pub allocations_per_user: usize,
    /// Allocations from one IPv4 address or IPv6 /64; above, 508. As many streams, with or without one; above, they are closed.
    pub allocations_per_source: usize,
    /// Allocations in all; above, 508. As many streams; above, the oldest without an allocation is closed.
    pub allocations: usize,
    /// Peers permitted on one allocation; above, 508.
    pub permissions_per_allocation: usize,
    /// Channels bound on one allocation; above, 508.
    pub channels_per_allocation: usize,
    /// Answers to unauthenticated requests per source and second by UDP, and 16 times as many by TCP and TLS; above, silence.
    pub challenges_per_second: u32,
    /// Answers to Binding requests per source and second by UDP, and 16 times as many by TCP and TLS; above, silence.
    pub bindings_per_second: u32,
    /// Payload bytes per second that one allocation may send, and as many that it may receive; above, packets are dropped.
    pub bytes_per_second: u64,
    /// Payload bytes per second that one participant may send by all of its allocations, and as many that it may receive; above,
    /// packets are dropped.
    pub bytes_per_second_per_user: u64,
    /// Payload bytes per second that the relay takes in all, from clients and peers; above, packets are dropped.
    pub bytes_per_second_in_all: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations_per_user: 32,
            allocations_per_source: 128,
            allocations: 2000,
            permissions_per_allocation: 64,
            channels_per_allocation: 64,
            challenges_per_second: 10,
            bindings_per_second: 20,
            bytes_per_second: 1_000_000,
            bytes_per_second_per_user: 4_000_000,
            bytes_per_second_in_all: None,
        }
    }
}

/// The running relay. Cheap to clone; all clones are one. It ends with the [`Tasks`] that it was started with.
#[derive(Clone)]
pub struct Relay {
    edge: Arc<Edge>,
    local_addrs: Arc<[SocketAddr]>,
    tls_addrs: Arc<[SocketAddr]>,
    self_test: Arc<SelfTest>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("listen", &self.local_addrs()).finish_non_exhaustive()
    }
}

impl Relay {
    /// Binds the listeners and starts serving.
    ///
    /// # Errors
    /// When an address can't be bound, and `InvalidInput` when the settings contradict themselves.
    pub async fn start(settings: Settings, tasks: &Tasks) -> std::io::Result<Self> {
        Self::start_on(settings, &mut Passed::default(), tasks).await
    }

    /// The same, but those of `passed` that are bound to one of the addresses are taken instead of binding it. IPv6 ones must take IPv6
    /// only.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub async fn start_on(settings: Settings, passed: &mut Passed, tasks: &Tasks) -> std::io::Result<Self> {
        check(&settings)?;
        let (listen, ports, threads) = (settings.listen.clone(), settings.ports.clone(), settings.threads);
        let (relays, tls) = ((settings.relay_ipv4, settings.relay_ipv6), settings.tls.clone());
        if addresses::is_out_of_reach(&listen, relays) {
            tracing::warn!(
                "the relay has no address that others can reach, and helps nobody until it has one; connect this machine to a \
                 network, or set relay.address to one of its addresses"
            );
        }
        let core = server::Server::new(config(settings.clone()));
        let (edge, local_addrs) = Edge::start(core, (&listen, passed), relays, ports, threads, tasks).await?;
        let tls_addrs = tls.map_or(Ok(Vec::new()), |tls| edge.listen_tls((&tls.listen, passed), &tls.config))?;
        let self_test = Arc::new(SelfTest::new(&settings, &local_addrs));
        Ok(Self { edge, local_addrs: local_addrs.into(), tls_addrs: tls_addrs.into(), self_test })
    }

    /// Where the relay listens, in the order of [`Settings::listen`].
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Where it listens for TLS, in the order of [`Tls::listen`], without what another program has.
    pub fn tls_addrs(&self) -> &[SocketAddr] {
        &self.tls_addrs
    }

    /// Whether a stream that begins with this byte may be one of the relay's: that of a request (RFC 8489 §5), as no text begins.
    pub const fn knows(first: u8) -> bool {
        first <= 1
    }

    /// Serves a client that came by TLS to a listener of somebody else's, under the same limits as its own.
    pub fn adopt(&self, socket: TcpStream, connection: ServerConnection) {
        self.edge.adopt(socket, connection);
    }

    /// Ends the participant's allocations and the streams they were made by at once, and refuses its names from now on, however long they would be good for.
    /// Only [`Relay::readmit`] takes it back.
    pub fn revoke(&self, participant: ParticipantId) {
        self.edge.revoke(participant);
    }

    /// Accepts the participant's names again: somebody whose seat was lost for a while has taken it back.
    pub fn readmit(&self, participant: ParticipantId) {
        self.edge.drive(&[], |core, _| core.readmit(participant));
    }

    /// Grants so much from now on. What was granted before stays.
    pub fn reconfigure(&self, limits: Limits) {
        self.edge.set_limits(limits);
    }

    /// Tests the relay now and every hour by sending a packet through the address that people are told, until the program stops.
    /// What is found stands in [`Relay::health`], and in the log when it is something new. Where the relay's address is private
    /// and no other is configured, the address outside is asked of `stun_servers`, of nobody else, and people are told that one.
    pub fn keep_testing(&self, stun_servers: Vec<StunServer>, tasks: &Tasks) {
        let (test, tasks_of_test) = (Arc::clone(&self.self_test), tasks.clone());
        self.edge.drive(&[], |core, _| core.exempt(test.prober));
        let edge = Arc::clone(&self.edge);
        let publish = move |own, outside| edge.drive(&[], |core, _| core.publish(IpAddr::V4(own), IpAddr::V4(outside)));
        tasks.spawn(async move { test.keep(&stun_servers, publish, &tasks_of_test).await });
    }

    /// Relays at the addresses that `find` gives, asked again every few seconds: a network may come late, or give this machine another
    /// address. What is allocated stays where it is, and where `find` gives none, everything does.
    pub fn follow(&self, find: impl Fn() -> RelayAddresses + Send + 'static, tasks: &Tasks) {
        let (relay, stopping) = (self.clone(), tasks.clone());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stopping.stopping() => return,
                    () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
                }
                relay.move_to(find());
            }
        });
    }

    fn move_to(&self, addresses: RelayAddresses) {
        if addresses != (None, None) && self.self_test.move_to(addresses) {
            tracing::info!(ipv4 = ?addresses.0, ipv6 = ?addresses.1, "this machine's addresses have changed; the relay follows");
            self.edge.move_to(published(addresses, self.self_test.external_ipv4));
        }
    }

    /// Tests the relay now. `None` when it has no address by which it could be tested.
    pub async fn test_now(&self) -> Option<Tested> {
        self.edge.drive(&[], |core, _| core.exempt(self.self_test.prober));
        self.self_test.test_now().await
    }

    /// What the last test found; `None` before the first has ended, and where [`Relay::keep_testing`] was not called.
    pub fn health(&self) -> Option<Health> {
        self.self_test.health()
    }

    /// What was relayed for a participant in all, whether its allocations are alive or have ended. `None` when it had none, or when
    /// they ended so long ago that they are forgotten.
    pub fn traffic_of(&self, participant: ParticipantId) -> Option<Traffic> {
        self.edge.traffic_of(participant)
    }

    /// Returns when all of its threads have answered, which is at once unless one of them hangs.
    pub async fn answer(&self) {
        self.edge.answer().await;
    }

    /// What the relay has done so far.
    pub fn counters(&self) -> Counters {
        self.edge.counters()
    }
}

fn check(settings: &Settings) -> std::io::Result<()> {
    let unspecified =
        settings.relay_ipv4.is_some_and(|ip| ip.is_unspecified()) || settings.relay_ipv6.is_some_and(|ip| ip.is_unspecified());
    let wrong = if unspecified {
        "a relay address must be one of this machine's, not 0.0.0.0 or ::"
    } else if settings.ports.is_empty() || *settings.ports.start() == 0 {
        "the range of relay ports is empty"
    } else if settings.realm.is_empty() || settings.realm.len() > MAX_REALM_BYTES {
        "the realm must have between 1 and 16 bytes"
    } else {
        return Ok(());
    };
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, wrong))
}

fn config(settings: Settings) -> server::Config {
    server::Config {
        published: published((settings.relay_ipv4, settings.relay_ipv6), settings.external_ipv4),
        realm: settings.realm,
        secret: settings.secret,
        shared_secret: settings.shared_secret,
        allow_peers: settings.allow_peers,
        keeps_whole: io::KEEPS_WHOLE,
        limits: settings.limits,
        seed: Secret::new(random_bytes()),
    }
}

/// The addresses to relay at, each with the one that peers know it by.
fn published((ipv4, ipv6): RelayAddresses, external_ipv4: Option<Ipv4Addr>) -> Vec<(IpAddr, IpAddr)> {
    let ipv4 = ipv4.map(|ip| (IpAddr::V4(ip), IpAddr::V4(external_ipv4.unwrap_or(ip))));
    let ipv6 = ipv6.map(|ip| (IpAddr::V6(ip), IpAddr::V6(ip)));
    ipv4.into_iter().chain(ipv6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Settings {
        /// A relay on loopback with the limits that hold when nothing is configured.
        pub(in crate::turn) fn on_loopback() -> Self {
            Self {
                listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
                tls: None,
                relay_ipv4: Some(Ipv4Addr::LOCALHOST),
                relay_ipv6: None,
                external_ipv4: None,
                ports: 20_000..=29_999,
                realm: String::from("hearth"),
                secret: Secret::new([7; 32]),
                shared_secret: None,
                allow_peers: Vec::new(),
                limits: Limits::default(),
                threads: Some(1),
            }
        }
    }
}
