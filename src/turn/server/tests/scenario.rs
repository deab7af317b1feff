//! A relay and people who use it, in a world where time passes only when told to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::turn::proto::PROTO_UDP;
use ::turn::proto::channum::ChannelNumber;
use ::turn::proto::data::Data;
use ::turn::proto::lifetime::Lifetime;
use ::turn::proto::peeraddr::PeerAddress;
use ::turn::proto::relayaddr::RelayedAddress;
use ::turn::proto::reqtrans::RequestedTransport;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_UNKNOWN_ATTRIBUTES, ATTR_USERNAME, AttrType, RawAttribute};
use stun::error_code::{ErrorCode, ErrorCodeAttribute};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_SEND, Message, MessageClass, MessageType, Method, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use stun::xoraddr::XorMappedAddress;

use super::super::{ClientSocket, Config, NoPort, Output, PeerSocket, RelayId, Server, Transport};
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::{ParticipantId, Secret};
use crate::turn::Limits;
use crate::turn::credentials::{self, CredentialIssuer};

pub const REALM: &str = "hearth";
pub const SECRET: [u8; 32] = [7; 32];
pub const OWN_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4));
pub const OWN_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a00, 0x1450, 0, 0, 0, 0, 0, 4));

/// A peer that the policy allows.
pub const PEER: &str = "9.9.9.9:5000";
pub const PEER_V6: &str = "[2a00:1450::99]:5000";

pub type Attributes = Vec<Box<dyn Setter>>;

pub fn config() -> Config {
    Config {
        realm: REALM.to_owned(),
        secret: Secret::new(SECRET),
        shared_secret: None,
        published: vec![(OWN_V4, OWN_V4), (OWN_V6, OWN_V6)],
        allow_peers: Vec::new(),
        keeps_whole: true,
        limits: Limits { challenges_per_second: 1000, bindings_per_second: 1000, ..Limits::default() },
        seed: Secret::new([9; 32]),
    }
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The `n`th client, each at an address of its own.
pub fn client(n: u8) -> ClientSocket {
    let remote = SocketAddr::from((Ipv4Addr::new(8, 8, 8, n), 4000));
    ClientSocket { transport: Transport::Udp, local: SocketAddr::new(OWN_V4, 3478), remote }
}

/// Somebody with a credential and the nonce that was sent to it.
#[derive(Clone)]
pub struct Person {
    pub client: ClientSocket,
    pub participant: ParticipantId,
    pub username: String,
    pub password: String,
    pub nonce: String,
}

pub struct Site {
    pub server: Server,
    pub now: Now,
}

impl Site {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let now = Now { tick: Tick::from_millis(1_000_000), wall: Timestamp::from_millis(1_700_000_000_000) };
        Self { server: Server::new(config), now }
    }

    pub fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.server.poll_output()).collect()
    }

    /// What follows from these bytes of a client.
    pub fn client_sends(&mut self, client: ClientSocket, bytes: &[u8]) -> Vec<Output> {
        self.server.handle_datagram(client, bytes, self.now);
        self.outputs()
    }

    /// What follows from these bytes of a peer.
    pub fn peer_sends(&mut self, relay: RelayId, peer: &str, bytes: &[u8]) -> Vec<Output> {
        self.server.handle_peer(relay, PeerSocket(address(peer)), bytes, self.now);
        self.outputs()
    }

    pub fn opened(&mut self, relay: RelayId, outcome: Result<SocketAddr, NoPort>) -> Vec<Output> {
        self.server.relay_opened(relay, outcome, self.now);
        self.outputs()
    }

    /// Lets time pass, and the timer with it. Returns what follows.
    pub fn wait(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now.tick.plus(time);
        let mut outputs = Vec::new();
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.set_clock(due);
            self.server.handle_timeout(self.now);
            assert!(self.server.poll_timeout().is_none_or(|next| next > due), "the timer asks for the time that has come");
            outputs.extend(self.outputs());
        }
        self.set_clock(end);
        outputs
    }

    pub fn seconds(&mut self, seconds: u64) -> Vec<Output> {
        self.wait(Duration::from_secs(seconds))
    }

    /// Lets time pass while the edge's timer sleeps on.
    pub fn oversleep(&mut self, seconds: u64) {
        self.set_clock(self.now.tick.plus(Duration::from_secs(seconds)));
    }

    fn set_clock(&mut self, tick: Tick) {
        self.now = Now { tick, wall: self.now.wall.plus(tick.since(self.now.tick)) };
    }

    /// The `n`th person with a nonce, each with an address of its own.
    pub fn person(&mut self, n: u8) -> Person {
        self.person_at(client(n), ParticipantId::from_bytes([n; 10]))
    }

    pub fn person_at(&mut self, client: ClientSocket, participant: ParticipantId) -> Person {
        let issuer = CredentialIssuer::new(Secret::new(SECRET), Duration::from_secs(24 * 3600));
        let credential = issuer.mint(participant, self.now.wall);
        let (username, password) = (credential.username, credential.password.expose().clone());
        let mut person = Person { client, participant, username, password, nonce: String::new() };
        self.renew_nonce(&mut person);
        person
    }

    pub fn renew_nonce(&mut self, person: &mut Person) {
        let outputs = self.client_sends(person.client, &plain(METHOD_ALLOCATE, vec![]).raw);
        person.nonce = text(&answer(&outputs), ATTR_NONCE);
    }

    pub fn ask(&mut self, person: &Person, method: Method, attributes: Attributes) -> (Message, Vec<Output>) {
        let request = person.request(method, attributes);
        let outputs = self.client_sends(person.client, &request.raw);
        (request, outputs)
    }

    /// The error code of the answer, 0 for success; and there is nothing but an answer.
    pub fn code(&mut self, person: &Person, method: Method, attributes: Attributes) -> u16 {
        let (_, outputs) = self.ask(person, method, attributes);
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        code(&answer(&outputs))
    }

    /// An allocation of one IPv4 relay socket.
    pub fn allocate(&mut self, person: &Person) -> (RelayId, SocketAddr) {
        let (_, outputs) = self.ask(person, METHOD_ALLOCATE, vec![udp()]);
        let [Output::OpenRelay { relay, .. }] = outputs[..] else { panic!("no relay is opened: {outputs:?}") };
        let bound = SocketAddr::new(OWN_V4, port(relay));
        assert_eq!(code(&answer(&self.opened(relay, Ok(bound)))), 0);
        (relay, bound)
    }

    /// The `n`th person with an allocation.
    pub fn allocated(&mut self, n: u8) -> (Person, RelayId, SocketAddr) {
        let person = self.person(n);
        let (relay, bound) = self.allocate(&person);
        (person, relay, bound)
    }

    pub fn permit(&mut self, person: &Person, peers: &[&str]) -> (Message, Vec<Output>) {
        self.ask(person, METHOD_CREATE_PERMISSION, peers.iter().map(|text| peer(text)).collect())
    }

    pub fn bind(&mut self, person: &Person, number: u16, to: &str) -> (Message, Vec<Output>) {
        self.ask(person, METHOD_CHANNEL_BIND, vec![channel(number), peer(to)])
    }

    pub fn say(&mut self, person: &Person, to: &str, data: &[u8]) -> Vec<Output> {
        self.client_sends(person.client, &send_indication(to, data))
    }
}

impl Person {
    pub fn key(&self) -> MessageIntegrity {
        MessageIntegrity::new_long_term_integrity(self.username.clone(), REALM.to_owned(), self.password.clone())
    }

    pub fn request(&self, method: Method, mut attributes: Attributes) -> Message {
        attributes.extend(self.seals());
        plain(method, attributes)
    }

    /// The attributes that show who asks.
    pub fn seals(&self) -> impl Iterator<Item = Box<dyn Setter>> {
        let seals: [Box<dyn Setter>; 4] = [
            Box::new(Username::new(ATTR_USERNAME, self.username.clone())),
            Box::new(Realm::new(ATTR_REALM, REALM.to_owned())),
            Box::new(Nonce::new(ATTR_NONCE, self.nonce.clone())),
            Box::new(self.key()),
        ];
        seals.into_iter()
    }

    /// The one right answer to `request` when it succeeds.
    pub fn success(&self, request: &Message, attributes: Attributes) -> Output {
        self.answer(request, CLASS_SUCCESS_RESPONSE, attributes)
    }

    /// The one right answer to `request` when it is refused with `code`.
    pub fn refusal(&self, request: &Message, code: u16) -> Output {
        self.answer(request, CLASS_ERROR_RESPONSE, vec![error(code)])
    }

    pub fn answer(&self, request: &Message, class: MessageClass, mut attributes: Attributes) -> Output {
        attributes.push(Box::new(self.key()));
        self.unsealed(request, class, attributes)
    }

    pub fn unsealed(&self, request: &Message, class: MessageClass, attributes: Attributes) -> Output {
        let typ = MessageType::new(request.typ.method, class);
        Output::Answer { client: self.client, message: build(typ, request.transaction_id, attributes).raw }
    }

    /// What an Allocate request is answered with.
    pub fn allocated(&self, request: &Message, relayed: SocketAddr, seconds: u64) -> Output {
        self.success(request, vec![relayed_address(relayed), lifetime(seconds), mapped(self.client)])
    }
}

/// A password that fits any name.
pub fn forged(person: &Person, username: &str) -> Person {
    let password = credentials::password(&Secret::new(SECRET), username);
    Person { username: username.to_owned(), password, ..person.clone() }
}

pub fn port(relay: RelayId) -> u16 {
    50_000 + u16::try_from(relay.0).unwrap()
}

pub fn plain(method: Method, attributes: Attributes) -> Message {
    build(MessageType::new(method, CLASS_REQUEST), TransactionId::new(), attributes)
}

pub fn build(typ: MessageType, id: TransactionId, attributes: Attributes) -> Message {
    let mut all: Attributes = vec![Box::new(typ), Box::new(id)];
    all.extend(attributes);
    let mut message = Message::new();
    message.build(&all).unwrap();
    message
}

pub fn send_indication(to: &str, data: &[u8]) -> Vec<u8> {
    let typ = MessageType::new(METHOD_SEND, CLASS_INDICATION);
    build(typ, TransactionId::new(), vec![peer(to), Box::new(Data(data.to_vec()))]).raw
}

pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&number.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

/// The message of the only output.
#[track_caller]
pub fn answer(outputs: &[Output]) -> Message {
    let [Output::Answer { message, .. }] = outputs else { panic!("not one answer: {outputs:?}") };
    let mut answer = Message { raw: message.clone(), ..Message::default() };
    answer.decode().unwrap();
    answer
}

/// The error code of an answer; 0 for success.
pub fn code(answer: &Message) -> u16 {
    if answer.typ.class == CLASS_SUCCESS_RESPONSE {
        return 0;
    }
    let mut code = ErrorCodeAttribute::default();
    code.get_from(answer).unwrap();
    code.code.0
}

pub fn text(answer: &Message, typ: AttrType) -> String {
    TextAttribute::get_from_as(answer, typ).unwrap().text
}

pub fn raw(typ: u16, value: &[u8]) -> Box<dyn Setter> {
    Box::new(RawAttribute { typ: AttrType(typ), length: 0, value: value.to_vec() })
}

pub fn error(code: u16) -> Box<dyn Setter> {
    Box::new(ErrorCodeAttribute { code: ErrorCode(code), reason: Vec::new() })
}

pub fn unknown(types: &[u16]) -> Box<dyn Setter> {
    raw(ATTR_UNKNOWN_ATTRIBUTES.value(), &types.iter().flat_map(|typ| typ.to_be_bytes()).collect::<Vec<_>>())
}

pub fn udp() -> Box<dyn Setter> {
    Box::new(RequestedTransport { protocol: PROTO_UDP })
}

pub fn peer(text: &str) -> Box<dyn Setter> {
    let address = address(text);
    Box::new(PeerAddress { ip: address.ip(), port: address.port() })
}

pub fn channel(number: u16) -> Box<dyn Setter> {
    Box::new(ChannelNumber(number))
}

pub fn lifetime(seconds: u64) -> Box<dyn Setter> {
    Box::new(Lifetime(Duration::from_secs(seconds)))
}

pub fn relayed_address(address: SocketAddr) -> Box<dyn Setter> {
    Box::new(RelayedAddress { ip: address.ip(), port: address.port() })
}

pub fn mapped(client: ClientSocket) -> Box<dyn Setter> {
    Box::new(XorMappedAddress { ip: client.remote.ip(), port: client.remote.port() })
}
