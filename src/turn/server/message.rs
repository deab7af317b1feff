//! Reading what clients send and writing what they get: STUN messages (RFC 8489 §5), nothing about what they mean.

use std::net::SocketAddr;
use std::ops::Range;

use ::turn::proto::peeraddr::PeerAddress;
use stun::agent::TransactionId;
use stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_DONT_FRAGMENT, ATTR_EVEN_PORT, ATTR_FINGERPRINT, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY,
    ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_USERNAME,
    ATTR_XOR_PEER_ADDRESS, AttrType, Attributes, RawAttribute,
};
use stun::error_code::{CODE_BAD_REQUEST, ErrorCode, ErrorCodeAttribute};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    ATTRIBUTE_HEADER_SIZE, CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_SUCCESS_RESPONSE, Getter, MESSAGE_HEADER_SIZE,
    METHOD_DATA, Message, MessageClass, MessageType, Method, Setter, is_message,
};

use super::output::Head;

/// Attributes that a client must not send unless the server understands them, and that this one does (RFC 8489 §14).
const UNDERSTOOD: [AttrType; 12] = [
    ATTR_CHANNEL_NUMBER,
    ATTR_DATA,
    ATTR_EVEN_PORT,
    ATTR_LIFETIME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_NONCE,
    ATTR_REALM,
    ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT,
    ATTR_RESERVATION_TOKEN,
    ATTR_USERNAME,
    ATTR_XOR_PEER_ADDRESS,
];

/// How many unknown attributes an error response names; a packet full of them must not make a long answer.
const MAX_NAMED: usize = 4;

/// Reads a datagram as one whole STUN message with a right fingerprint, if it has any. `None` for everything else.
pub(super) fn read(packet: &[u8]) -> Option<Message> {
    let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    // Two zero bits tell STUN from everything that may share its port (RFC 8489 §5).
    if !is_message(packet) || packet[0] & 0xc0 != 0 || length % 4 != 0 || packet.len() != MESSAGE_HEADER_SIZE + length {
        return None;
    }
    let mut message = Message { raw: packet.to_vec(), ..Message::default() };
    message.decode().ok()?;
    if message.contains(ATTR_FINGERPRINT) {
        FINGERPRINT.check(&message).ok()?;
    }
    Some(message)
}

/// Checks the message's integrity and drops the attributes behind it, which it doesn't cover (RFC 8489 §14.5).
pub(super) fn verify(message: &mut Message, key: &MessageIntegrity) -> bool {
    let whole = key.check(message).is_ok();
    if let Some(end) = message.attributes.0.iter().position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY) {
        message.attributes.0.truncate(end + 1);
    }
    whole
}

/// The attributes that would have to be understood and aren't (RFC 8489 §6.3.1); the first few of them. `keeps_whole` tells whether
/// DONT-FRAGMENT can be obeyed.
pub(super) fn unknown(message: &Message, keeps_whole: bool) -> Vec<AttrType> {
    let types = message.attributes.0.iter().map(|attribute| attribute.typ);
    let understood = |typ: &AttrType| UNDERSTOOD.contains(typ) || (keeps_whole && *typ == ATTR_DONT_FRAGMENT);
    types.filter(|typ| typ.required() && !understood(typ)).take(MAX_NAMED).collect()
}

/// One attribute of the message. Absent is `None`; malformed is a bad request.
pub(super) fn optional<A: Getter + Default>(message: &Message, typ: AttrType) -> Result<Option<A>, ErrorCode> {
    let mut attribute = A::default();
    if !message.contains(typ) {
        return Ok(None);
    }
    attribute.get_from(message).map_err(|_| CODE_BAD_REQUEST)?;
    Ok(Some(attribute))
}

/// Every peer that the message names. The crate's own getter sees the first one only.
pub(super) fn peers(message: &Message) -> Result<Vec<SocketAddr>, ErrorCode> {
    let named = message.attributes.0.iter().filter(|attribute| attribute.typ == ATTR_XOR_PEER_ADDRESS);
    named.map(|attribute| peer(message, attribute).ok_or(CODE_BAD_REQUEST)).collect()
}

fn peer(message: &Message, attribute: &RawAttribute) -> Option<SocketAddr> {
    let length = match attribute.value.get(1)? {
        1 => 8,
        2 => 20,
        _ => return None,
    };
    let mut alike = attribute.clone();
    // What stands before the family is to be ignored (RFC 8489 §14.1); the crate wants it to be zero.
    alike.value[0] = 0;
    let attributes = Attributes(vec![alike]);
    let alone = Message { transaction_id: message.transaction_id, attributes, ..Message::default() };
    let mut peer = PeerAddress::default();
    peer.get_from(&alone).ok().filter(|()| attribute.value.len() == length)?;
    Some(SocketAddr::new(peer.ip, peer.port))
}

/// Where in the packet the value of the message's first DATA attribute lies.
pub(super) fn data(message: &Message) -> Option<Range<usize>> {
    let mut start = MESSAGE_HEADER_SIZE + ATTRIBUTE_HEADER_SIZE;
    for attribute in &message.attributes.0 {
        if attribute.typ == ATTR_DATA {
            return Some(start..start + attribute.value.len());
        }
        start += attribute.value.len().next_multiple_of(4) + ATTRIBUTE_HEADER_SIZE;
    }
    None
}

/// What of a request its answer depends on. Kept instead of the request where the answer has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) id: TransactionId,
    fingerprint: bool,
}

impl Question {
    /// The question that `request` is, before anything is cut off it.
    pub(super) fn of(request: &Message) -> Self {
        let fingerprint = request.contains(ATTR_FINGERPRINT);
        Self { method: request.typ.method, id: request.transaction_id, fingerprint }
    }

    /// Writes a success response, with MESSAGE-INTEGRITY under `key`, and with a FINGERPRINT where the request had one.
    pub(super) fn success(self, attributes: &[&dyn Setter], key: Option<&MessageIntegrity>) -> Vec<u8> {
        self.answer(CLASS_SUCCESS_RESPONSE, attributes, key)
    }

    /// Writes an error response with `code`. It names no reason in words, so that answers to strangers stay short.
    pub(super) fn refusal(self, code: ErrorCode, attributes: &[&dyn Setter], key: Option<&MessageIntegrity>) -> Vec<u8> {
        let error = ErrorCodeAttribute { code, reason: Vec::new() };
        let attributes: Vec<&dyn Setter> = std::iter::once(&error as &dyn Setter).chain(attributes.iter().copied()).collect();
        self.answer(CLASS_ERROR_RESPONSE, &attributes, key)
    }

    fn answer(self, class: MessageClass, attributes: &[&dyn Setter], key: Option<&MessageIntegrity>) -> Vec<u8> {
        let typ = MessageType::new(self.method, class);
        let mut message = Message { typ, transaction_id: self.id, ..Message::new() };
        message.write_header();
        let key = key.map(|key| key as &dyn Setter);
        let fingerprint = self.fingerprint.then_some(&FINGERPRINT as &dyn Setter);
        for attribute in attributes.iter().copied().chain(key).chain(fingerprint) {
            attribute.add_to(&mut message).expect("answers are short and their texts within limits that are checked at start");
        }
        message.raw
    }
}

/// Everything of a Data indication (RFC 8656 §11.4) that stands before the `length` bytes of data from `peer`, and how many bytes
/// of padding go behind them.
pub(super) fn data_indication(id: TransactionId, peer: SocketAddr, length: usize) -> (Head, usize) {
    let typ = MessageType::new(METHOD_DATA, CLASS_INDICATION);
    let mut message = Message { typ, transaction_id: id, ..Message::new() };
    message.write_header();
    let peer = PeerAddress { ip: peer.ip(), port: peer.port() };
    peer.add_to(&mut message).expect("an address always fits");
    let padded = length.next_multiple_of(4);
    let total = message.raw.len() - MESSAGE_HEADER_SIZE + ATTRIBUTE_HEADER_SIZE + padded;
    // No datagram can be so long that this doesn't fit; the edge finds out what is too long to be sent.
    let [total, value] = [total, length].map(|bytes| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes());
    message.raw[2..4].copy_from_slice(&total);
    message.raw.extend_from_slice(&ATTR_DATA.value().to_be_bytes());
    message.raw.extend_from_slice(&value);
    (Head::new(&message.raw), padded - length)
}
