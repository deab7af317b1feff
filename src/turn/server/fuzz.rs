//! The reader of messages as `make fuzz` and the tests see it: any bytes go in, and what must hold of the reading is asserted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use ::turn::proto::channum::ChannelNumber;
use ::turn::proto::lifetime::Lifetime;
use ::turn::proto::reqfamily::RequestedAddressFamily;
use ::turn::proto::reqtrans::RequestedTransport;
use ::turn::proto::rsrvtoken::ReservationToken;
use stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_FINGERPRINT, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM,
    ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_USERNAME,
};
use stun::error_code::CODE_BAD_REQUEST;
use stun::integrity::MessageIntegrity;
use stun::message::Message;
use stun::textattrs::TextAttribute;

use super::message::{self, Question};

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const DATA: u16 = 0x0013;
const XOR_PEER_ADDRESS: u16 = 0x0012;

/// What is read as a message is taken apart in the same way by a second, simpler reader, and its answers can be read again. So is
/// what the bytes become under a right header, which chance seldom finds.
pub fn message(bytes: &[u8]) {
    taken_apart(bytes);
    let mut righted = bytes[..bytes.len() - bytes.len() % 4].to_vec();
    if let Some((header, attributes)) = righted.split_first_chunk_mut::<HEADER>() {
        header[0] &= 0x3f;
        header[2..4].copy_from_slice(&u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes());
        header[4..8].copy_from_slice(&COOKIE);
        taken_apart(&righted);
    }
}

fn taken_apart(bytes: &[u8]) {
    let Some(mut message) = message::read(bytes) else { return };
    let found = attributes(bytes).expect("what is read consists of whole attributes");
    let values = || found.iter().map(|(_, place)| &bytes[place.clone()]);
    assert!(values().eq(message.attributes.0.iter().map(|attribute| &attribute.value[..])), "values were read that aren't there");
    let of_type = |typ: u16| found.iter().filter(move |(found, _)| *found == typ).map(|(_, place)| place.clone());
    assert_eq!(message::data(&message), of_type(DATA).next());
    let peers: Option<Vec<SocketAddr>> = of_type(XOR_PEER_ADDRESS).map(|place| peer(bytes, place)).collect();
    assert_eq!(message::peers(&message).ok(), peers);
    read_everything(&message);
    answers_can_be_read(&message);
    let key = MessageIntegrity::new_long_term_integrity("name".into(), "realm".into(), "password".into());
    let covered = message.attributes.0.iter().position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY);
    assert!(!message::verify(&mut message, &key) || covered.is_some(), "a message without a seal was taken as sealed");
    assert!(covered.is_none_or(|place| message.attributes.0.len() == place + 1), "something stands behind the seal");
    assert_eq!(message.raw, bytes, "reading changed the message");
}

/// The attributes of a message, each with the place of its value.
fn attributes(bytes: &[u8]) -> Option<Vec<(u16, Range<usize>)>> {
    assert!(bytes[4..8] == COOKIE && bytes[0] < 0x40, "something else than STUN was read");
    let (mut found, mut at) = (Vec::new(), HEADER);
    while at < bytes.len() {
        let [t0, t1, l0, l1] = *bytes.get(at..at + 4)?.first_chunk()?;
        let value = at + 4..at + 4 + usize::from(u16::from_be_bytes([l0, l1]));
        at = value.end.next_multiple_of(4);
        found.push((u16::from_be_bytes([t0, t1]), value));
    }
    (at == bytes.len()).then_some(found)
}

/// XOR-PEER-ADDRESS as RFC 8489 §14.2 tells it.
fn peer(message: &[u8], place: Range<usize>) -> Option<SocketAddr> {
    let [_, family, p0, p1, masked @ ..] = &message[place] else { return None };
    let clear: Vec<u8> = masked.iter().zip(&message[4..HEADER]).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match (family, masked.len()) {
        (1, 4) => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(clear).ok()?)),
        (2, 16) => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(clear).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([p0 ^ COOKIE[0], p1 ^ COOKIE[1]])))
}

fn read_everything(message: &Message) {
    let read = [
        message::optional::<ChannelNumber>(message, ATTR_CHANNEL_NUMBER).err(),
        message::optional::<Lifetime>(message, ATTR_LIFETIME).err(),
        message::optional::<RequestedAddressFamily>(message, ATTR_REQUESTED_ADDRESS_FAMILY).err(),
        message::optional::<RequestedTransport>(message, ATTR_REQUESTED_TRANSPORT).err(),
        message::optional::<ReservationToken>(message, ATTR_RESERVATION_TOKEN).err(),
    ];
    assert!(read.into_iter().flatten().all(|code| code == CODE_BAD_REQUEST));
    for typ in [ATTR_USERNAME, ATTR_REALM, ATTR_NONCE] {
        let text = TextAttribute::get_from_as(message, typ);
        assert!(text.is_err() || message.contains(typ));
    }
    for keeps_whole in [false, true] {
        let unknown = message::unknown(message, keeps_whole);
        assert!(unknown.len() <= 4 && unknown.iter().all(|typ| typ.required() && message.contains(*typ)));
    }
}

fn answers_can_be_read(request: &Message) {
    let question = Question::of(request);
    let key = MessageIntegrity(vec![7; 16]);
    for key in [None, Some(&key)] {
        let success = question.success(&[], key);
        for answer in [&success, &question.refusal(CODE_BAD_REQUEST, &[], key)] {
            let answer = message::read(answer).expect("an answer is a message");
            assert_eq!(answer.transaction_id, request.transaction_id);
            assert_eq!(answer.typ.method, request.typ.method);
            assert_eq!(answer.contains(ATTR_FINGERPRINT), request.contains(ATTR_FINGERPRINT));
            assert_eq!(answer.contains(ATTR_MESSAGE_INTEGRITY), key.is_some());
        }
    }
}
