//! The relay: STUN Binding (RFC 8489) and TURN over UDP (RFC 8656) inside the program.
//!
//! It relays UDP over IPv4, and over IPv6 where it is given an address to relay at. One socket listens per address; relay sockets
//! stand behind the peer policy ([`policy`]). The `turn` crate's allocation manager moves what comes from peers and keeps the
//! timers; its `Server` and `Request` are not used, since they have no peer policy, no quotas, and memory for anonymous packets.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ::turn::allocation::allocation_manager::{Manager, ManagerConfig};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use webrtc_util::ifaces::ifaces;

use crate::clock::{Now, Timestamp};
use crate::ids::{ParticipantId, Secret};
use crate::lifecycle::Tasks;

mod counters;
pub mod credentials;
mod guard;
mod message;
mod nonce;
mod policy;
mod rate;
mod server;
mod sessions;

pub use counters::Counters;

use guard::{BoundSockets, RECEIVE_PAUSE};
use nonce::Nonces;
use policy::Peers;
use rate::PerSource;
use server::Server;
use sessions::Sessions;

/// How often the list of this machine's addresses is read again.
const INTERFACES_INTERVAL: Duration = Duration::from_secs(5);

/// How many pairs of ports are tried for two listeners that want the same free one.
const LISTEN_TRIES: usize = 16;

/// The longest realm: it is part of every challenge, and those must be short.
const MAX_REALM_BYTES: usize = 127;

/// The largest datagram that UDP can carry.
const MAX_DATAGRAM: usize = 65_535;

/// How much the kernel may queue for a listener while the program is busy.
const LISTEN_BUFFER_BYTES: usize = 1 << 21;

/// What the relay needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to listen on, such as `0.0.0.0:3478` and `[::]:3478`. IPv6 sockets take IPv6 only. Port 0 asks the system for a
    /// free port; every further address with port 0 gets the same one as the first.
    pub listen: Vec<SocketAddr>,
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
    /// Peer ranges (network and prefix length) that are allowed although they are not public, for sites without the internet.
    /// An address of this machine is allowed only when it is listed by itself, or in a range of loopback addresses.
    pub allow_peers: Vec<(IpAddr, u8)>,
    /// How much anyone may have of anything.
    pub limits: Limits,
}

/// Quotas and rates. What exceeds them is refused; what was granted before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Allocations of one participant; above, 486.
    pub allocations_per_user: usize,
    /// Allocations from one IPv4 address or IPv6 /64; above, 508.
    pub allocations_per_source: usize,
    /// Allocations in all; above, 508.
    pub allocations: usize,
    /// Peers permitted on one allocation; above, 508.
    pub permissions_per_allocation: usize,
    /// Channels bound on one allocation; above, 508.
    pub channels_per_allocation: usize,
    /// Answers to unauthenticated requests per source and second; above, silence.
    pub challenges_per_second: u32,
    /// Answers to Binding requests per source and second; above, silence.
    pub bindings_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations_per_user: 12,
            allocations_per_source: 64,
            allocations: 2000,
            permissions_per_allocation: 64,
            channels_per_allocation: 64,
            challenges_per_second: 10,
            bindings_per_second: 20,
        }
    }
}

/// The running relay. Cheap to clone; all clones are one. It ends with the [`Tasks`] that it was started with.
#[derive(Clone)]
pub struct Relay {
    server: Arc<Server>,
    tasks: Tasks,
    local_addrs: Arc<[SocketAddr]>,
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
    pub async fn start(settings: Settings, tasks: &Tasks) -> io::Result<Self> {
        check(&settings)?;
        let sockets = listen(&settings.listen)?;
        let local_addrs: Arc<[SocketAddr]> = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?;
        let server = Arc::new(server(settings));
        refresh_interfaces(&server.peers).await;
        for (socket, local) in sockets.into_iter().zip(local_addrs.iter()) {
            tasks.spawn(serve(Arc::clone(&server), Arc::new(socket), *local, tasks.clone()));
        }
        tasks.spawn(watch_interfaces(Arc::clone(&server), tasks.clone()));
        Ok(Self { server, tasks: tasks.clone(), local_addrs })
    }

    /// Where the relay listens, in the order of [`Settings::listen`].
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Ends the participant's allocations at once and refuses its names from now on, however long they would be good for.
    /// Only [`Relay::readmit`] takes it back.
    pub fn revoke(&self, participant: ParticipantId) {
        let held = self.server.sessions.revoke(participant, Timestamp::now());
        let server = Arc::clone(&self.server);
        // No packet passes any more; what is left is to free the sockets, which can't be done without waiting.
        self.tasks.spawn(async move { server.end(held).await });
    }

    /// Accepts the participant's names again: somebody whose seat was lost for a while has taken it back.
    pub fn readmit(&self, participant: ParticipantId) {
        self.server.sessions.readmit(participant);
    }

    /// What the relay has done so far.
    pub fn counters(&self) -> Counters {
        self.server.tally.read(self.server.sessions.len() as u64)
    }
}

/// The address that this machine reaches the internet from, for [`Settings::relay_ipv4`]; loopback when it has no such route.
pub fn default_relay_ipv4() -> Ipv4Addr {
    // Connecting a UDP socket chooses a route and sends nothing; the address is one for documentation.
    let routed = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    match routed.map(|address| address.ip()) {
        Ok(IpAddr::V4(address)) if !address.is_unspecified() => address,
        Ok(_) | Err(_) => Ipv4Addr::LOCALHOST,
    }
}

fn check(settings: &Settings) -> io::Result<()> {
    let unspecified =
        settings.relay_ipv4.is_some_and(|ip| ip.is_unspecified()) || settings.relay_ipv6.is_some_and(|ip| ip.is_unspecified());
    let wrong = if unspecified {
        "a relay address must be one of this machine's, not 0.0.0.0 or ::"
    } else if settings.external_ipv4.is_some() && settings.relay_ipv4.is_none() {
        "an external IPv4 address needs an IPv4 address to relay at"
    } else if settings.ports.is_empty() || *settings.ports.start() == 0 {
        "the range of relay ports is empty"
    } else if settings.realm.is_empty() || settings.realm.len() > MAX_REALM_BYTES {
        "the realm must have between 1 and 127 bytes"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, wrong))
}

fn server(settings: Settings) -> Server {
    let ipv4 = settings.relay_ipv4.map(|ip| (IpAddr::V4(ip), IpAddr::V4(settings.external_ipv4.unwrap_or(ip))));
    let ipv6 = settings.relay_ipv6.map(|ip| (IpAddr::V6(ip), IpAddr::V6(ip)));
    let published: Vec<(IpAddr, IpAddr)> = ipv4.into_iter().chain(ipv6).collect();
    let relays = published.iter().map(|(bound, _)| *bound).collect();
    let peers = Arc::new(Peers::new(published, settings.allow_peers));
    let sessions = Arc::<Sessions>::default();
    let sockets = BoundSockets { sessions: Arc::clone(&sessions), peers: Arc::clone(&peers) };
    Server {
        realm: settings.realm,
        secret: settings.secret,
        relays,
        ports: settings.ports,
        nonces: Nonces::new(),
        challenges: PerSource::new(settings.limits.challenges_per_second),
        bindings: PerSource::new(settings.limits.bindings_per_second),
        limits: settings.limits,
        peers,
        sessions,
        manager: Manager::new(ManagerConfig { relay_addr_generator: Box::new(sockets), alloc_close_notify: None }),
        tally: Arc::default(),
    }
}

/// Binds all addresses. Those with port 0 share the port that the system gave the first of them, which may be taken in the other
/// family; then another one is tried.
fn listen(addresses: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    let mut outcome: io::Result<Vec<UdpSocket>> = Ok(Vec::new());
    for _ in 0..LISTEN_TRIES {
        let mut chosen = 0;
        outcome = addresses
            .iter()
            .map(|address| {
                let port = if address.port() == 0 { chosen } else { address.port() };
                let socket = listen_at(SocketAddr::new(address.ip(), port))?;
                if address.port() == 0 {
                    chosen = socket.local_addr()?.port();
                }
                Ok(socket)
            })
            .collect();
        let taken = matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        if !taken || chosen == 0 {
            break;
        }
    }
    outcome
}

fn listen_at(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Some systems refuse; the relay then works with what it gets.
    let _ = socket.set_recv_buffer_size(LISTEN_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Serves one listening socket until the program stops.
async fn serve(server: Arc<Server>, socket: Arc<UdpSocket>, local: SocketAddr, tasks: Tasks) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let received = tokio::select! {
            () = tasks.stopping() => break,
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((length, source)) => server.handle(&socket, local, source, &buffer[..length], Now::read()).await,
            // The system may be short of memory for a while; the next datagram is a new chance.
            Err(_) => {
                server.tally.receive_errors.one();
                tokio::time::sleep(RECEIVE_PAUSE).await;
            }
        }
    }
    server.end(server.sessions.tuples()).await;
}

/// Keeps the list of this machine's addresses up to date: one added later must be as closed to relays as the others.
async fn watch_interfaces(server: Arc<Server>, tasks: Tasks) {
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            () = tokio::time::sleep(INTERFACES_INTERVAL) => {}
        }
        refresh_interfaces(&server.peers).await;
    }
}

async fn refresh_interfaces(peers: &Peers) {
    // It asks the kernel, and on some systems that takes a while.
    let listed = tokio::task::spawn_blocking(ifaces).await;
    match listed.map_err(io::Error::other).flatten() {
        Ok(interfaces) => {
            let addresses: HashSet<IpAddr> =
                interfaces.iter().filter_map(|interface| interface.addr).map(|addr| addr.ip()).collect();
            peers.set_local(addresses);
        }
        Err(error) => tracing::warn!(%error, "this machine's addresses can't be listed; the relay goes on with the last list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_of_both_families_share_a_free_port() {
        let sockets = listen(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]);
        let Ok(sockets) = sockets else {
            // A machine without IPv6 can't show this.
            assert!(std::net::UdpSocket::bind("[::1]:0").is_err());
            return;
        };
        assert_eq!(sockets[0].local_addr().unwrap().port(), sockets[1].local_addr().unwrap().port());
    }

    #[tokio::test]
    async fn t23_nothing_is_answered_to_ports_of_chattering_services() {
        let server = server(Settings {
            listen: Vec::new(),
            relay_ipv4: Some(Ipv4Addr::LOCALHOST),
            relay_ipv6: None,
            external_ipv4: None,
            ports: 49_152..=65_535,
            realm: "hearth".to_owned(),
            secret: Secret::new([7; 32]),
            allow_peers: Vec::new(),
            limits: Limits::default(),
        });
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let local = socket.local_addr().unwrap();
        let binding = [[0, 1, 0, 0], [0x21, 0x12, 0xa4, 0x42], [1; 4], [2; 4], [3; 4]].concat();
        for port in [0, 7, 19, 53, 123] {
            server.handle(&socket, local, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &binding, Now::read()).await;
        }
        assert_eq!(server.tally.read(0), Counters { received: 5, malformed: 5, ..Counters::default() });
        server.handle(&socket, local, local, &binding, Now::read()).await;
        assert_eq!(server.tally.read(0), Counters { received: 6, malformed: 5, bindings: 1, ..Counters::default() });
    }

    #[test]
    fn the_default_relay_address_is_one_of_this_machine() {
        let address = default_relay_ipv4();
        assert!(std::net::UdpSocket::bind((address, 0)).is_ok(), "{address} can't be bound");
    }
}
