//! A thread that moves datagrams. It owns its listening sockets, the relay sockets given to it, and the ways it has been told.

use std::collections::VecDeque;
use std::hash::Hash;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use tokio::sync::oneshot;

use super::Edge;
use super::departures::Departures;
use super::packets::Exit;
use super::routes::{Routes, Verdict};
use super::sockets::{Entrance, Sockets};
use super::system::{Arrival, Receiver};
use super::window::Window;
use crate::clock::{Now, uptime};
use crate::turn::channel_data;
use crate::turn::server::{ClientSocket, PeerSocket, RelayId, Route, Server, Transport};

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
    /// Say that this thread still works.
    Answer(oneshot::Sender<()>),
    /// End.
    Stop,
}

/// Where orders for a worker are left.
pub(super) struct Mailbox {
    orders: Mutex<VecDeque<Order>>,
    waker: Waker,
}

impl Mailbox {
    /// A mailbox that wakes who waits for `poll`.
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self { orders: Mutex::default(), waker: Waker::new(poll.registry(), WAKE)? })
    }

    /// Leaves an order.
    pub(super) fn post(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        // It fails only when the system is out of memory; the order is then found with the next packet.
        let _ = self.waker.wake();
    }

    fn next(&self) -> Option<Order> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// One thread's sockets and tables.
pub(super) struct Worker {
    edge: Arc<Edge>,
    index: usize,
    poll: Poll,
    sockets: Sockets,
    receiver: Receiver,
    /// At which socket each of the arrivals came in.
    entrances: Vec<Entrance>,
    departures: Departures,
    from_clients: Routes<(ClientSocket, u16)>,
    from_peers: Routes<(RelayId, PeerSocket)>,
    window: Window,
    /// Empty between arrivals; kept for its room.
    run: Run,
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
        let mut sockets = Sockets::new(poll.registry().try_clone()?, WAKE);
        for (local, udp) in listeners {
            sockets.add(udp, Entrance::Listener(local))?;
        }
        let (receiver, entrances) = (Receiver::new(), Vec::new());
        let (departures, from_clients, from_peers, window, run) = Default::default();
        Ok(Self { edge, index, poll, sockets, receiver, entrances, departures, from_clients, from_peers, window, run })
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        // A panic outside of what is dealt with one by one costs what was read, and no more.
        while !catch_unwind(AssertUnwindSafe(|| self.work(&mut events))).unwrap_or(false) {}
    }

    /// Waits for packets and deals with some of them. True when it was told to stop.
    fn work(&mut self, events: &mut Events) -> bool {
        let timeout = if self.sockets.are_read() {
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
            self.sockets.mark_ready(event.token());
        }
        if self.obey() {
            return true;
        }
        self.receive();
        let now = Now::read();
        for index in 0..self.entrances.len() {
            // What makes the core panic is lost; what came with it is not.
            let datagrams = catch_unwind(AssertUnwindSafe(|| self.deal_with(index, now)));
            self.window.count(datagrams.unwrap_or_default());
        }
        self.depart();
        false
    }

    /// Deals with one of the arrivals. Returns how many datagrams there were.
    fn deal_with(&mut self, index: usize, now: Now) -> usize {
        let arrival = self.receiver.arrivals()[index].clone();
        match self.entrances[index] {
            Entrance::Listener(local) => self.client_arrival(local, &arrival, now),
            Entrance::Relay(relay) => self.peer_arrival(relay, &arrival, now),
        }
    }

    /// Carries out the orders. True when told to stop.
    fn obey(&mut self) -> bool {
        while let Some(order) = self.edge.mailboxes[self.index].next() {
            match order {
                Order::Open(relay, udp) => {
                    if self.sockets.add(udp, Entrance::Relay(relay)).is_err() {
                        self.edge.faults.receiving.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Order::Close(relay) => self.sockets.remove(relay),
                // Whoever asked may have stopped waiting.
                Order::Answer(reply) => drop(reply.send(())),
                Order::Stop => return true,
            }
        }
        false
    }

    /// Reads what there is, as far as there is room.
    fn receive(&mut self) {
        self.receiver.clear();
        self.entrances.clear();
        // What a panic left there would be sent with other bytes.
        self.departures.clear();
        // A little of each socket in turn, so that a busy one doesn't keep the others waiting.
        while !self.receiver.is_full() {
            let Some((token, udp, entrance)) = self.sockets.next() else { return };
            match self.receiver.receive(&udp) {
                Ok(true) => {}
                Ok(false) => self.sockets.mark_ready(token),
                Err(_) => {
                    self.edge.faults.receiving.fetch_add(1, Ordering::Relaxed);
                    self.sockets.mark_ready(token);
                    std::thread::sleep(RECEIVE_PAUSE);
                    return;
                }
            }
            self.entrances.resize(self.receiver.arrivals().len(), entrance);
        }
    }

    /// Deals with what came to a listener. Returns how many datagrams there were.
    fn client_arrival(&mut self, listener: SocketAddr, arrival: &Arrival, now: Now) -> usize {
        let local = arrival.local.map_or(listener, |ip| SocketAddr::new(ip, listener.port()));
        let client = ClientSocket { transport: Transport::Udp, local, remote: arrival.source };
        let mut count = 0;
        let mut run = std::mem::take(&mut self.run);
        for range in arrival.datagrams() {
            count += 1;
            match channel_data::read(&self.receiver.bytes()[range.clone()]) {
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
        self.run = run;
        count
    }

    /// Sends ChannelData of one channel on its way.
    fn forward(&mut self, client: ClientSocket, run: &mut Run, now: Now) {
        if run.datagrams.is_empty() {
            return;
        }
        let channel = run.channel;
        let path = Path {
            routes: |worker| &mut worker.from_clients,
            key: (client, channel),
            ask: |core: &Server| core.outward_route(client, channel, now),
            hand_in: |core: &mut Server, bytes: &[u8], now| core.handle_datagram(client, bytes, now),
        };
        if self.send_on(&path, run.datagrams.iter().cloned(), now) {
            self.edge.forwarded.fetch_add(run.datagrams.len() as u64, Ordering::Relaxed);
        }
        run.datagrams.clear();
    }

    /// Deals with what came to a relay socket. Returns how many datagrams there were.
    fn peer_arrival(&mut self, relay: RelayId, arrival: &Arrival, now: Now) -> usize {
        let peer = PeerSocket(arrival.source);
        let path = Path {
            routes: |worker| &mut worker.from_peers,
            key: (relay, peer),
            ask: |core: &Server| core.inward_route(relay, peer, now),
            hand_in: |core: &mut Server, bytes: &[u8], now| core.handle_peer(relay, peer, bytes, now),
        };
        let datagrams = arrival.datagrams().map(|range| (range.clone(), range));
        self.send_on(&path, datagrams.clone(), now);
        datagrams.count()
    }

    /// Sends the payloads of datagrams that came one after the other on the way that they share: together if all may pass, else as
    /// many as may. What knows no way goes to the core. False when that was all of them.
    fn send_on<K: Copy + Eq + Hash>(
        &mut self,
        path: &Path<K, impl Fn(&Server) -> Option<Route>, impl Fn(&mut Server, &[u8], Now)>,
        datagrams: impl Iterator<Item = (Range<usize>, Range<usize>)> + Clone,
        now: Now,
    ) -> bool {
        let payloads = || datagrams.clone().map(|(_, payload)| payload);
        let amount = payloads().fold((0, 0), |(packets, bytes), payload| (packets + 1, bytes + payload.len()));
        match self.pass(path, amount, now) {
            Verdict::Leave(exit, channel) => self.leave(&exit, channel, payloads()),
            Verdict::Drop => {}
            Verdict::Apart => {
                for (datagram, payload) in datagrams {
                    match self.pass(path, (1, payload.len()), now) {
                        Verdict::Leave(exit, channel) => self.leave(&exit, channel, std::iter::once(payload)),
                        Verdict::Drop | Verdict::Apart => {}
                        Verdict::Unknown => self.ask_core(&datagram, &path.hand_in),
                    }
                }
            }
            Verdict::Unknown => {
                for (datagram, _) in datagrams {
                    self.ask_core(&datagram, &path.hand_in);
                }
                return false;
            }
        }
        true
    }

    fn pass<K: Copy + Eq + Hash>(
        &mut self,
        path: &Path<K, impl Fn(&Server) -> Option<Route>, impl Fn(&mut Server, &[u8], Now)>,
        amount: (u64, usize),
        now: Now,
    ) -> Verdict {
        let (edge, index) = (Arc::clone(&self.edge), self.index);
        (path.routes)(self).pass(path.key, amount, now.tick, || edge.route(index, &path.ask))
    }

    fn leave(&mut self, exit: &Exit, channel: Option<u16>, payloads: impl Iterator<Item = Range<usize>>) {
        let refused = self.departures.leave(exit, channel, payloads, self.receiver.bytes());
        self.edge.count_refused(refused);
    }

    fn depart(&mut self) {
        let refused = self.departures.send(self.receiver.bytes());
        self.edge.count_refused(refused);
    }

    fn ask_core(&mut self, range: &Range<usize>, hand_in: impl FnOnce(&mut Server, &[u8], Now)) {
        let Self { edge, departures, receiver, .. } = self;
        let bytes = &receiver.bytes()[range.clone()];
        // What the core sends goes at once, and may not overtake what came before.
        let first = || edge.count_refused(departures.send(receiver.bytes()));
        edge.drive_from(Some(self.index), bytes, |core, now| hand_in(core, bytes, now), first);
    }
}

/// Where datagrams that came in together may have a way, and what the core is asked about it and told without it.
struct Path<K, Ask, HandIn> {
    routes: fn(&mut Worker) -> &mut Routes<K>,
    key: K,
    ask: Ask,
    hand_in: HandIn,
}

/// ChannelData of one channel that came one after the other: where each lies, and where its payload does.
#[derive(Default)]
struct Run {
    channel: u16,
    datagrams: Vec<(Range<usize>, Range<usize>)>,
}
