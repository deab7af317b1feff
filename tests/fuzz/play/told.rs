//! What follows for clients and the edge from what the relay put out so far, and what it must therefore never put out.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use hearth::clock::{Now, Tick, Timestamp};
use hearth::turn::Limits;
use hearth::turn::server::{ClientSocket, Family, Head, NoPort, Output, PeerSocket, Port, RelayId, Server, Transport};
use stun::attributes::{ATTR_NONCE, ATTR_RESERVATION_TOKEN};
use stun::message::{
    CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, Message,
};

use super::policy;
use super::request::Request;
use super::world::TTL;

const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);

/// What was handed in last.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The client it came from.
    pub by: Option<ClientSocket>,
    pub bytes: &'a [u8],
    pub cause: Cause<'a>,
}

#[derive(Clone, Copy)]
pub enum Cause<'a> {
    Bytes,
    Request(&'a Request),
    Payload {
        to: Option<SocketAddr>,
        channel: Option<u16>,
        data: &'a [u8],
    },
    Peer {
        relay: RelayId,
        peer: SocketAddr,
    },
    Opened {
        relay: RelayId,
    },
    /// Time has passed, or something has ended.
    End,
}

struct Relay {
    /// Nobody holds one in reserve.
    holder: Option<ClientSocket>,
    participant: usize,
    address: Option<SocketAddr>,
    next: Option<RelayId>,
}

pub struct Known {
    published: Vec<(IpAddr, IpAddr)>,
    listed: Vec<(IpAddr, u8)>,
    local: HashSet<IpAddr>,
    limits: Limits,
    relays: BTreeMap<RelayId, Relay>,
    awaited: Vec<(RelayId, Family, Port)>,
    granted: BTreeMap<(ClientSocket, IpAddr), Tick>,
    bound: BTreeMap<(ClientSocket, u16), (SocketAddr, Tick)>,
    tokens: Vec<(Vec<u8>, RelayId)>,
    revoked: BTreeMap<usize, Timestamp>,
}

impl Known {
    pub fn new(published: Vec<(IpAddr, IpAddr)>, listed: Vec<(IpAddr, u8)>, limits: Limits) -> Self {
        let (local, relays, awaited, granted, bound, tokens, revoked) = Default::default();
        Self { published, listed, local, limits, relays, awaited, granted, bound, tokens, revoked }
    }

    /// Looks at what the relay puts out.
    pub fn take(&mut self, output: &Output, input: &Input<'_>, now: Now) {
        if let Output::OpenRelay { relay, family, port } = output {
            self.open(*relay, *family, *port, input, now);
        } else if let Output::CloseRelay { relay } = output {
            self.closed(*relay);
        } else if let Output::Answer { client, message } = output {
            let mut answer = Message { raw: message.clone(), ..Message::default() };
            answer.decode().expect("an answer is a message");
            if answer.typ.class == CLASS_SUCCESS_RESPONSE && answer.typ.method != METHOD_BINDING {
                self.succeeded(*client, &answer, input, now);
            }
        } else if let Output::ToPeer { relay, peer, payload, .. } = output {
            self.to_peer(*relay, *peer, payload, input, now.tick);
        } else if let Output::ToClient { client, head, payload, padding } = output {
            assert!(payload.end <= input.bytes.len(), "{output:?} for {} bytes", input.bytes.len());
            self.check_head(*client, head, payload.len(), *padding, now.tick);
            self.to_client(*client, input, now.tick);
        }
    }

    fn open(&mut self, relay: RelayId, family: Family, port: Port, input: &Input<'_>, now: Now) {
        let Cause::Request(request) = input.cause else { panic!("{relay:?} is opened for nobody") };
        self.check_asker(request, now);
        assert_eq!(request.method, METHOD_ALLOCATE);
        let next = if let Port::EvenAndNext(next) = port { Some(next) } else { None };
        let new = |holder, next| Relay { holder, participant: request.asker, address: None, next };
        assert!(self.relays.insert(relay, new(input.by, next)).is_none(), "{relay:?} is used twice");
        if let Some(next) = next {
            assert!(self.relays.insert(next, new(None, None)).is_none(), "{next:?} is used twice");
        }
        self.awaited.push((relay, family, port));
    }

    fn closed(&mut self, relay: RelayId) {
        let relay = self.relays.remove(&relay).expect("a relay socket is closed once, after it was to be opened");
        let Some((holder, address)) = relay.holder.zip(relay.address) else { return };
        let other_family = |ip: IpAddr| ip.is_ipv4() != address.is_ipv4();
        self.granted.retain(|(client, ip), _| *client != holder || other_family(*ip));
        self.bound.retain(|(client, _), (peer, _)| *client != holder || other_family(peer.ip()));
    }

    /// Somebody who is let in holds a credential of a participant who is not sent away.
    fn check_asker(&self, request: &Request, now: Now) {
        assert!(request.sealed, "a request that nobody could seal was obeyed: {request:?}");
        assert!(self.revoked.get(&request.asker).is_none_or(|until| *until <= now.wall), "somebody sent away was let in");
    }

    fn succeeded(&mut self, client: ClientSocket, answer: &Message, input: &Input<'_>, now: Now) {
        match input.cause {
            Cause::Request(request) => {
                self.check_asker(request, now);
                assert_eq!(answer.transaction_id, request.id);
                self.carried_out(client, request, now.tick);
            }
            Cause::Opened { relay } => {
                let next = self.relays.get(&relay).and_then(|relay| relay.next);
                let token = answer.get(ATTR_RESERVATION_TOKEN).ok();
                assert_eq!(token.is_some(), next.is_some());
                self.tokens.extend(token.zip(next));
                assert!(self.has_open(client), "an allocation without a relay socket");
            }
            Cause::Bytes | Cause::Payload { .. } | Cause::Peer { .. } | Cause::End => panic!("nobody asked: {answer}"),
        }
    }

    fn carried_out(&mut self, client: ClientSocket, request: &Request, now: Tick) {
        if let (METHOD_ALLOCATE, Some(token)) = (request.method, &request.token) {
            let claimed = self.tokens.iter().find(|(known, _)| known == token).map(|(_, relay)| *relay);
            let relay = claimed.and_then(|relay| self.relays.get_mut(&relay)).expect("a token stands for a socket in reserve");
            assert_eq!(relay.participant, request.asker, "somebody else's socket was claimed");
            relay.holder = Some(client);
        }
        if [METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND].contains(&request.method) {
            assert!(!request.peers.is_empty() && self.has_open(client));
            for peer in &request.peers {
                assert!(self.may_reach(*peer), "{peer} was permitted");
                self.granted.insert((client, peer.ip()), now);
            }
        }
        if request.method == METHOD_CHANNEL_BIND {
            let (number, peer) = (request.channel.expect("a channel was named"), request.peers[0]);
            assert!((0x4000..=0x4fff).contains(&number), "channel {number:x} was bound");
            self.bound.insert((client, number), (peer, now));
        }
    }

    fn to_peer(&self, relay: RelayId, PeerSocket(peer): PeerSocket, payload: &Range<usize>, input: &Input<'_>, now: Tick) {
        assert!(policy::may_send_to(peer, self.own(), &self.listed), "{peer} is sent to");
        let client = input.by.expect("somebody sends");
        let address = self.relays.get(&relay).filter(|relay| relay.holder == Some(client)).and_then(|relay| relay.address);
        assert_eq!(address.map(|address| address.is_ipv4()), Some(peer.is_ipv4()), "{relay:?} can't send to {peer}");
        assert!(self.is_granted(client, peer.ip(), now), "{client:?} has no permission for {peer}");
        let sent = input.bytes.get(payload.clone()).expect("the payload is in the packet");
        if let Cause::Payload { to, channel, data } = input.cause {
            assert_eq!(sent, data, "something else was sent");
            let meant = to.or_else(|| channel.and_then(|number| self.bound_to(client, number, now)));
            assert_eq!(meant, Some(peer), "it was meant for somebody else");
        }
    }

    fn to_client(&self, client: ClientSocket, input: &Input<'_>, now: Tick) {
        assert!(self.has_open(client), "{client:?} has no allocation");
        let sources: Vec<SocketAddr> = if let Cause::Peer { relay, peer } = input.cause {
            let holder = self.relays.get(&relay).and_then(|relay| relay.holder);
            assert_eq!(holder, Some(client), "it came to somebody else's socket");
            assert!(self.may_reach(peer), "{peer} was heard");
            vec![self.as_known(peer)]
        } else {
            let sender = input.by.expect("somebody sends");
            self.open_of(sender).map(|address| self.as_known(address)).collect()
        };
        let granted = sources.iter().any(|source| self.is_granted(client, source.ip(), now));
        assert!(granted, "{client:?} has no permission for {sources:?}");
    }

    fn check_head(&self, client: ClientSocket, head: &Head, length: usize, padding: usize, now: Tick) {
        let head = head.as_bytes();
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        if head[0] & 0xc0 == 0 {
            assert_eq!(number(0), 0x0017, "no Data indication");
            assert_eq!(
                (usize::from(number(2)) + 20, padding),
                (head.len() + length + padding, length.next_multiple_of(4) - length)
            );
            assert_eq!((number(head.len() - 4), usize::from(number(head.len() - 2))), (0x0013, length));
        } else {
            assert!(self.bound_to(client, number(0), now).is_some(), "channel {:x} is bound to nobody", number(0));
            let padded = if client.transport == Transport::Udp { 0 } else { length.next_multiple_of(4) - length };
            assert_eq!((head.len(), usize::from(number(2)), padding), (4, length, padded));
        }
    }

    // What the world tells.

    /// One of the relay sockets that the edge is to open.
    pub fn take_awaited(&mut self, choice: u8) -> Option<(RelayId, Family, Port)> {
        let place = usize::from(choice).checked_rem(self.awaited.len())?;
        Some(self.awaited.remove(place))
    }

    /// How an attempt to open a relay socket came out: for the one above as well, if that was wanted.
    pub fn note_opened(&mut self, relay: RelayId, outcome: Result<SocketAddr, NoPort>) {
        let Some(known) = self.relays.get_mut(&relay) else { return };
        known.address = outcome.ok();
        let next = known.next;
        if outcome.is_err() {
            self.relays.remove(&relay);
            next.map(|next| self.relays.remove(&next));
        }
        let above = outcome.ok().map(|address| SocketAddr::new(address.ip(), address.port() + 1));
        if let Some(next) = next.and_then(|next| self.relays.get_mut(&next)) {
            next.address = above;
        }
    }

    pub fn note_local(&mut self, local: HashSet<IpAddr>) {
        self.local = local;
    }

    pub fn note_readmitted(&mut self, participant: usize) {
        self.revoked.remove(&participant);
    }

    pub fn note_revoked(&mut self, participant: usize, now: Timestamp) {
        assert!(self.relays.values().all(|relay| relay.participant != participant), "somebody sent away keeps a socket");
        self.revoked.insert(participant, now.plus(TTL));
    }

    pub fn check_gone(&self, client: ClientSocket, server: &Server) {
        let holds = server.holds(client) || self.relays.values().any(|relay| relay.holder == Some(client));
        assert!(!holds, "{client:?} is gone and keeps a socket");
    }

    pub fn check_closed(&self, server: &Server) {
        assert!(self.relays.is_empty(), "{:?} are never closed", self.relays.keys());
        assert_eq!((server.counters().allocations, server.traffic().count(), server.poll_timeout()), (0, 0, None));
    }

    pub fn check_quotas(&self, server: &Server) {
        let limits = &self.limits;
        let places = |counts: &dyn Fn(&Relay) -> bool| self.relays.values().filter(|relay| counts(relay)).count();
        assert!(places(&|_| true) <= limits.allocations, "too many relay sockets");
        for relay in self.relays.values() {
            assert!(places(&|other| other.participant == relay.participant) <= limits.allocations_per_user);
            let source = |relay: &Relay| relay.holder.map(|holder| network(holder.remote.ip()));
            assert!(relay.holder.is_none() || places(&|other| source(other) == source(relay)) <= limits.allocations_per_source);
        }
        let holders: HashSet<_> =
            self.relays.values().filter(|relay| relay.address.is_some()).filter_map(|relay| relay.holder).collect();
        assert!(holders.iter().all(|holder| server.holds(*holder)), "a socket is left without its allocation");
        assert!(server.traffic().all(|(client, ..)| holders.contains(&client)), "an allocation is left without a socket");
    }

    pub fn check_holdings(&self, now: Tick) {
        for holder in self.relays.values().filter_map(|relay| relay.holder) {
            let granted = self.granted.iter().filter(|((client, _), at)| *client == holder && now.since(**at) < PERMISSION);
            let bound = self.bound.iter().filter(|((client, _), (_, at))| *client == holder && now.since(*at) < CHANNEL);
            assert!(granted.count() <= self.limits.permissions_per_allocation, "too many permissions");
            assert!(bound.count() <= self.limits.channels_per_allocation, "too many channels");
        }
    }

    // What the script may speak of.

    pub fn relay_address(&self, family: Family) -> Option<IpAddr> {
        self.published.iter().map(|(bound, _)| *bound).find(|bound| Family::of(*bound) == family)
    }

    /// One of the sockets there are, or a number that may be of none.
    pub fn nth_relay(&self, choice: u8) -> RelayId {
        let place = usize::from(choice).checked_rem(self.relays.len()).filter(|_| choice < 0xf0);
        place.and_then(|place| self.relays.keys().nth(place).copied()).unwrap_or(RelayId(choice.into()))
    }

    /// An address of one of the open sockets, either as it is bound or as peers know it.
    pub fn nth_address(&self, choice: usize) -> Option<SocketAddr> {
        let open: Vec<SocketAddr> = self.relays.values().filter_map(|relay| relay.address).collect();
        let address = *open.get((choice / 2).checked_rem(open.len())?)?;
        Some(if choice.is_multiple_of(2) { self.as_known(address) } else { address })
    }

    pub fn nth_token(&self, choice: u8) -> Option<Vec<u8>> {
        self.tokens.get(usize::from(choice)).map(|(token, _)| token.clone())
    }

    // What follows from it.

    fn own(&self) -> impl Iterator<Item = IpAddr> {
        self.published.iter().flat_map(|(bound, known)| [*bound, *known]).chain(self.local.iter().copied())
    }

    /// Whether packets may pass to and from there: over the network, or because it is a socket of the relay itself.
    fn may_reach(&self, peer: SocketAddr) -> bool {
        let live = self.relays.values().filter(|relay| relay.holder.is_some()).filter_map(|relay| relay.address);
        let mut live = live.flat_map(|address| [address, self.as_known(address)]);
        live.any(|address| address == peer) || policy::may_send_to(peer, self.own(), &self.listed)
    }

    fn as_known(&self, address: SocketAddr) -> SocketAddr {
        let known = self.published.iter().find(|(bound, _)| *bound == address.ip());
        known.map_or(address, |(_, known)| SocketAddr::new(*known, address.port()))
    }

    fn open_of(&self, client: ClientSocket) -> impl Iterator<Item = SocketAddr> {
        self.relays.values().filter(move |relay| relay.holder == Some(client)).filter_map(|relay| relay.address)
    }

    fn has_open(&self, client: ClientSocket) -> bool {
        self.open_of(client).next().is_some()
    }

    fn is_granted(&self, client: ClientSocket, peer: IpAddr, now: Tick) -> bool {
        self.granted.get(&(client, peer)).is_some_and(|at| now.since(*at) < PERMISSION)
    }

    fn bound_to(&self, client: ClientSocket, number: u16, now: Tick) -> Option<SocketAddr> {
        self.bound.get(&(client, number)).filter(|(_, at)| now.since(*at) < CHANNEL).map(|(peer, _)| *peer)
    }
}

/// The nonce that a message tells.
pub fn nonce(message: &[u8]) -> Option<String> {
    let mut answer = Message { raw: message.to_vec(), ..Message::default() };
    answer.decode().expect("an answer is a message");
    answer.get(ATTR_NONCE).ok().and_then(|nonce| String::from_utf8(nonce).ok())
}

/// Whoever has one address of an IPv6 network has them all.
fn network(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
    }
}
