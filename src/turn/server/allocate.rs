//! How an allocation comes to be (RFC 8656 §7.2): what is asked for, the wait for its relay sockets, and the answer.

use std::net::SocketAddr;
use std::time::Duration;

use ::turn::proto::PROTO_UDP;
use ::turn::proto::lifetime::Lifetime;
use ::turn::proto::relayaddr::RelayedAddress;
use ::turn::proto::reqtrans::RequestedTransport;
use ::turn::proto::rsrvtoken::ReservationToken;
use stun::attributes::{
    ATTR_EVEN_PORT, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, AttrType, RawAttribute,
};
use stun::error_code::{
    CODE_ADDR_FAMILY_NOT_SUPPORTED, CODE_ALLOC_MISMATCH, CODE_BAD_REQUEST, CODE_INSUFFICIENT_CAPACITY,
    CODE_UNSUPPORTED_TRANS_PROTO, ErrorCode,
};
use stun::integrity::MessageIntegrity;
use stun::message::{Message, Setter};

use super::Server;
use super::allocation::{Allocation, Relay};
use super::caller::{Call, mapped};
use super::message::{self, Question};
use super::output::{ClientSocket, Family, NoPort, Output, Port, RelayId};
use super::requests::lifetime;
use super::table::{Ends, Reservation, Token};
use crate::clock::{Now, Tick};
use crate::turn::credentials::{Holder, mac};
use crate::turn::meter::{Meter, Share};

/// How long a port stays in reserve (RFC 8656 §7.2).
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// How long the edge may take to open relay sockets.
const OPENING_LIFETIME: Duration = Duration::from_secs(10);

/// The flag of EVEN-PORT that asks for the port above as well (RFC 8656 §18.7).
const RESERVE_NEXT: u8 = 0x80;

/// ADDITIONAL-ADDRESS-FAMILY and ADDRESS-ERROR-CODE (RFC 8656 §18.11, §18.12), which the crate doesn't know.
const ATTR_ADDITIONAL_ADDRESS_FAMILY: AttrType = AttrType(0x8000);
const ATTR_ADDRESS_ERROR_CODE: AttrType = AttrType(0x8001);

/// What an Allocate request asks for.
enum Wish {
    /// The port in reserve under this token.
    Reserved(Token),
    /// A new relay socket for each family.
    New(Vec<(Family, Evenness)>),
}

#[derive(Clone, Copy)]
enum Evenness {
    Any,
    Even,
    EvenWithNext,
}

/// An allocation whose relay sockets are still being opened.
pub(super) struct Opening {
    pub(super) holder: Holder,
    question: Question,
    key: MessageIntegrity,
    lifetime: Duration,
    parts: Vec<(Family, Part)>,
    /// The relay socket that is opened besides, to be kept in reserve.
    next: Option<RelayId>,
}

#[derive(Clone, Copy)]
enum Part {
    Awaited(RelayId),
    Open(RelayId, SocketAddr),
    Failed(ErrorCode),
}

impl Opening {
    /// How many places it takes of the quotas.
    pub(super) fn places(&self) -> usize {
        self.parts.len() + usize::from(self.next.is_some())
    }

    fn is_awaited(&self) -> bool {
        self.parts.iter().any(|(_, part)| matches!(part, Part::Awaited(_)))
    }
}

impl Server {
    /// Begins an allocation. The answer comes when the relay sockets are open, and again whenever the same request does.
    pub(super) fn allocate(&mut self, call: &Call) -> Result<Option<Vec<u8>>, ErrorCode> {
        let id = call.question.id;
        if let Some(open) = self.table.open.get(&call.client) {
            return if open.made_by == id { Ok(Some(open.answer.clone())) } else { Err(CODE_ALLOC_MISMATCH) };
        }
        if let Some(opening) = self.table.opening.get(&call.client) {
            return if opening.question.id == id { Ok(None) } else { Err(CODE_ALLOC_MISMATCH) };
        }
        if self.latecomers.knows(call.client, id, call.now.tick) {
            return Ok(None);
        }
        let wish = wish(&call.message)?;
        let lifetime = lifetime(&call.message)?;
        match wish {
            Wish::Reserved(token) => self.claim(call, token, lifetime).map(Some),
            Wish::New(families) => self.open(call, &families, lifetime).map(|()| None),
        }
    }

    fn open(&mut self, call: &Call, families: &[(Family, Evenness)], lifetime: Duration) -> Result<(), ErrorCode> {
        if !families.iter().any(|(family, _)| self.peers.serves(*family == Family::V6)) {
            return Err(CODE_ADDR_FAMILY_NOT_SUPPORTED);
        }
        let reserve = families.iter().any(|(_, evenness)| matches!(evenness, Evenness::EvenWithNext));
        let places = families.len() + usize::from(reserve);
        self.table.check_quotas(call.holder, call.client, places, &self.limits)?;
        let (holder, question, key) = (call.holder, call.question, call.key.clone());
        let mut opening = Opening { holder, question, key, lifetime, parts: Vec::new(), next: None };
        for (family, evenness) in families {
            if !self.peers.serves(*family == Family::V6) {
                opening.parts.push((*family, Part::Failed(CODE_ADDR_FAMILY_NOT_SUPPORTED)));
                continue;
            }
            let relay = RelayId(self.name());
            let port = match evenness {
                Evenness::Any => Port::Any,
                Evenness::Even => Port::Even,
                Evenness::EvenWithNext => Port::EvenAndNext(*opening.next.insert(RelayId(self.name()))),
            };
            opening.parts.push((*family, Part::Awaited(relay)));
            self.table.relays.insert(relay, call.client);
            self.outputs.push_back(Output::OpenRelay { relay, family: *family, port });
        }
        self.table.opening.insert(call.client, opening);
        self.table.timers.set(Ends::Opening(call.client), call.now.tick.plus(OPENING_LIFETIME));
        Ok(())
    }

    /// Takes the outcome of an [`Output::OpenRelay`]: the address that the socket is bound to. For [`Port::EvenAndNext`] it means
    /// that the port above is bound as well.
    pub fn relay_opened(&mut self, relay: RelayId, outcome: Result<SocketAddr, NoPort>, now: Now) {
        // Nobody may be waiting any more; then the edge has been told to close the socket.
        let Some(client) = self.table.relays.get(&relay).copied() else { return };
        let Some(opening) = self.table.opening.get_mut(&client) else { return };
        let awaits = |(_, part): &&mut (Family, Part)| matches!(part, Part::Awaited(id) if *id == relay);
        let Some((_, part)) = opening.parts.iter_mut().find(awaits) else { return };
        *part = outcome.map_or(Part::Failed(CODE_INSUFFICIENT_CAPACITY), |address| Part::Open(relay, address));
        let complete = !opening.is_awaited();
        if outcome.is_err() {
            self.table.relays.remove(&relay);
        }
        if complete {
            self.finish(client, now);
        }
    }

    /// Makes the allocation when at least one relay socket is open, and answers either way.
    fn finish(&mut self, client: ClientSocket, now: Now) {
        let Some(opening) = self.table.opening.remove(&client) else { return };
        self.table.timers.clear(Ends::Opening(client));
        let until = now.tick.plus(opening.lifetime);
        let (mut relays, mut failed) = (Vec::new(), Vec::new());
        for (family, part) in &opening.parts {
            match part {
                Part::Open(id, address) => relays.push(Relay { id: *id, address: *address, until }),
                Part::Failed(code) => failed.push((*family, *code)),
                Part::Awaited(_) => {}
            }
        }
        let Some(first) = relays.first().map(|relay| relay.address) else {
            self.counters.refused += 1;
            let code = failed.first().map_or(CODE_INSUFFICIENT_CAPACITY, |(_, code)| *code);
            return self.answer(client, opening.question.refusal(code, &[], Some(&opening.key)));
        };
        let mut extra: Vec<Box<dyn Setter>> = failed.into_iter().map(|(family, code)| address_error(family, code)).collect();
        if let Some(relay) = opening.next {
            let address = SocketAddr::new(first.ip(), first.port().saturating_add(1));
            let reserved = Reservation { relay, address, holder: opening.holder, source: client.remote.ip() };
            extra.push(Box::new(ReservationToken(self.reserve(reserved, now).to_vec())));
        }
        let caller = (opening.holder, opening.question, opening.key);
        let answer = self.establish(client, caller, (relays, opening.lifetime), &extra, now.tick);
        self.answer(client, answer);
    }

    /// Enters a new allocation and returns the answer to who asked for it.
    fn establish(
        &mut self,
        client: ClientSocket,
        (holder, question, key): (Holder, Question, MessageIntegrity),
        (relays, lifetime): (Vec<Relay>, Duration),
        extra: &[Box<dyn Setter>],
        now: Tick,
    ) -> Vec<u8> {
        let known = |relay: &Relay| self.peers.known(relay.address);
        let relayed: Vec<RelayedAddress> =
            relays.iter().map(known).map(|known| RelayedAddress { ip: known.ip(), port: known.port() }).collect();
        let (lifetime, mapped) = (Lifetime(lifetime), mapped(client));
        let relayed = relayed.iter().map(|relayed| relayed as &dyn Setter);
        let extra = extra.iter().map(|extra| &**extra);
        let attributes: Vec<&dyn Setter> = relayed.chain(extra).chain([&lifetime as &dyn Setter, &mapped]).collect();
        let answer = question.success(&attributes, Some(&key));
        for relay in &relays {
            self.peers.opened(relay.address, client);
            self.table.relays.insert(relay.id, client);
        }
        let holders = self.table.share_of(holder, self.limits.bytes_per_second_per_user, now);
        let meter = Meter::new(Share::new(self.limits.bytes_per_second), holders);
        let mut allocation = Allocation::new(client, holder, question.id, relays, meter);
        allocation.answer.clone_from(&answer);
        self.table.open.insert(client, allocation);
        self.table.watch(client);
        self.counters.allocated += 1;
        let holder = holder.label();
        tracing::debug!(event = "allocation_made", transport = ?client.transport, holder, "an allocation was made");
        answer
    }

    /// Keeps a relay socket for who asks with the token that this returns.
    fn reserve(&mut self, reserved: Reservation, now: Now) -> Token {
        let number = self.name().to_be_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7, ..] = mac(self.token_key.expose(), &[&number]);
        let token = [t0, t1, t2, t3, t4, t5, t6, t7];
        self.table.reserved.insert(token, reserved);
        self.table.timers.set(Ends::Reservation(token), now.tick.plus(RESERVATION_LIFETIME));
        token
    }

    /// Makes an allocation of the port that the caller has in reserve. Nobody else's token is better than a wrong one.
    fn claim(&mut self, call: &Call, token: Token, lifetime: Duration) -> Result<Vec<u8>, ErrorCode> {
        let own = self.table.reserved.get(&token).copied().filter(|reserved| reserved.holder == call.holder);
        let reserved = own.ok_or(CODE_INSUFFICIENT_CAPACITY)?;
        self.table.reserved.remove(&token);
        if let Err(code) = self.table.check_quotas(call.holder, call.client, 1, &self.limits) {
            self.table.reserved.insert(token, reserved);
            return Err(code);
        }
        self.table.timers.clear(Ends::Reservation(token));
        let relay = Relay { id: reserved.relay, address: reserved.address, until: call.now.tick.plus(lifetime) };
        let caller = (call.holder, call.question, call.key.clone());
        Ok(self.establish(call.client, caller, (vec![relay], lifetime), &[], call.now.tick))
    }

    /// Closes what was opened, or is being opened, for an allocation that nobody wants any more.
    pub(super) fn drop_opening(&mut self, opening: &Opening) {
        let ids = opening.parts.iter().filter_map(|(_, part)| match part {
            Part::Awaited(relay) | Part::Open(relay, _) => Some(*relay),
            Part::Failed(_) => None,
        });
        for relay in ids.chain(opening.next) {
            self.table.relays.remove(&relay);
            self.outputs.push_back(Output::CloseRelay { relay });
        }
    }
}

/// Reads an Allocate request.
fn wish(request: &Message) -> Result<Wish, ErrorCode> {
    let transport: RequestedTransport = message::optional(request, ATTR_REQUESTED_TRANSPORT)?.ok_or(CODE_BAD_REQUEST)?;
    if transport.protocol != PROTO_UDP {
        return Err(CODE_UNSUPPORTED_TRANS_PROTO);
    }
    let family = |typ| match request.get(typ).as_deref() {
        Err(_) => Ok(None),
        Ok([1, _, _, _]) => Ok(Some(Family::V4)),
        Ok([2, _, _, _]) => Ok(Some(Family::V6)),
        Ok([_, _, _, _]) => Err(CODE_ADDR_FAMILY_NOT_SUPPORTED),
        Ok(_) => Err(CODE_BAD_REQUEST),
    };
    let evenness = match request.get(ATTR_EVEN_PORT).as_deref() {
        Err(_) => Evenness::Any,
        Ok([flags]) if flags & RESERVE_NEXT == 0 => Evenness::Even,
        Ok([_]) => Evenness::EvenWithNext,
        Ok(_) => return Err(CODE_BAD_REQUEST),
    };
    let with = |typ| request.contains(typ);
    if with(ATTR_RESERVATION_TOKEN) {
        let other = [ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_ADDITIONAL_ADDRESS_FAMILY, ATTR_EVEN_PORT];
        let token: ReservationToken = message::optional(request, ATTR_RESERVATION_TOKEN)?.ok_or(CODE_BAD_REQUEST)?;
        let token = token.0.try_into().map_err(|_| CODE_BAD_REQUEST)?;
        return if other.into_iter().any(with) { Err(CODE_BAD_REQUEST) } else { Ok(Wish::Reserved(token)) };
    }
    let asked = family(ATTR_REQUESTED_ADDRESS_FAMILY)?;
    match (asked, family(ATTR_ADDITIONAL_ADDRESS_FAMILY), evenness) {
        (family, Ok(None), _) => Ok(Wish::New(vec![(family.unwrap_or(Family::V4), evenness)])),
        (None, Ok(Some(Family::V6)), Evenness::Any | Evenness::Even) => {
            Ok(Wish::New(vec![(Family::V4, evenness), (Family::V6, evenness)]))
        }
        (_, Ok(Some(_)) | Err(_), _) => Err(CODE_BAD_REQUEST),
    }
}

/// ADDRESS-ERROR-CODE (RFC 8656 §18.12): why there is no relay address of this family beside the one of the other.
fn address_error(family: Family, code: ErrorCode) -> Box<dyn Setter> {
    let [class, number] = [code.0 / 100, code.0 % 100].map(|part| part.to_be_bytes()[1]);
    let value = vec![family.number(), 0, class, number];
    Box::new(RawAttribute { typ: ATTR_ADDRESS_ERROR_CODE, length: 4, value })
}
