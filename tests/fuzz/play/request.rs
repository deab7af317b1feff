//! What clients ask, and whether they ask as they should.

use std::net::{IpAddr, SocketAddr};

use hearth::ids::Secret;
use hearth::turn::credentials::CredentialIssuer;
use stun::agent::TransactionId;
use stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_EVEN_PORT, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_USERNAME, AttrType,
};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CONNECT,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageClass, MessageType, Method, Setter,
};
use turn::proto::peeraddr::PeerAddress;

use super::script::Script;
use super::world::{PARTICIPANTS, REALM, SECRET, TTL, World, participant};

const ATTR_ADDITIONAL_ADDRESS_FAMILY: AttrType = AttrType(0x8000);

const METHODS: [Method; 6] =
    [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND, METHOD_BINDING, METHOD_CONNECT];
const LIFETIMES: [u32; 6] = [0, 1, 600, 1200, 1800, u32::MAX];

/// The flags of a request, by the bits of one byte.
const WITH_FINGERPRINT: u8 = 0x01;
const WRONG_PASSWORD: u8 = 0x02;
const ALTERED: u8 = 0x04;
const UNSEALED: u8 = 0x08;
const NONCE_OF_ANOTHER: u8 = 0x10;
const AGAIN: u8 = 0x20;
const SOON_OVER: u8 = 0x40;

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub bytes: Vec<u8>,
    pub id: TransactionId,
    pub method: Method,
    /// Who asks, by number.
    pub asker: usize,
    /// Whether nothing is wrong with its seal.
    pub sealed: bool,
    pub peers: Vec<SocketAddr>,
    pub channel: Option<u16>,
    pub token: Option<Vec<u8>>,
}

/// Reads from the script what `who` asks next.
pub fn request(script: &mut Script<'_>, world: &mut World, who: usize) -> Option<Request> {
    let (flags, asker, method) = (script.byte()?, usize::from(script.byte()?) % PARTICIPANTS, script.one_of(&METHODS)?);
    if let Some(earlier) = world.asked(who).filter(|_| flags & AGAIN != 0) {
        return Some(earlier);
    }
    let id = world.new_id();
    let mut request = Request {
        bytes: Vec::new(),
        id,
        method,
        asker,
        sealed: flags & (WRONG_PASSWORD | ALTERED | UNSEALED | NONCE_OF_ANOTHER) == 0,
        peers: Vec::new(),
        channel: None,
        token: None,
    };
    let mut message = begin(method, CLASS_REQUEST, id);
    for _ in 0..script.byte()? % 6 {
        attribute(script, world, &mut message, &mut request)?;
    }
    if flags & UNSEALED == 0 {
        let nonce_of = if flags & NONCE_OF_ANOTHER == 0 { who } else { who + 1 };
        seal(&mut message, flags, asker, world.nonce(nonce_of), world);
    }
    if flags & WITH_FINGERPRINT != 0 && flags & ALTERED == 0 {
        FINGERPRINT.add_to(&mut message).expect("a fingerprint always fits");
    }
    request.bytes = message.raw;
    if flags & ALTERED != 0 {
        let place = usize::from(script.number()?) % (request.bytes.len() * 8);
        request.bytes[place / 8] ^= 1 << (place % 8);
    }
    Some(request)
}

/// A Send indication.
pub fn send_indication(id: TransactionId, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut message = begin(METHOD_SEND, CLASS_INDICATION, id);
    add_peer(&mut message, peer);
    message.add(ATTR_DATA, data);
    message.raw
}

/// An Allocate request of somebody who is not known yet.
pub fn greeting(id: TransactionId) -> Vec<u8> {
    begin(METHOD_ALLOCATE, CLASS_REQUEST, id).raw
}

fn begin(method: Method, class: MessageClass, id: TransactionId) -> Message {
    let mut message = Message { typ: MessageType::new(method, class), transaction_id: id, ..Message::new() };
    message.write_header();
    message
}

fn add_peer(message: &mut Message, peer: SocketAddr) {
    PeerAddress { ip: peer.ip(), port: peer.port() }.add_to(message).expect("an address always fits");
}

fn name_peer(message: &mut Message, request: &mut Request, peer: SocketAddr) {
    request.peers.push(peer);
    add_peer(message, peer);
}

fn attribute(script: &mut Script<'_>, world: &World, message: &mut Message, request: &mut Request) -> Option<()> {
    match script.byte()? % 12 {
        0 => message.add(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]),
        1 => message.add(ATTR_REQUESTED_TRANSPORT, &[script.byte()?, 0, 0, 0]),
        2 => message.add(ATTR_LIFETIME, &script.one_of(&LIFETIMES)?.to_be_bytes()),
        3 => {
            let peer = world.peer(script)?;
            name_peer(message, request, peer);
        }
        4 => {
            let number = 0x3fff + u16::from(script.byte()? % 8);
            request.channel.get_or_insert(number);
            let [n0, n1] = number.to_be_bytes();
            message.add(ATTR_CHANNEL_NUMBER, &[n0, n1, 0, 0]);
        }
        5 => message.add(ATTR_EVEN_PORT, &[script.byte()?]),
        6 => message.add(ATTR_REQUESTED_ADDRESS_FAMILY, &[script.byte()? % 4, 0, 0, 0]),
        7 => message.add(ATTR_ADDITIONAL_ADDRESS_FAMILY, &[script.byte()? % 4, 0, 0, 0]),
        8 => {
            let token = world.token(script.byte()?);
            message.add(ATTR_RESERVATION_TOKEN, &token);
            request.token.get_or_insert(token);
        }
        9 => {
            let ip = if script.byte()? % 2 == 0 {
                IpAddr::from([script.byte()?, script.byte()?, script.byte()?, script.byte()?])
            } else {
                let bytes = script.bytes(16);
                IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)
            };
            name_peer(message, request, SocketAddr::new(ip, script.number()?));
        }
        10 => {
            let length = usize::from(script.byte()?);
            message.add(ATTR_DATA, script.bytes(length));
        }
        _ => {
            // What may name a peer has numbers of its own, by which it is known what was asked.
            let (typ, length) = (script.number()?, usize::from(script.byte()?));
            let named = [0x000c, 0x0012, 0x0022];
            message.add(AttrType(if named.contains(&typ) { 0x7fff } else { typ }), script.bytes(length % 64));
        }
    }
    Some(())
}

fn seal(message: &mut Message, flags: u8, asker: usize, nonce: String, world: &World) {
    let ttl = if flags & SOON_OVER == 0 { TTL } else { TTL / 1000 };
    let issuer = CredentialIssuer::new(Secret::new(SECRET), ttl);
    let credential = issuer.mint(participant(asker), world.now().wall);
    let mut password = credential.password.expose().clone();
    if flags & WRONG_PASSWORD != 0 {
        password.push('x');
    }
    message.add(ATTR_USERNAME, credential.username.as_bytes());
    message.add(ATTR_REALM, REALM.as_bytes());
    message.add(ATTR_NONCE, nonce.as_bytes());
    let key = MessageIntegrity::new_long_term_integrity(credential.username, REALM.to_owned(), password);
    // It can't be added behind a fingerprint; without it the request is one of a stranger.
    let _ = key.add_to(message);
}
