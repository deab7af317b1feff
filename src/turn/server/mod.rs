//! The relay without the world around it: STUN Binding (RFC 8489) and TURN (RFC 8656) as a value with inputs and outputs.
//!
//! Bytes and the time go in; what is to be sent, opened and closed comes out of [`Server::poll_output`]. Nothing here owns a
//! socket, a task, a clock, a lock or a source of chance, so that its tests run hours of relaying in no time and the same inputs
//! always give the same outputs. Everything that a stranger can cause ends without memory: at most a short answer, limited per
//! source.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CONNECT,
    METHOD_CONNECTION_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND,
};

use super::Limits;
use super::counters::{Counters, Traffic};
use super::credentials::{Keys, SharedSecret, mac};
use super::nonce::Nonces;
use super::policy::Peers;
use super::rate::Bucket;
use crate::clock::{Now, Tick};
use crate::ids::{ParticipantId, Secret};

mod allocate;
mod allocation;
mod caller;
mod ended;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod latecomers;
mod message;
mod output;
mod relaying;
mod requests;
mod route;
mod table;
mod timers;

#[cfg(test)]
mod tests;

pub use output::{ClientSocket, Family, Head, NoPort, Output, PeerSocket, Port, RelayId, Transport};
pub use route::{Destination, Passage, Route};

use caller::Allowance;
use ended::Ended;
use latecomers::Latecomers;
use table::{Ends, Table};

/// Ports of services that answer whatever they are sent. An answer to one could go back and forth for ever.
const CHATTERING_PORTS: [u16; 5] = [0, 7, 19, 53, 123];

/// What the core needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The realm of the credentials, at most [`super::MAX_REALM_BYTES`] long.
    pub realm: String,
    /// The secret that the credentials are made from.
    pub secret: Secret<[u8; 32]>,
    /// The secret that other software makes credentials from, where it may.
    pub shared_secret: Option<SharedSecret>,
    /// The addresses to relay at, at most one of each family, each with the one that peers know it by.
    pub published: Vec<(IpAddr, IpAddr)>,
    /// Peer ranges that are allowed although they are not public.
    pub allow_peers: Vec<(IpAddr, u8)>,
    /// Whether the edge can send a datagram that no one may cut into fragments.
    pub keeps_whole: bool,
    /// How much anyone may have of anything.
    pub limits: Limits,
    /// What nonces, tokens and transaction ids are made from: random, and new in each process.
    pub seed: Secret<[u8; 32]>,
}

/// The relay's core. See the module.
pub struct Server {
    realm: String,
    keys: Keys,
    keeps_whole: bool,
    limits: Limits,
    peers: Peers,
    nonces: Nonces,
    challenges: Allowance,
    bindings: Allowance,
    /// The relay's share of the line: payload bytes from clients and from peers.
    line: Option<Arc<Bucket>>,
    table: Table,
    ended: Ended,
    latecomers: Latecomers,
    counters: Counters,
    outputs: VecDeque<Output>,
    token_key: Secret<[u8; 32]>,
    /// How many relay sockets, tokens and indications were named.
    named: u64,
}

impl Server {
    /// A relay that nobody uses yet.
    pub fn new(config: Config) -> Self {
        let key = |purpose: &str| mac(config.seed.expose(), &[purpose.as_bytes()]);
        Self {
            realm: config.realm,
            keys: Keys::new(config.secret, config.shared_secret),
            peers: Peers::new(config.published, config.allow_peers),
            nonces: Nonces::new(key("nonces")),
            challenges: Allowance::new(config.limits.challenges_per_second, key("challenges")),
            bindings: Allowance::new(config.limits.bindings_per_second, key("bindings")),
            line: config.limits.bytes_per_second_in_all.map(|rate| Arc::new(Bucket::new(rate))),
            limits: config.limits,
            keeps_whole: config.keeps_whole,
            table: Table::default(),
            ended: Ended::default(),
            latecomers: Latecomers::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            token_key: Secret::new(key("tokens")),
            named: 0,
        }
    }

    /// How much anyone may have of anything.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Grants so much from now on. What was granted before stays, with the bandwidth that it was granted; the line's share holds for
    /// all at once.
    pub fn set_limits(&mut self, limits: Limits) {
        self.challenges.set(limits.challenges_per_second);
        self.bindings.set(limits.bindings_per_second);
        if limits.bytes_per_second_in_all != self.limits.bytes_per_second_in_all {
            self.line = limits.bytes_per_second_in_all.map(|rate| Arc::new(Bucket::new(rate)));
            self.ways_change();
        }
        self.limits = limits;
    }

    /// Takes what came from a client: a datagram, or one frame of a stream.
    pub fn handle_datagram(&mut self, client: ClientSocket, bytes: &[u8], now: Now) {
        // The edge's timer may be late, but nothing passes after its end.
        self.handle_timeout(now);
        self.counters.received += 1;
        if client.transport == Transport::Udp && CHATTERING_PORTS.contains(&client.remote.port()) {
            self.counters.malformed += 1;
            return;
        }
        if let [0x40..=0x4F, ..] = bytes {
            return self.channel_data(client, bytes, now);
        }
        let Some(message) = message::read(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        match (message.typ.class, message.typ.method) {
            (CLASS_INDICATION, METHOD_SEND) => self.send_indication(client, &message, now),
            (CLASS_REQUEST, METHOD_BINDING) => self.binding(client, &message, now),
            (
                CLASS_REQUEST,
                METHOD_ALLOCATE
                | METHOD_REFRESH
                | METHOD_CREATE_PERMISSION
                | METHOD_CHANNEL_BIND
                | METHOD_CONNECT
                | METHOD_CONNECTION_BIND,
            ) => self.request(client, message, now),
            _ => self.counters.malformed += 1,
        }
    }

    /// Takes the next thing to do. `None` when all is done until something else is handed in.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Server::handle_timeout`] wants to be called next, if nothing else is handed in before.
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.table.next_end()
    }

    /// Ends what has expired by `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(ended) = self.table.timers.pop(now.tick) {
            match ended {
                Ends::Opening(client) => self.end(client),
                Ends::Allocation(client) => self.expire(client, now),
                Ends::Reservation(token) => self.release(token),
            }
        }
    }

    /// Ends the participant's allocations at once and refuses its names from now on, until [`Server::readmit`].
    pub fn revoke(&mut self, participant: ParticipantId, now: Now) {
        self.table.revoke(participant, now.wall);
        for client in self.table.clients_of(participant.into()) {
            self.end(client);
        }
        for token in self.table.tokens_of(participant.into()) {
            self.release(token);
        }
    }

    /// Accepts the participant's names again.
    pub fn readmit(&mut self, participant: ParticipantId) {
        self.table.readmit(participant);
    }

    /// Lets the participant have as much as it likes, without taking from what others may have: it is the relay's own test.
    pub fn exempt(&mut self, participant: ParticipantId) {
        self.table.exempt = Some(participant.into());
    }

    /// Ends what a client holds whose stream has ended.
    pub fn client_gone(&mut self, client: ClientSocket) {
        self.end(client);
    }

    /// Whether the client has an allocation, or will have one as soon as its relay sockets are open.
    pub fn holds(&self, client: ClientSocket) -> bool {
        self.table.open.contains_key(&client) || self.table.opening.contains_key(&client)
    }

    /// Ends everything that anyone holds.
    pub fn close(&mut self) {
        let mut clients: Vec<ClientSocket> = self.table.open.keys().chain(self.table.opening.keys()).copied().collect();
        clients.sort_unstable();
        clients.into_iter().for_each(|client| self.end(client));
        let tokens: Vec<_> = self.table.reserved.keys().copied().collect();
        tokens.into_iter().for_each(|token| self.release(token));
    }

    /// Replaces the list of this machine's own addresses, to which nothing is relayed.
    pub fn set_local_addresses(&mut self, addresses: HashSet<IpAddr>) {
        if self.peers.set_local(addresses) {
            self.ways_change();
        }
    }

    /// Advertises `known` from now on for the address `bound` that relay sockets are bound to. Those who were told another one are
    /// found by the new one as well.
    pub fn publish(&mut self, bound: IpAddr, known: IpAddr) {
        if self.peers.publish(bound, known) {
            self.ways_change();
        }
    }

    /// Relays at other addresses from now on, each given with the one that peers know it by. What is allocated stays where it is.
    pub fn move_to(&mut self, published: Vec<(IpAddr, IpAddr)>) {
        if self.peers.move_to(published) {
            self.ways_change();
        }
    }

    /// Tells everybody who knows a way to ask for it again.
    fn ways_change(&self) {
        self.table.open.values().for_each(|open| open.meter.change());
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        let by = |transport| self.table.open.keys().filter(|client| client.transport == transport).count() as u64;
        let mut counters = Counters {
            allocations: self.table.open.len() as u64,
            allocations_by_udp: by(Transport::Udp),
            allocations_by_tcp: by(Transport::Tcp),
            allocations_by_tls: by(Transport::Tls),
            ..self.counters
        };
        self.table.open.values().for_each(|open| counters.add(open.meter.traffic()));
        counters
    }

    /// What each allocation of a participant has moved, and whose it is.
    pub fn traffic(&self) -> impl Iterator<Item = (ClientSocket, ParticipantId, Traffic)> {
        let of = |open: &allocation::Allocation| Some((open.client, open.holder.participant()?, open.meter.traffic()));
        self.table.open.values().filter_map(of)
    }

    /// What all allocations of a participant have moved together, those that have ended included. `None` when there was none, or
    /// when it is long ago.
    pub fn traffic_of(&self, participant: ParticipantId) -> Option<Traffic> {
        let open = self.table.open.values().filter(|open| open.holder == participant.into()).map(|open| open.meter.traffic());
        open.chain(self.ended.of(participant)).reduce(|sum, more| sum + more)
    }

    /// Drops what has ended of one allocation, and the allocation with its last relay socket.
    fn expire(&mut self, client: ClientSocket, now: Now) {
        let Some(allocation) = self.table.open.get_mut(&client) else { return };
        let ended = allocation.expire(now.tick);
        let over = allocation.relays.is_empty();
        for relay in ended {
            self.close_relay(relay);
        }
        if over {
            self.end(client);
        } else {
            self.table.watch(client);
        }
    }

    /// Ends the allocation of `client`, or the making of one.
    fn end(&mut self, client: ClientSocket) {
        self.table.timers.clear(Ends::Allocation(client));
        self.table.timers.clear(Ends::Opening(client));
        if let Some(opening) = self.table.opening.remove(&client) {
            self.drop_opening(&opening);
        }
        if let Some(allocation) = self.table.open.remove(&client) {
            allocation.meter.change();
            let traffic = allocation.meter.traffic();
            self.counters.add(traffic);
            let Traffic { bytes_out, bytes_in, .. } = traffic;
            let holder = allocation.holder.label();
            tracing::debug!(event = "allocation_ended", transport = ?client.transport, holder, bytes_out, bytes_in, "an allocation ended");
            if let Some(participant) = allocation.holder.participant() {
                self.ended.add(participant, traffic);
            }
            allocation.relays.into_iter().for_each(|relay| self.close_relay(relay));
        }
    }

    fn close_relay(&mut self, relay: allocation::Relay) {
        self.peers.closed(relay.address);
        self.table.relays.remove(&relay.id);
        self.outputs.push_back(Output::CloseRelay { relay: relay.id });
    }

    /// Gives a port in reserve back.
    fn release(&mut self, token: table::Token) {
        self.table.timers.clear(Ends::Reservation(token));
        if let Some(reserved) = self.table.reserved.remove(&token) {
            self.outputs.push_back(Output::CloseRelay { relay: reserved.relay });
        }
    }

    fn answer(&mut self, client: ClientSocket, message: Vec<u8>) {
        self.outputs.push_back(Output::Answer { client, message });
    }

    /// The next number that nothing else was named with.
    const fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
