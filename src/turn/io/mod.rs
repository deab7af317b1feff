//! The relay's edge: it owns the sockets and the time, hands what comes to the core, and does what the core says.
//!
//! No error of a socket ends anything. To the sender of a datagram an unreachable peer is news about one peer, and a system that
//! is short of memory is short of it for a while.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::counters::Counters;
use super::server::{ClientSocket, Family, NoPort, Output, PeerSocket, Port, RelayId, Server, Transport};
use crate::clock::{Now, Tick};
use crate::lifecycle::Tasks;

mod datagrams;
mod framing;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod interfaces;
mod listen;
mod patience;
mod ports;
mod streams;

use datagrams::{Packet, RECEIVE_PAUSE, Way};
use listen::Listener;
use ports::Ports;
use streams::Stream;

/// How much longer than needed the timer sleeps, so that it never wakes before its time.
const TIMER_SLACK: Duration = Duration::from_millis(1);

/// The edge of one relay. All of its tasks share it.
pub(super) struct Edge {
    state: Mutex<State>,
    faults: Faults,
    /// Wakes the timer when something ends sooner than it knows.
    sooner: Notify,
    tasks: Tasks,
}

struct State {
    core: Server,
    /// The core takes nothing more.
    closed: bool,
    listeners: Vec<(SocketAddr, Arc<UdpSocket>)>,
    streams: HashMap<ClientSocket, Arc<Stream>>,
    relays: HashMap<RelayId, RelaySocket>,
    ports: Ports,
    /// When the timer wakes by itself.
    wakes: Option<Tick>,
}

struct RelaySocket {
    socket: Arc<UdpSocket>,
    reader: AbortHandle,
}

/// What the system refused to do.
#[derive(Default)]
struct Faults {
    sending: AtomicU64,
    receiving: AtomicU64,
}

impl Edge {
    /// Binds the listeners and starts the tasks of the relay. Returns also where it listens.
    pub(super) async fn start(
        core: Server,
        listen: &[SocketAddr],
        (ipv4, ipv6): (Option<Ipv4Addr>, Option<Ipv6Addr>),
        ports: RangeInclusive<u16>,
        tasks: &Tasks,
    ) -> std::io::Result<(Arc<Self>, Vec<SocketAddr>)> {
        let listeners = listen::listen(listen)?;
        let addresses = ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6)).collect();
        let state = State {
            core,
            closed: false,
            listeners: listeners.iter().map(|at| (at.local, Arc::clone(&at.datagrams))).collect(),
            streams: HashMap::new(),
            relays: HashMap::new(),
            ports: Ports::new(addresses, ports),
            wakes: None,
        };
        let (sooner, faults) = (Notify::new(), Faults::default());
        let edge = Arc::new(Self { state: Mutex::new(state), faults, sooner, tasks: tasks.clone() });
        edge.read_interfaces().await;
        let addresses = listeners.iter().map(|at| at.local).collect();
        for Listener { local, datagrams, streams } in listeners {
            tasks.spawn(Arc::clone(&edge).serve(datagrams, local));
            tasks.spawn(Arc::clone(&edge).accept(streams));
        }
        tasks.spawn(Arc::clone(&edge).keep_time());
        tasks.spawn(Arc::clone(&edge).watch_interfaces());
        Ok((edge, addresses))
    }

    /// Hands something to the core, and does what follows from it. `bytes` is what the payloads are ranges of.
    pub(super) fn drive(self: &Arc<Self>, bytes: &[u8], hand_in: impl FnOnce(&mut Server, Now)) {
        let mut packets = Vec::new();
        {
            let mut state = self.state();
            // Read inside the lock, so that for the core time never goes back.
            let now = Now::read();
            if state.closed {
                return;
            }
            hand_in(&mut state.core, now);
            self.carry_out(&mut state, now, &mut packets);
            let next = state.core.poll_timeout();
            if next.is_some_and(|next| state.wakes.is_none_or(|wakes| next < wakes)) {
                state.wakes = next;
                self.sooner.notify_one();
            }
        }
        let refused = packets.iter().filter(|packet: &&Packet| packet.send(bytes).is_err()).count();
        if refused > 0 {
            self.faults.sending.fetch_add(refused as u64, Ordering::Relaxed);
        }
    }

    /// What the relay has done so far.
    pub(super) fn counters(&self) -> Counters {
        let (sending, receiving) = (&self.faults.sending, &self.faults.receiving);
        Counters {
            send_errors: sending.load(Ordering::Relaxed),
            receive_errors: receiving.load(Ordering::Relaxed),
            ..self.state().core.counters()
        }
    }

    /// Opens and closes what the core wants open and closed, and collects what is to be sent.
    fn carry_out(self: &Arc<Self>, state: &mut State, now: Now, packets: &mut Vec<Packet>) {
        while let Some(output) = state.core.poll_output() {
            match output {
                Output::Answer { client, message } => {
                    packets.extend(state.way_to(client).map(|way| Packet::answer(way, message)));
                }
                Output::ToClient { client, head, payload, padding } => {
                    packets.extend(state.way_to(client).map(|way| Packet::framed(way, head, payload, padding)));
                }
                Output::ToPeer { relay, peer, payload } => {
                    let socket = state.relays.get(&relay).map(|relay| Arc::clone(&relay.socket));
                    packets.extend(socket.map(|socket| Packet::plain(Way::Datagram(socket, peer.0), payload)));
                }
                Output::OpenRelay { relay, family, port } => {
                    let outcome = self.open(state, relay, family, port);
                    state.core.relay_opened(relay, outcome, now);
                }
                Output::CloseRelay { relay } => state.close(relay),
                // One packet at a time, the core is asked about each.
                Output::Bind { .. } | Output::Unbind { .. } | Output::Permit { .. } | Output::Forbid { .. } => {}
            }
        }
    }

    fn open(self: &Arc<Self>, state: &mut State, relay: RelayId, family: Family, port: Port) -> Result<SocketAddr, NoPort> {
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
            let socket = Arc::new(UdpSocket::from_std(socket).map_err(|_| NoPort)?);
            let reader = self.tasks.spawn(Arc::clone(self).read_relay(Arc::clone(&socket), id)).abort_handle();
            state.relays.insert(id, RelaySocket { socket, reader });
        }
        Ok(address)
    }

    /// Serves one listening socket until the program stops.
    async fn serve(self: Arc<Self>, socket: Arc<UdpSocket>, local: SocketAddr) {
        let hand_in = |core: &mut Server, remote: SocketAddr, bytes: &[u8], now: Now| {
            core.handle_datagram(ClientSocket { transport: Transport::Udp, local, remote }, bytes, now);
        };
        tokio::select! {
            () = self.tasks.stopping() => {}
            () = self.read(&socket, hand_in) => {}
        }
    }

    /// Reads one relay socket until it is closed.
    async fn read_relay(self: Arc<Self>, socket: Arc<UdpSocket>, relay: RelayId) {
        let hand_in = |core: &mut Server, source: SocketAddr, bytes: &[u8], now: Now| {
            core.handle_peer(relay, PeerSocket(source), bytes, now);
        };
        self.read(&socket, hand_in).await;
    }

    /// Hands in all that comes to `socket`, for ever.
    async fn read(self: &Arc<Self>, socket: &UdpSocket, hand_in: impl Fn(&mut Server, SocketAddr, &[u8], Now)) {
        loop {
            let handle = |source, bytes: &[u8]| self.drive(bytes, |core, now| hand_in(core, source, bytes, now));
            if datagrams::receive(socket, handle).await.is_err() {
                self.faults.receiving.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(RECEIVE_PAUSE).await;
            }
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

    fn close(self: &Arc<Self>) {
        let mut state = self.state();
        state.core.close();
        self.carry_out(&mut state, Now::read(), &mut Vec::new());
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
    fn way_to(&self, client: ClientSocket) -> Option<Way> {
        match client.transport {
            Transport::Udp => {
                let listener = self.listeners.iter().find(|(local, _)| *local == client.local);
                listener.map(|(_, socket)| Way::Datagram(Arc::clone(socket), client.remote))
            }
            Transport::Tcp | Transport::Tls => self.streams.get(&client).map(|stream| Way::Stream(Arc::clone(stream))),
        }
    }

    fn close(&mut self, relay: RelayId) {
        if let Some(relay) = self.relays.remove(&relay) {
            relay.reader.abort();
        }
    }
}
