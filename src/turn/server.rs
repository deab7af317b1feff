//! One datagram from a client at a time: who sent it, whether it may, and what follows (RFC 8489, RFC 8656).
//!
//! Everything that a stranger can cause ends here without memory: at most a short answer, limited per source.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ::turn::allocation::allocation_manager::Manager;
use ::turn::allocation::channel_bind::ChannelBind;
use ::turn::allocation::five_tuple::FiveTuple;
use ::turn::allocation::permission::Permission;
use ::turn::proto::PROTO_UDP;
use ::turn::proto::channum::ChannelNumber;
use ::turn::proto::data::Data;
use ::turn::proto::lifetime::{DEFAULT_LIFETIME, Lifetime};
use ::turn::proto::relayaddr::RelayedAddress;
use ::turn::proto::reqfamily::{REQUESTED_FAMILY_IPV4, REQUESTED_FAMILY_IPV6, RequestedAddressFamily};
use ::turn::proto::reqtrans::RequestedTransport;
use stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_EVEN_PORT, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM,
    ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_USERNAME,
};
use stun::error_code::{
    CODE_ADDR_FAMILY_NOT_SUPPORTED, CODE_ALLOC_MISMATCH, CODE_BAD_REQUEST, CODE_FORBIDDEN, CODE_INSUFFICIENT_CAPACITY,
    CODE_PEER_ADDR_FAMILY_MISMATCH, CODE_STALE_NONCE, CODE_UNAUTHORIZED, CODE_UNKNOWN_ATTRIBUTE, CODE_UNSUPPORTED_TRANS_PROTO,
    CODE_WRONG_CREDENTIALS, ErrorCode,
};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING,
    METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CONNECTION_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message,
};
use stun::textattrs::{Nonce, Realm, Username};
use stun::uattrs::UnknownAttributes;
use stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;

use super::counters::Tally;
use super::guard::{Guard, Parity};
use super::nonce::Nonces;
use super::policy::Peers;
use super::rate::PerSource;
use super::sessions::{CHANNEL_LIFETIME, Session, Sessions};
use super::{Limits, credentials, message};
use crate::clock::Now;
use crate::ids::{ParticipantId, Secret};

/// The longest lifetime that an allocation is granted at a time.
const MAX_LIFETIME: Duration = Duration::from_secs(1800);

/// Ports of services that answer whatever they are sent. An answer to one could go back and forth for ever.
const CHATTERING_PORTS: [u16; 5] = [0, 7, 19, 53, 123];

/// Channel numbers that a client may bind (RFC 8656 §12).
const CHANNELS: RangeInclusive<u16> = 0x4000..=0x4FFF;

/// The flag of EVEN-PORT that asks for the port above as well (RFC 8656 §18.6).
const RESERVE_NEXT: u8 = 0x80;

/// What all listeners of one relay share.
pub(super) struct Server {
    pub(super) realm: String,
    pub(super) secret: Secret<[u8; 32]>,
    /// The addresses that relay sockets are bound to, at most one of each family.
    pub(super) relays: Vec<IpAddr>,
    pub(super) ports: RangeInclusive<u16>,
    pub(super) limits: Limits,
    pub(super) nonces: Nonces,
    pub(super) challenges: PerSource,
    pub(super) bindings: PerSource,
    pub(super) peers: Arc<Peers>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) manager: Manager,
    pub(super) tally: Arc<Tally>,
}

/// A request, whose it is, and how to seal the answer.
struct Call<'a> {
    socket: &'a Arc<UdpSocket>,
    tuple: FiveTuple,
    message: Message,
    now: Now,
    participant: ParticipantId,
    key: MessageIntegrity,
}

impl Call<'_> {
    fn success(&self, attributes: &[&dyn stun::message::Setter]) -> Vec<u8> {
        message::answer(&self.message, CLASS_SUCCESS_RESPONSE, attributes, Some(&self.key))
    }
}

impl Server {
    /// Handles one datagram that `socket`, bound to `local`, received from `source`.
    pub(super) async fn handle(&self, socket: &Arc<UdpSocket>, local: SocketAddr, source: SocketAddr, packet: &[u8], now: Now) {
        self.tally.received.one();
        let tuple = FiveTuple { protocol: PROTO_UDP, src_addr: source, dst_addr: local };
        if CHATTERING_PORTS.contains(&source.port()) {
            return self.tally.malformed.one();
        }
        if let [0x40..=0x4F, ..] = packet {
            return self.channel_data(&tuple, packet, now).await;
        }
        let Some(message) = message::read(packet) else { return self.tally.malformed.one() };
        let reply = match (message.typ.class, message.typ.method) {
            (CLASS_INDICATION, METHOD_SEND) => return self.send_indication(&tuple, &message, now).await,
            (CLASS_REQUEST, METHOD_BINDING) => self.binding(&message, source, now),
            (
                CLASS_REQUEST,
                METHOD_ALLOCATE
                | METHOD_REFRESH
                | METHOD_CREATE_PERMISSION
                | METHOD_CHANNEL_BIND
                | METHOD_CONNECT
                | METHOD_CONNECTION_BIND,
            ) => self.request(socket, tuple, message, now).await,
            _ => return self.tally.malformed.one(),
        };
        if let Some(reply) = reply
            && socket.send_to(&reply, source).await.is_err()
        {
            self.tally.send_errors.one();
        }
    }

    /// Ends the allocations of `tuples`.
    pub(super) async fn end(&self, tuples: Vec<FiveTuple>) {
        for tuple in tuples {
            self.manager.delete_allocation(&tuple).await;
        }
    }

    fn binding(&self, request: &Message, source: SocketAddr, now: Now) -> Option<Vec<u8>> {
        if !self.bindings.allow(source.ip(), now.tick) {
            self.tally.limited.one();
            return None;
        }
        self.tally.bindings.one();
        let unknown = message::unknown(request);
        if !unknown.is_empty() {
            return Some(refusal(request, CODE_UNKNOWN_ATTRIBUTE, unknown, None));
        }
        let mapped = mapped(source);
        Some(message::answer(request, CLASS_SUCCESS_RESPONSE, &[&mapped], None))
    }

    async fn request(&self, socket: &Arc<UdpSocket>, tuple: FiveTuple, mut message: Message, now: Now) -> Option<Vec<u8>> {
        let (participant, key) = match self.authenticate(&mut message, tuple.src_addr, now) {
            Ok(caller) => caller,
            Err(code) => return self.challenge(&message, code, tuple.src_addr, now),
        };
        let call = Call { socket, tuple, message, now, participant, key };
        let unknown = message::unknown(&call.message);
        let outcome = if unknown.is_empty() { self.carry_out(&call).await } else { Err(CODE_UNKNOWN_ATTRIBUTE) };
        Some(outcome.unwrap_or_else(|code| {
            self.tally.refused.one();
            refusal(&call.message, code, unknown, Some(&call.key))
        }))
    }

    /// RFC 8489 §9.2.4. A wrong name costs the same work as a wrong password, and gets the same answer.
    fn authenticate(
        &self,
        request: &mut Message,
        source: SocketAddr,
        now: Now,
    ) -> Result<(ParticipantId, MessageIntegrity), ErrorCode> {
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return Err(CODE_UNAUTHORIZED);
        }
        let text = |typ| stun::textattrs::TextAttribute::get_from_as(request, typ).map_err(|_| CODE_BAD_REQUEST);
        let (name, realm, nonce) = (text(ATTR_USERNAME)?.text, text(ATTR_REALM)?.text, text(ATTR_NONCE)?.text);
        if !self.nonces.verify(&nonce, source, now.tick) {
            return Err(CODE_STALE_NONCE);
        }
        let password = credentials::password(&self.secret, &name);
        let key = MessageIntegrity::new_long_term_integrity(name.clone(), self.realm.clone(), password);
        let whole = message::verify(request, &key) && realm == self.realm;
        let participant = credentials::holder(&name, now.wall).filter(|holder| !self.sessions.is_revoked(*holder, now));
        participant.filter(|_| whole).map(|participant| (participant, key)).ok_or(CODE_UNAUTHORIZED)
    }

    fn challenge(&self, request: &Message, code: ErrorCode, source: SocketAddr, now: Now) -> Option<Vec<u8>> {
        if !self.challenges.allow(source.ip(), now.tick) {
            self.tally.limited.one();
            return None;
        }
        self.tally.challenged.one();
        if code == CODE_BAD_REQUEST {
            return Some(refusal(request, code, Vec::new(), None));
        }
        let realm = Realm::new(ATTR_REALM, self.realm.clone());
        let nonce = Nonce::new(ATTR_NONCE, self.nonces.make(source, now.tick));
        Some(message::answer(request, CLASS_ERROR_RESPONSE, &[&message::error(code), &realm, &nonce], None))
    }

    async fn carry_out(&self, call: &Call<'_>) -> Result<Vec<u8>, ErrorCode> {
        let owner = self.sessions.with(&call.tuple, |session| session.participant);
        if owner.is_some_and(|owner| owner != call.participant) {
            return Err(CODE_WRONG_CREDENTIALS);
        }
        match call.message.typ.method {
            METHOD_ALLOCATE => self.allocate(call).await,
            METHOD_REFRESH => self.refresh(call).await,
            METHOD_CREATE_PERMISSION => self.create_permission(call).await,
            METHOD_CHANNEL_BIND => self.channel_bind(call).await,
            // TCP allocations (RFC 6062) aren't made, so there is nothing to connect.
            _ => Err(CODE_BAD_REQUEST),
        }
    }

    /// RFC 8656 §7.2.
    async fn allocate(&self, call: &Call<'_>) -> Result<Vec<u8>, ErrorCode> {
        let id = call.message.transaction_id;
        let earlier = |session: &mut Session| Some(session.answer.clone()).filter(|_| session.made_by == id);
        if let Some(answer) = self.sessions.with(&call.tuple, earlier) {
            return answer.ok_or(CODE_ALLOC_MISMATCH);
        }
        let place = self.relay_address(&call.message)?;
        let lifetime = lifetime(&call.message)?;
        let guard = Guard::bind(call.tuple, place, &self.ports, &self.peers, &self.tally, &self.sessions)
            .map_err(|_| CODE_INSUFFICIENT_CAPACITY)?;
        let address = guard.address();
        self.sessions.open(call.tuple, Session::new(call.participant, guard, id), &self.limits)?;
        // The crate's allocation keeps a name that nobody asks it for; ours is the session's participant.
        let name = Username::new(ATTR_USERNAME, call.participant.to_string());
        let socket = Arc::clone(call.socket);
        let made = self.manager.create_allocation(call.tuple, socket, address.port(), lifetime, name, address.is_ipv4()).await;
        if made.is_err() {
            self.sessions.forget(&call.tuple, address);
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        if self.sessions.is_revoked(call.participant, call.now) {
            self.end(vec![call.tuple]).await;
            return Err(CODE_UNAUTHORIZED);
        }
        self.tally.allocated.one();
        let known = self.peers.known(address);
        let relayed = RelayedAddress { ip: known.ip(), port: known.port() };
        let answer = call.success(&[&relayed, &Lifetime(lifetime), &mapped(call.tuple.src_addr)]);
        self.sessions.with(&call.tuple, |session| session.answer.clone_from(&answer));
        Ok(answer)
    }

    /// The address at which to relay for this Allocate request and the kind of port, or why not to.
    fn relay_address(&self, request: &Message) -> Result<(IpAddr, Parity), ErrorCode> {
        let transport: RequestedTransport = message::optional(request, ATTR_REQUESTED_TRANSPORT)?.ok_or(CODE_BAD_REQUEST)?;
        if transport.protocol != PROTO_UDP {
            return Err(CODE_UNSUPPORTED_TRANS_PROTO);
        }
        let (token, family) = (request.contains(ATTR_RESERVATION_TOKEN), request.contains(ATTR_REQUESTED_ADDRESS_FAMILY));
        if token && (family || request.contains(ATTR_EVEN_PORT)) {
            return Err(CODE_BAD_REQUEST);
        }
        // Ports in reserve are for RTP without multiplexing, which no browser does.
        let parity = match request.get(ATTR_EVEN_PORT).as_deref() {
            Err(_) => Parity::Any,
            Ok([flags]) if flags & RESERVE_NEXT == 0 => Parity::Even,
            Ok([_]) => return Err(CODE_INSUFFICIENT_CAPACITY),
            Ok(_) => return Err(CODE_BAD_REQUEST),
        };
        if token {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        let ipv6 = match request.get(ATTR_REQUESTED_ADDRESS_FAMILY).as_deref() {
            Err(_) => false,
            Ok([family, _, _, _]) if *family == REQUESTED_FAMILY_IPV4.0 => false,
            Ok([family, _, _, _]) if *family == REQUESTED_FAMILY_IPV6.0 => true,
            Ok([_, _, _, _]) => return Err(CODE_ADDR_FAMILY_NOT_SUPPORTED),
            Ok(_) => return Err(CODE_BAD_REQUEST),
        };
        let ip = self.relays.iter().copied().find(|ip| ip.is_ipv6() == ipv6).ok_or(CODE_ADDR_FAMILY_NOT_SUPPORTED)?;
        Ok((ip, parity))
    }

    /// RFC 8656 §8.2.
    async fn refresh(&self, call: &Call<'_>) -> Result<Vec<u8>, ErrorCode> {
        let allocation = self.manager.get_allocation(&call.tuple).await.ok_or(CODE_ALLOC_MISMATCH)?;
        let address = self.address_of(call)?;
        let family: Option<RequestedAddressFamily> = message::optional(&call.message, ATTR_REQUESTED_ADDRESS_FAMILY)?;
        if family.is_some_and(|family| (family == REQUESTED_FAMILY_IPV6) != address.is_ipv6()) {
            return Err(CODE_PEER_ADDR_FAMILY_MISMATCH);
        }
        let lifetime = match message::optional::<Lifetime>(&call.message, ATTR_LIFETIME)? {
            Some(Lifetime(Duration::ZERO)) => {
                self.manager.delete_allocation(&call.tuple).await;
                Duration::ZERO
            }
            _ => {
                let lifetime = lifetime(&call.message)?;
                allocation.refresh(lifetime).await;
                lifetime
            }
        };
        Ok(call.success(&[&Lifetime(lifetime)]))
    }

    /// RFC 8656 §10.2. All of the peers or none.
    async fn create_permission(&self, call: &Call<'_>) -> Result<Vec<u8>, ErrorCode> {
        let allocation = self.manager.get_allocation(&call.tuple).await.ok_or(CODE_ALLOC_MISMATCH)?;
        let peers = self.allowed_peers(call)?;
        self.change(call, |session| session.permit(&peers, &self.limits, call.now.tick))?;
        for peer in peers {
            allocation.add_permission(Permission::new(peer)).await;
        }
        Ok(call.success(&[]))
    }

    /// RFC 8656 §12.2.
    async fn channel_bind(&self, call: &Call<'_>) -> Result<Vec<u8>, ErrorCode> {
        let allocation = self.manager.get_allocation(&call.tuple).await.ok_or(CODE_ALLOC_MISMATCH)?;
        let number: ChannelNumber = message::optional(&call.message, ATTR_CHANNEL_NUMBER)?.ok_or(CODE_BAD_REQUEST)?;
        let peers = self.allowed_peers(call)?;
        let [peer] = *peers else { return Err(CODE_BAD_REQUEST) };
        if !CHANNELS.contains(&number.0) {
            return Err(CODE_BAD_REQUEST);
        }
        self.change(call, |session| session.bind(number.0, peer, &self.limits, call.now.tick))?;
        let bound = allocation.add_channel_bind(ChannelBind::new(number, peer), CHANNEL_LIFETIME).await;
        bound.map(|()| call.success(&[])).map_err(|_| CODE_BAD_REQUEST)
    }

    /// The peers that a request names, if there are any and every one is allowed.
    fn allowed_peers(&self, call: &Call<'_>) -> Result<Vec<SocketAddr>, ErrorCode> {
        let address = self.address_of(call)?;
        let peers = message::peers(&call.message)?;
        if peers.is_empty() {
            return Err(CODE_BAD_REQUEST);
        }
        if !peers.iter().all(|peer| self.peers.allows(*peer)) {
            self.tally.forbidden.one();
            return Err(CODE_FORBIDDEN);
        }
        let same_family = peers.iter().all(|peer| peer.is_ipv4() == address.is_ipv4());
        if same_family { Ok(peers) } else { Err(CODE_PEER_ADDR_FAMILY_MISMATCH) }
    }

    fn address_of(&self, call: &Call<'_>) -> Result<SocketAddr, ErrorCode> {
        self.change(call, |session| Ok(session.guard.address()))
    }

    fn change<T>(&self, call: &Call<'_>, change: impl FnOnce(&mut Session) -> Result<T, ErrorCode>) -> Result<T, ErrorCode> {
        self.sessions.with(&call.tuple, change).unwrap_or(Err(CODE_ALLOC_MISMATCH))
    }

    /// RFC 8656 §11.2. What can't be sent is dropped without a word: an indication has no answer.
    async fn send_indication(&self, tuple: &FiveTuple, message: &Message, now: Now) {
        let data = message::optional::<Data>(message, ATTR_DATA).ok().flatten();
        let peers = message::peers(message).unwrap_or_default();
        let (Some(data), [peer], []) = (data, &*peers, &*message::unknown(message)) else {
            return self.tally.malformed.one();
        };
        let permitted = |session: &mut Session| Some(Arc::clone(&session.guard)).filter(|_| session.permits(*peer, now.tick));
        match self.sessions.with(tuple, permitted).flatten() {
            Some(guard) => guard.send(&data.0, *peer).await,
            None => self.tally.unpermitted.one(),
        }
    }

    /// RFC 8656 §12.6.
    async fn channel_data(&self, tuple: &FiveTuple, packet: &[u8], now: Now) {
        let [n0, n1, l0, l1, rest @ ..] = packet else { return self.tally.malformed.one() };
        let Some(data) = rest.get(..usize::from(u16::from_be_bytes([*l0, *l1]))) else { return self.tally.malformed.one() };
        let number = u16::from_be_bytes([*n0, *n1]);
        let bound = |session: &mut Session| {
            let peer = session.peer_of(number, now.tick).filter(|peer| session.permits(*peer, now.tick));
            peer.map(|peer| (Arc::clone(&session.guard), peer))
        };
        match self.sessions.with(tuple, bound).flatten() {
            Some((guard, peer)) => guard.send(data, peer).await,
            None => self.tally.unpermitted.one(),
        }
    }
}

/// The lifetime to grant for the one asked for: within the default and the longest (RFC 8656 §7.2).
fn lifetime(request: &Message) -> Result<Duration, ErrorCode> {
    let asked: Option<Lifetime> = message::optional(request, ATTR_LIFETIME)?;
    Ok(asked.map_or(DEFAULT_LIFETIME, |Lifetime(asked)| asked.clamp(DEFAULT_LIFETIME, MAX_LIFETIME)))
}

fn mapped(source: SocketAddr) -> XorMappedAddress {
    XorMappedAddress { ip: source.ip(), port: source.port() }
}

fn refusal(
    request: &Message,
    code: ErrorCode,
    unknown: Vec<stun::attributes::AttrType>,
    key: Option<&MessageIntegrity>,
) -> Vec<u8> {
    let (error, unknown) = (message::error(code), UnknownAttributes(unknown));
    let attributes: &[&dyn stun::message::Setter] = if unknown.0.is_empty() { &[&error] } else { &[&error, &unknown] };
    message::answer(request, CLASS_ERROR_RESPONSE, attributes, key)
}
