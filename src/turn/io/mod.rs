//! The relay's edge: it owns the sockets and the time, hands what comes to the core, and does what the core says.
//!
//! No error of a socket ends anything. To the sender of a datagram an unreachable peer is news about one peer, and a system that
//! is short of memory is short of it for a while.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mio::Poll;
use tokio::sync::{Notify, oneshot};

use super::Limits;
use super::addresses::RelayAddresses;
use super::counters::{Counters, Traffic};
use super::server::{ClientSocket, Destination, Family, NoPort, Output, PeerSocket, Port, RelayId, Route, Server, Transport};
use crate::clock::{Now, Tick};
use crate::ids::ParticipantId;
use crate::lifecycle::Tasks;
use crate::lifecycle::sockets::Passed;

mod crowd;
mod departures;
mod forwarding;
mod framing;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod interfaces;
mod listen;
mod packets;
mod patience;
mod ports;
mod routes;
mod sockets;
mod streams;
mod system;
mod tls;
mod window;
mod worker;

pub use listen::is_without_family;
pub(super) use system::KEEPS_WHOLE;

use crowd::Crowd;
use listen::Listener;
use packets::{Exit, Packet, Way};
use ports::Ports;
use routes::Kept;
use worker::{Mailbox, Order, Worker};

/// How much longer than needed the timer sleeps, so that it never wakes before its time.
const TIMER_SLACK: Duration = Duration::from_millis(1);

/// How many threads relay when nobody says: beyond this, the network is slower than they are. Only Linux spreads the datagrams
/// that come to one port over several sockets.
const MOST_THREADS: usize = if cfg!(target_os = "linux") { 4 } else { 1 };

/// The edge of one relay. All of its threads and tasks share it.
pub(super) struct Edge {
    state: Mutex<State>,
    /// One for each worker.
    mailboxes: Vec<Mailbox>,
    faults: Faults,
    /// Datagrams of clients that the core has not seen, because their way was known.
    forwarded: AtomicU64,
    /// Wakes the timer when something ends sooner than it knows.
    sooner: Notify,
    tasks: Tasks,
}

struct State {
    core: Server,
    /// The core takes nothing more.
    closed: bool,
    listeners: Vec<Listening>,
    streams: Crowd,
    relays: HashMap<RelayId, RelaySocket>,
    ports: Ports,
    /// When the timer wakes by itself.
    wakes: Option<Tick>,
}

/// An address that is listened on for datagrams, with one socket for each worker, or as many as were passed.
struct Listening {
    local: SocketAddr,
    sockets: Vec<Arc<UdpSocket>>,
}

struct RelaySocket {
    socket: Arc<UdpSocket>,
    worker: usize,
}

/// What the system refused to do.
#[derive(Default)]
struct Faults {
    sending: AtomicU64,
    receiving: AtomicU64,
}

impl Edge {
    /// Takes the listeners from `passed` or binds them, and starts the threads and tasks of the relay. Returns also where it listens.
    pub(super) async fn start(
        core: Server,
        (listen, passed): (&[SocketAddr], &mut Passed),
        (ipv4, ipv6): RelayAddresses,
        ports: RangeInclusive<u16>,
        threads: Option<usize>,
        tasks: &Tasks,
    ) -> std::io::Result<(Arc<Self>, Vec<SocketAddr>)> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(|| processors.min(MOST_THREADS)).max(1);
        let listeners = listen::listen(listen, passed, threads)?;
        let polls = (0..threads).map(|_| Poll::new()).collect::<std::io::Result<Vec<_>>>()?;
        let mailboxes = polls.iter().map(Mailbox::new).collect::<std::io::Result<Vec<_>>>()?;
        let addresses = ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6)).collect();
        let listening = |at: &Listener| Listening { local: at.local, sockets: at.datagrams.clone() };
        let state = State {
            streams: Crowd::new(core.limits()),
            core,
            closed: false,
            listeners: listeners.iter().map(listening).collect(),
            relays: HashMap::new(),
            ports: Ports::new(addresses, ports),
            wakes: None,
        };
        let (sooner, faults, forwarded) = (Notify::new(), Faults::default(), AtomicU64::new(0));
        let edge = Arc::new(Self { state: Mutex::new(state), mailboxes, faults, forwarded, sooner, tasks: tasks.clone() });
        edge.read_interfaces().await;
        let addresses = listeners.iter().map(|at| at.local).collect();
        for (index, poll) in polls.into_iter().enumerate() {
            let shared_out = |at: &Listener| {
                let own = at.datagrams.iter().skip(index).step_by(threads);
                own.map(|udp| (at.local, Arc::clone(udp))).collect::<Vec<_>>()
            };
            let sockets = listeners.iter().flat_map(shared_out).collect();
            worker::spawn(Worker::new(Arc::clone(&edge), index, poll, sockets)?, &edge)?;
        }
        for Listener { streams, .. } in listeners {
            tasks.spawn(Arc::clone(&edge).accept(streams, None));
        }
        tasks.spawn(Arc::clone(&edge).keep_time());
        tasks.spawn(Arc::clone(&edge).watch_interfaces());
        Ok((edge, addresses))
    }

    /// Hands something to the core, and does what follows from it. `bytes` is what the payloads are ranges of.
    pub(super) fn drive(&self, bytes: &[u8], hand_in: impl FnOnce(&mut Server, Now)) {
        self.drive_from(None, bytes, hand_in, || {});
    }

    /// As [`Edge::drive`], for a worker, which reads the relay sockets that are opened meanwhile. Before anything is sent, `first`
    /// is called.
    fn drive_from(&self, worker: Option<usize>, bytes: &[u8], hand_in: impl FnOnce(&mut Server, Now), first: impl FnOnce()) {
        let mut packets = Vec::new();
        {
            let mut state = self.state();
            // Read inside the lock, so that for the core time never goes back.
            let now = Now::read();
            if state.closed {
                return;
            }
            hand_in(&mut state.core, now);
            self.carry_out(&mut state, worker, now, &mut packets);
            let next = state.core.poll_timeout();
            if next.is_some_and(|next| state.wakes.is_none_or(|wakes| next < wakes)) {
                state.wakes = next;
                self.sooner.notify_one();
            }
        }
        if packets.is_empty() {
            return;
        }
        first();
        self.count_refused(packets.iter().filter(|packet: &&Packet| packet.send(bytes).is_err()).count());
    }

    /// Grants so much from now on.
    pub(super) fn set_limits(&self, limits: Limits) {
        let mut state = self.state();
        state.streams.set_limits(&limits);
        state.core.set_limits(limits);
    }

    /// A way that packets may take without the core, for as long as it holds.
    fn route(&self, worker: usize, ask: impl FnOnce(&Server) -> Option<Route>) -> Option<Kept> {
        let state = self.state();
        let route = ask(&state.core)?;
        let exit = match route.to {
            Destination::Peer { relay, peer } => state.exit_to_peer(relay, peer)?,
            Destination::Client { client, .. } => state.exit_to_client(client, worker)?,
        };
        Some(Kept::new(route, &exit))
    }

    /// Returns when each of the threads has answered: none of them hangs.
    pub(super) async fn answer(&self) {
        for mailbox in &self.mailboxes {
            let (reply, answer) = oneshot::channel();
            mailbox.post(Order::Answer(reply));
            if answer.await.is_err() {
                // The thread has ended, which it does only when the program stops.
                return std::future::pending().await;
            }
        }
    }

    /// Makes allocations at other addresses from now on, each given with the one that peers know it by.
    pub(super) fn move_to(&self, published: Vec<(IpAddr, IpAddr)>) {
        let mut state = self.state();
        state.ports.move_to(published.iter().map(|(bound, _)| *bound).collect());
        state.core.move_to(published);
    }

    /// What the relay has done so far.
    pub(super) fn counters(&self) -> Counters {
        let (sending, receiving) = (&self.faults.sending, &self.faults.receiving);
        let core = self.state().core.counters();
        Counters {
            received: core.received + self.forwarded.load(Ordering::Relaxed),
            send_errors: sending.load(Ordering::Relaxed),
            receive_errors: receiving.load(Ordering::Relaxed),
            ..core
        }
    }

    /// What was relayed for a participant in all.
    pub(super) fn traffic_of(&self, participant: ParticipantId) -> Option<Traffic> {
        self.state().core.traffic_of(participant)
    }

    /// Opens and closes what the core wants open and closed, and collects what is to be sent.
    fn carry_out(&self, state: &mut State, worker: Option<usize>, now: Now, packets: &mut Vec<Packet>) {
        let sends = worker.unwrap_or_default();
        while let Some(output) = state.core.poll_output() {
            match output {
                Output::Answer { client, message } => {
                    packets.extend(state.exit_to_client(client, sends).map(|exit| Packet::answer(exit, message)));
                }
                Output::ToClient { client, head, payload, padding } => {
                    let exit = state.exit_to_client(client, sends);
                    packets.extend(exit.map(|exit| Packet::framed(exit, head, payload, padding)));
                }
                Output::ToPeer { relay, peer, payload, whole } => {
                    packets.extend(state.exit_to_peer(relay, peer).map(|exit| Packet::plain(exit, payload, whole)));
                }
                Output::OpenRelay { relay, family, port } => {
                    let outcome = self.open(state, worker, (relay, family, port));
                    state.core.relay_opened(relay, outcome, now);
                }
                Output::CloseRelay { relay } => {
                    if let Some(socket) = state.relays.remove(&relay) {
                        self.mailboxes[socket.worker].post(Order::Close(relay));
                    }
                }
            }
        }
    }

    fn open(
        &self,
        state: &mut State,
        worker: Option<usize>,
        (relay, family, port): (RelayId, Family, Port),
    ) -> Result<SocketAddr, NoPort> {
        let (first, next) = match port {
            Port::Any => (state.ports.any(family)?, None),
            Port::Even => (state.ports.even(family)?, None),
            Port::EvenAndNext(next) => {
                let (first, second) = state.ports.pair(family)?;
                (first, Some((next, second)))
            }
        };
        let address = first.local_addr().map_err(|_| NoPort)?;
        for (id, socket) in std::iter::once((relay, first)).chain(next) {
            system::prepare(&socket);
            let socket = Arc::new(socket);
            // Clients of streams belong to no worker; theirs are dealt out in turn.
            let worker = worker.unwrap_or_else(|| state.relays.len() % self.mailboxes.len());
            self.mailboxes[worker].post(Order::Open(id, Arc::clone(&socket)));
            state.relays.insert(id, RelaySocket { socket, worker });
        }
        Ok(address)
    }

    /// Counts packets that the system refused to send.
    pub(super) fn count_refused(&self, packets: usize) {
        if packets > 0 {
            self.faults.sending.fetch_add(packets as u64, Ordering::Relaxed);
        }
    }

    /// Calls the core when its time has come, and ends everything when the program stops.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let wakes = {
                let mut state = self.state();
                state.wakes = state.core.poll_timeout();
                state.wakes
            };
            let sleep = async {
                match wakes {
                    Some(wakes) => tokio::time::sleep(wakes.since(Tick::now()) + TIMER_SLACK).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.tasks.stopping() => return self.close(),
                () = self.sooner.notified() => {}
                () = sleep => self.drive(&[], Server::handle_timeout),
            }
        }
    }

    fn close(&self) {
        let mut state = self.state();
        state.core.close();
        self.carry_out(&mut state, None, Now::read(), &mut Vec::new());
        state.closed = true;
        state.listeners.clear();
        state.streams.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // If the core panicked, one packet was lost; its tables are changed by single calls that don't panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The way out to a client; to one by datagrams, from the socket of this worker.
    fn exit_to_client(&self, client: ClientSocket, worker: usize) -> Option<Exit> {
        match client.transport {
            Transport::Udp => {
                let listening = self.listeners.iter().find(|listening| listening.serves(client.local))?;
                let socket = listening.sockets.get(worker % listening.sockets.len().max(1))?;
                let from = listening.local.ip().is_unspecified().then_some(client.local.ip());
                Some(Exit::Datagram(Way { socket: Arc::clone(socket), to: client.remote, from }))
            }
            Transport::Tcp | Transport::Tls => self.streams.get(&client).map(|stream| Exit::Stream(Arc::clone(stream))),
        }
    }

    fn exit_to_peer(&self, relay: RelayId, peer: PeerSocket) -> Option<Exit> {
        let socket = Arc::clone(&self.relays.get(&relay)?.socket);
        Some(Exit::Datagram(Way { socket, to: peer.0, from: None }))
    }
}

impl Listening {
    fn serves(&self, local: SocketAddr) -> bool {
        let same_ip = self.local.ip() == local.ip() || self.local.ip().is_unspecified();
        same_ip && self.local.port() == local.port() && self.local.is_ipv4() == local.is_ipv4()
    }
}
