//! Who asks, and whether it may ask at all (RFC 8489 §9.2.4).

use stun::attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, AttrType};
use stun::error_code::{
    CODE_BAD_REQUEST, CODE_FORBIDDEN, CODE_STALE_NONCE, CODE_UNAUTHORIZED, CODE_UNKNOWN_ATTRIBUTE, CODE_WRONG_CREDENTIALS,
    ErrorCode,
};
use stun::integrity::MessageIntegrity;
use stun::message::{METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, Setter};
use stun::textattrs::{Nonce, Realm, TextAttribute};
use stun::uattrs::UnknownAttributes;
use stun::xoraddr::XorMappedAddress;

use super::Server;
use super::message::{self, Question};
use super::output::{ClientSocket, Transport};
use crate::clock::{Now, Tick};
use crate::turn::credentials::Holder;
use crate::turn::rate::PerSource;

/// How many times as many answers a source gets by streams. A handshake has proved its address, so that they can't be meant for
/// somebody else, nobody asks twice over a stream, and many who share an address may come at the same time.
const MORE_BY_STREAMS: u32 = 16;

/// A request, whose it is, and how to seal the answer.
pub(super) struct Call {
    pub(super) client: ClientSocket,
    pub(super) question: Question,
    pub(super) message: Message,
    pub(super) now: Now,
    pub(super) holder: Holder,
    pub(super) key: MessageIntegrity,
}

impl Call {
    pub(super) fn success(&self, attributes: &[&dyn Setter]) -> Vec<u8> {
        self.question.success(attributes, Some(&self.key))
    }
}

/// How many answers of a kind each source gets, whoever it says it is.
pub(super) struct Allowance {
    by_datagrams: PerSource,
    by_streams: PerSource,
}

impl Allowance {
    /// So many answers per source and second by datagrams, and [`MORE_BY_STREAMS`] times as many by streams.
    pub(super) fn new(per_second: u32, key: [u8; 32]) -> Self {
        let by_streams = PerSource::new(per_second.saturating_mul(MORE_BY_STREAMS), key);
        Self { by_datagrams: PerSource::new(per_second, key), by_streams }
    }

    /// Gives so many answers from now on.
    pub(super) const fn set(&mut self, per_second: u32) {
        self.by_datagrams.set(per_second);
        self.by_streams.set(per_second.saturating_mul(MORE_BY_STREAMS));
    }

    fn allow(&mut self, client: ClientSocket, now: Tick) -> bool {
        let allowance = match client.transport {
            Transport::Udp => &mut self.by_datagrams,
            Transport::Tcp | Transport::Tls => &mut self.by_streams,
        };
        allowance.allow(client.remote.ip(), now)
    }
}

impl Server {
    /// Answers a Binding request (RFC 8489 §12).
    pub(super) fn binding(&mut self, client: ClientSocket, request: &Message, now: Now) {
        if !self.bindings.allow(client, now.tick) {
            self.counters.limited += 1;
            return;
        }
        self.counters.bindings += 1;
        let (question, unknown) = (Question::of(request), message::unknown(request, self.keeps_whole));
        let answer = if unknown.is_empty() {
            question.success(&[&mapped(client)], None)
        } else {
            refusal(question, CODE_UNKNOWN_ATTRIBUTE, unknown, None)
        };
        self.answer(client, answer);
    }

    /// Carries out a request of somebody who is known, or asks who it is.
    pub(super) fn request(&mut self, client: ClientSocket, mut message: Message, now: Now) {
        let question = Question::of(&message);
        let (holder, key) = match self.authenticate(&mut message, client, now) {
            Ok(caller) => caller,
            Err(code) => {
                // Without one, this is only how every client begins.
                if code == CODE_UNAUTHORIZED && message.contains(ATTR_MESSAGE_INTEGRITY) {
                    self.counters.failed_authentications += 1;
                }
                return self.challenge(client, question, code, now);
            }
        };
        let call = Call { client, question, message, now, holder, key };
        let unknown = message::unknown(&call.message, self.keeps_whole);
        let outcome = if unknown.is_empty() { self.carry_out(&call) } else { Err(CODE_UNKNOWN_ATTRIBUTE) };
        match outcome {
            Ok(Some(answer)) => self.answer(client, answer),
            Ok(None) => {}
            Err(code) => {
                // A forbidden peer was counted where it was found.
                self.counters.refused += u64::from(code != CODE_FORBIDDEN);
                self.answer(client, refusal(question, code, unknown, Some(&call.key)));
            }
        }
    }

    /// A wrong name costs the same work as a wrong password, and gets the same answer.
    fn authenticate(
        &self,
        request: &mut Message,
        client: ClientSocket,
        now: Now,
    ) -> Result<(Holder, MessageIntegrity), ErrorCode> {
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return Err(CODE_UNAUTHORIZED);
        }
        let text = |typ| TextAttribute::get_from_as(request, typ).map_err(|_| CODE_BAD_REQUEST);
        let (name, realm, nonce) = (text(ATTR_USERNAME)?.text, text(ATTR_REALM)?.text, text(ATTR_NONCE)?.text);
        if !self.nonces.verify(&nonce, client.remote, now.tick) {
            return Err(CODE_STALE_NONCE);
        }
        let (passwords, holders): (Vec<_>, Vec<_>) = self.keys.claims(&name, now.wall).into_iter().unzip();
        let key = |password| MessageIntegrity::new_long_term_integrity(name.clone(), self.realm.clone(), password);
        let mut keys: Vec<MessageIntegrity> = passwords.into_iter().map(key).collect();
        let sealed = message::verify(request, &keys).filter(|_| realm == self.realm).ok_or(CODE_UNAUTHORIZED)?;
        let holder = holders[sealed].filter(|holder| !self.table.is_revoked(*holder, now));
        holder.map(|holder| (holder, keys.swap_remove(sealed))).ok_or(CODE_UNAUTHORIZED)
    }

    fn challenge(&mut self, client: ClientSocket, question: Question, code: ErrorCode, now: Now) {
        if !self.challenges.allow(client, now.tick) {
            self.counters.limited += 1;
            return;
        }
        self.counters.challenged += 1;
        let answer = if code == CODE_BAD_REQUEST {
            question.refusal(code, &[], None)
        } else {
            let realm = Realm::new(ATTR_REALM, self.realm.clone());
            let nonce = Nonce::new(ATTR_NONCE, self.nonces.make(client.remote, now.tick));
            question.refusal(code, &[&realm, &nonce], None)
        };
        self.answer(client, answer);
    }

    /// The answer, or none where it comes later or was already promised.
    fn carry_out(&mut self, call: &Call) -> Result<Option<Vec<u8>>, ErrorCode> {
        let open = self.table.open.get(&call.client).map(|open| open.holder);
        let owner = open.or_else(|| self.table.opening.get(&call.client).map(|opening| opening.holder));
        if owner.is_some_and(|owner| owner != call.holder) {
            return Err(CODE_WRONG_CREDENTIALS);
        }
        match call.question.method {
            METHOD_ALLOCATE => self.allocate(call),
            METHOD_REFRESH => self.refresh(call).map(Some),
            METHOD_CREATE_PERMISSION => self.create_permission(call).map(Some),
            METHOD_CHANNEL_BIND => self.channel_bind(call).map(Some),
            // TCP allocations (RFC 6062) aren't made, so there is nothing to connect.
            _ => Err(CODE_BAD_REQUEST),
        }
    }
}

/// The attribute that tells a client its own address.
pub(super) const fn mapped(client: ClientSocket) -> XorMappedAddress {
    XorMappedAddress { ip: client.remote.ip(), port: client.remote.port() }
}

fn refusal(question: Question, code: ErrorCode, unknown: Vec<AttrType>, key: Option<&MessageIntegrity>) -> Vec<u8> {
    if unknown.is_empty() {
        return question.refusal(code, &[], key);
    }
    question.refusal(code, &[&UnknownAttributes(unknown)], key)
}
