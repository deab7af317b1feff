//! A thread that moves datagrams. It owns its listening sockets, the relay sockets given to it, and the ways it has been told.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::Edge;
use super::departures::{Departures, part};
use super::forwarding::channel_data;
use super::packets::Exit;
use super::routes::{Routes, Verdict};
use super::system::{Arrival, Receiver, SLOTS};
use super::window::Window;
use crate::clock::{Now, uptime};
use crate::turn::server::{ClientSocket, PeerSocket, RelayId, Server, Transport};

/// How many sockets are heard of at a time.
const EVENTS: usize = 256;

/// How long to wait after a failed receive, so that an error that stays doesn't spin.
const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

const WAKE: Token = Token(0);

/// What a worker is told by others.
pub(super) enum Order {
    /// Read this relay socket from now on.
    Open(RelayId, Arc<UdpSocket>),
    /// Read it no more.
    Close(RelayId),
    /// End.
    Stop,
}

/// Where orders for a worker are left.
pub(super) struct Mailbox {
    orders: Mutex<Vec<Order>>,
    waker: Waker,
}

impl Mailbox {
    /// A mailbox that wakes who waits for `poll`.
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self { orders: Mutex::default(), waker: Waker::new(poll.registry(), WAKE)? })
    }

    /// Leaves an order.
    pub(super) fn post(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        // It fails only when the system is out of memory; the order is then found with the next packet.
        let _ = self.waker.wake();
    }

    fn take(&self) -> Vec<Order> {
        std::mem::take(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One thread's sockets and tables.
pub(super) struct Worker {
    edge: Arc<Edge>,
    index: usize,
    poll: Poll,
    sockets: Sockets,
    receiver: Receiver,
    arrivals: Vec<Arrival>,
    /// At which socket each of the arrivals came in.
    entrances: Vec<Entrance>,
    departures: Departures,
    from_clients: Routes<(ClientSocket, u16)>,
    from_peers: Routes<(RelayId, PeerSocket)>,
    window: Window,
}

/// Starts the worker's thread. It ends when the program stops, and when the tasks of `edge` are dropped.
///
/// # Errors
/// When the system has no room for a thread.
pub(super) fn spawn(worker: Worker, edge: &Arc<Edge>) -> io::Result<()> {
    let index = worker.index;
    let stop = StopOnDrop { edge: Arc::clone(edge), index };
    let thread = std::thread::Builder::new().name(format!("relay-{index}")).spawn(move || worker.run())?;
    let tasks = edge.tasks.clone();
    edge.tasks.spawn(async move {
        tasks.stopping().await;
        drop(stop);
        // A worker never waits for anything but packets, so that this takes a moment.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    });
    Ok(())
}

struct StopOnDrop {
    edge: Arc<Edge>,
    index: usize,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.edge.mailboxes[self.index].post(Order::Stop);
    }
}

/// Which socket something came in at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entrance {
    /// The listener that is bound to this address.
    Listener(SocketAddr),
    Relay(RelayId),
}

struct Sockets {
    registry: Registry,
    open: HashMap<Token, Socket>,
    relays: HashMap<RelayId, Token>,
    /// Sockets that may have something to read.
    ready: VecDeque<Token>,
    last: usize,
}

struct Socket {
    udp: Arc<UdpSocket>,
    entrance: Entrance,
    queued: bool,
}

impl Worker {
    /// The worker number `index` of `edge`, which will serve `listeners` and read its orders when `poll` wakes it.
    ///
    /// # Errors
    /// When the system can't watch the listeners.
    pub(super) fn new(
        edge: Arc<Edge>,
        index: usize,
        poll: Poll,
        listeners: Vec<(SocketAddr, Arc<UdpSocket>)>,
    ) -> io::Result<Self> {
        let (open, relays, ready) = Default::default();
        let mut sockets = Sockets { registry: poll.registry().try_clone()?, open, relays, ready, last: WAKE.0 };
        for (local, udp) in listeners {
            sockets.add(udp, Entrance::Listener(local))?;
        }
        let (receiver, arrivals, entrances) = (Receiver::new(), Vec::new(), Vec::new());
        let (departures, from_clients, from_peers, window) = Default::default();
        Ok(Self { edge, index, poll, sockets, receiver, arrivals, entrances, departures, from_clients, from_peers, window })
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        // A packet that makes the core panic is lost; the next one may be good.
        while !catch_unwind(AssertUnwindSafe(|| self.work(&mut events))).unwrap_or(false) {}
    }

    /// Waits for packets and deals with some of them. True when it was told to stop.
    fn work(&mut self, events: &mut Events) -> bool {
        let timeout = if self.sockets.ready.is_empty() {
            let pause = self.window.pause(uptime());
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
            None
        } else {
            Some(Duration::ZERO)
        };
        if self.poll.poll(events, timeout).is_err() {
            // Interrupted by a signal.
            return false;
        }
        for event in &*events {
            if event.token() != WAKE {
                self.sockets.mark_ready(event.token());
            } else if self.obey() {
                return true;
            }
        }
        self.receive();
        let now = Now::read();
        let mut datagrams = 0;
        let arrivals = std::mem::take(&mut self.arrivals);
        let entrances = std::mem::take(&mut self.entrances);
        for (arrival, entrance) in arrivals.iter().zip(&entrances) {
            datagrams += match entrance {
                Entrance::Listener(local) => self.client_arrival(*local, arrival, now),
                Entrance::Relay(relay) => self.peer_arrival(*relay, arrival, now),
            };
        }
        self.depart();
        (self.arrivals, self.entrances) = (arrivals, entrances);
        self.window.count(datagrams);
        false
    }

    /// Carries out the orders. True when told to stop.
    fn obey(&mut self) -> bool {
        for order in self.edge.mailboxes[self.index].take() {
            match order {
                Order::Open(relay, udp) => {
                    if self.sockets.add(udp, Entrance::Relay(relay)).is_err() {
                        self.edge.faults.receiving.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Order::Close(relay) => self.sockets.remove(relay),
                Order::Stop => return true,
            }
        }
        false
    }

    /// Reads what there is room for.
    fn receive(&mut self) {
        self.arrivals.clear();
        self.entrances.clear();
        // What a panic left there would be sent with other bytes.
        self.departures.clear();
        // Each socket once, so that a busy one doesn't keep the others waiting.
        for _ in 0..self.sockets.ready.len() {
            if self.arrivals.len() == SLOTS {
                return;
            }
            let Some((token, udp, entrance)) = self.sockets.next() else { continue };
            match self.receiver.receive(&udp, &mut self.arrivals) {
                Ok(true) => {}
                Ok(false) => self.sockets.mark_ready(token),
                Err(_) => {
                    self.edge.faults.receiving.fetch_add(1, Ordering::Relaxed);
                    self.sockets.mark_ready(token);
                    std::thread::sleep(RECEIVE_PAUSE);
                }
            }
            self.entrances.resize(self.arrivals.len(), entrance);
        }
    }

    /// Deals with what came to a listener. Returns how many datagrams there were.
    fn client_arrival(&mut self, listener: SocketAddr, arrival: &Arrival, now: Now) -> usize {
        let local = arrival.local.map_or(listener, |ip| SocketAddr::new(ip, listener.port()));
        let client = ClientSocket { transport: Transport::Udp, local, remote: arrival.source };
        let mut count = 0;
        let mut run = Run::default();
        for range in arrival.datagrams() {
            count += 1;
            match channel_data(&self.receiver.bytes()[range.clone()]) {
                Some((channel, payload)) => {
                    if run.channel != channel {
                        self.forward(client, &mut run, now);
                        run.channel = channel;
                    }
                    run.datagrams.push((range.clone(), range.start + payload.start..range.start + payload.end));
                }
                None => {
                    self.forward(client, &mut run, now);
                    self.ask_core(&range, |core, bytes, now| core.handle_datagram(client, bytes, now));
                }
            }
        }
        self.forward(client, &mut run, now);
        count
    }

    /// Sends ChannelData of one channel on its way.
    fn forward(&mut self, client: ClientSocket, run: &mut Run, now: Now) {
        let channel = run.channel;
        if run.datagrams.is_empty() {
            return;
        }
        let key = (client, channel);
        let (edge, index) = (Arc::clone(&self.edge), self.index);
        let pass = |routes: &mut Routes<_>, amount| {
            routes.pass(key, amount, now.tick, || edge.route(index, |core| core.outward_route(client, channel, now)))
        };
        let amount = run.amount();
        let verdict = pass(&mut self.from_clients, amount);
        if !matches!(verdict, Verdict::Unknown) {
            self.edge.forwarded.fetch_add(amount.0, Ordering::Relaxed);
        }
        match verdict {
            Verdict::Leave(exit, channel) => self.leave(&exit, channel, run.datagrams.drain(..).map(|(_, payload)| payload)),
            Verdict::Drop => run.datagrams.clear(),
            Verdict::Unknown => {
                for (datagram, _) in run.datagrams.drain(..) {
                    self.ask_core(&datagram, |core, bytes, now| core.handle_datagram(client, bytes, now));
                }
            }
        }
    }

    /// Deals with what came to a relay socket. Returns how many datagrams there were.
    fn peer_arrival(&mut self, relay: RelayId, arrival: &Arrival, now: Now) -> usize {
        let peer = PeerSocket(arrival.source);
        let (edge, index) = (Arc::clone(&self.edge), self.index);
        let pass = |routes: &mut Routes<_>, amount| {
            routes.pass((relay, peer), amount, now.tick, || edge.route(index, |core| core.inward_route(relay, peer, now)))
        };
        let count = arrival.datagrams().count();
        match pass(&mut self.from_peers, (count as u64, arrival.range.len())) {
            Verdict::Leave(exit, channel) => self.leave(&exit, channel, arrival.datagrams()),
            Verdict::Drop => {}
            Verdict::Unknown => {
                for range in arrival.datagrams() {
                    self.ask_core(&range, |core, bytes, now| core.handle_peer(relay, peer, bytes, now));
                }
            }
        }
        count
    }

    fn leave(&mut self, exit: &Exit, channel: Option<u16>, payloads: impl Iterator<Item = Range<usize>>) {
        let parts = payloads.map(|payload| part(channel, payload));
        match exit {
            Exit::Datagram(way) => self.departures.push(way, parts),
            Exit::Stream(stream) => {
                let bytes = self.receiver.bytes();
                let parts: Vec<_> = parts.collect();
                let packets = parts.iter().map(|part| [part.head(), &bytes[part.payload.clone()]]);
                let refused = stream.send_packets(packets);
                self.edge.count_refused(refused);
            }
        }
    }

    fn depart(&mut self) {
        let refused = self.departures.send(self.receiver.bytes());
        self.edge.count_refused(refused);
    }

    fn ask_core(&mut self, range: &Range<usize>, hand_in: impl FnOnce(&mut Server, &[u8], Now)) {
        // The core sends at once, and nothing may overtake what came before.
        self.depart();
        let bytes = &self.receiver.bytes()[range.clone()];
        self.edge.drive_from(Some(self.index), bytes, |core, now| hand_in(core, bytes, now));
    }
}

/// ChannelData of one channel that came one after the other: where each lies, and where its payload does.
#[derive(Default)]
struct Run {
    channel: u16,
    datagrams: Vec<(Range<usize>, Range<usize>)>,
}

impl Run {
    fn amount(&self) -> (u64, usize) {
        (self.datagrams.len() as u64, self.datagrams.iter().map(|(_, payload)| payload.len()).sum())
    }
}

impl Sockets {
    fn add(&mut self, udp: Arc<UdpSocket>, entrance: Entrance) -> io::Result<()> {
        self.last += 1;
        let token = Token(self.last);
        self.registry.register(&mut SourceFd(&udp.as_raw_fd()), token, Interest::READABLE)?;
        if let Entrance::Relay(relay) = entrance {
            self.relays.insert(relay, token);
        }
        self.open.insert(token, Socket { udp, entrance, queued: false });
        // Something may have come before it was watched.
        self.mark_ready(token);
        Ok(())
    }

    fn remove(&mut self, relay: RelayId) {
        if let Some(socket) = self.relays.remove(&relay).and_then(|token| self.open.remove(&token)) {
            // Somebody else may hold it for another moment.
            let _ = self.registry.deregister(&mut SourceFd(&socket.udp.as_raw_fd()));
        }
    }

    fn mark_ready(&mut self, token: Token) {
        if let Some(socket) = self.open.get_mut(&token).filter(|socket| !socket.queued) {
            socket.queued = true;
            self.ready.push_back(token);
        }
    }

    /// The next socket that may have something to read.
    fn next(&mut self) -> Option<(Token, Arc<UdpSocket>, Entrance)> {
        let token = self.ready.pop_front()?;
        let socket = self.open.get_mut(&token)?;
        socket.queued = false;
        Some((token, Arc::clone(&socket.udp), socket.entrance))
    }
}
