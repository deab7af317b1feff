//! A client that can say anything to a relay.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use data_encoding::BASE64;
use hearth::clock::Timestamp;
use hearth::ids::{ParticipantId, Secret};
use hearth::turn::credentials::{Credential, CredentialIssuer};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, ATTR_XOR_RELAYED_ADDRESS};
use stun::error_code::ErrorCodeAttribute;
use stun::integrity::MessageIntegrity;
use stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE,
    METHOD_SEND, Message, MessageType, Method, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use stun::xoraddr::XorMappedAddress;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use turn::proto::data::Data;
use turn::proto::peeraddr::PeerAddress;
use turn::proto::reqtrans::RequestedTransport;
use turn::proto::{PROTO_UDP, Protocol};

use crate::site::Site;

pub const REALM: &str = "hearth";
pub const SECRET: [u8; 32] = [7; 32];

/// How many streams one source may have.
pub const STREAMS_PER_SOURCE: usize = 128;

/// How long anything that must happen may take before the test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn mint(participant: ParticipantId) -> Credential {
    CredentialIssuer::new(Secret::new(SECRET), Duration::from_secs(3600)).mint(participant, Timestamp::now())
}

/// A credential with the right password for any name.
pub fn forge(username: &str) -> Credential {
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(username.as_bytes());
    let password = BASE64.encode(&mac.finalize().into_bytes());
    Credential { username: username.to_owned(), password: Secret::new(password), expires_at: Timestamp::now() }
}

pub fn udp() -> Box<dyn Setter> {
    transport(PROTO_UDP)
}

pub fn transport(protocol: Protocol) -> Box<dyn Setter> {
    Box::new(RequestedTransport { protocol })
}

pub fn peer(address: &str) -> Box<dyn Setter> {
    let address: SocketAddr = address.parse().unwrap();
    Box::new(PeerAddress { ip: address.ip(), port: address.port() })
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

pub fn text(answer: &Message, typ: stun::attributes::AttrType) -> String {
    TextAttribute::get_from_as(answer, typ).unwrap().text
}

/// The kinds of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Tcp,
    Tls,
}

/// Both directions of a stream, whatever carries it.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
pub type Pipe = Box<dyn Duplex>;

/// How a client speaks to the relay.
pub enum Line {
    Udp(UdpSocket),
    Stream(Mutex<Pipe>),
}

/// A socket at a port that no client of this test had before. The system gives those out again that are free, and the relay would take
/// the new client for the old one, whose allocation is still there.
async fn bound_anew(home: IpAddr) -> UdpSocket {
    static HAD: std::sync::Mutex<BTreeSet<u16>> = std::sync::Mutex::new(BTreeSet::new());
    loop {
        let socket = UdpSocket::bind((home, 0)).await.unwrap();
        if HAD.lock().unwrap().insert(socket.local_addr().unwrap().port()) {
            return socket;
        }
    }
}

pub struct Client {
    pub line: Line,
    pub server: SocketAddr,
    pub credential: Credential,
    pub realm: String,
    pub nonce: String,
    pub relayed: Option<SocketAddr>,
}

impl Client {
    /// A client by UDP on loopback, of the family that the server has.
    pub async fn new(server: SocketAddr, credential: Credential) -> Self {
        let home = if server.is_ipv6() { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        Self::by(Line::Udp(bound_anew(home).await), server, credential).await
    }

    pub async fn by_stream(site: &Site, by: By, credential: Credential) -> Self {
        let stream = site.stream(by).await;
        Self::by(Line::Stream(Mutex::new(stream)), site.door(by), credential).await
    }

    /// A client that has still to ask for its nonce.
    pub async fn without_nonce(server: SocketAddr, credential: Credential) -> Self {
        Self::on(Line::Udp(bound_anew(Ipv4Addr::LOCALHOST.into()).await), server, credential)
    }

    async fn by(line: Line, server: SocketAddr, credential: Credential) -> Self {
        let mut client = Self::on(line, server, credential);
        client.fetch_nonce().await;
        client
    }

    fn on(line: Line, server: SocketAddr, credential: Credential) -> Self {
        Self { line, server, credential, realm: REALM.to_owned(), nonce: String::new(), relayed: None }
    }

    pub fn address(&self) -> SocketAddr {
        match &self.line {
            Line::Udp(socket) => socket.local_addr().unwrap(),
            Line::Stream(_) => panic!("only datagrams are asked for their address"),
        }
    }

    pub async fn fetch_nonce(&mut self) {
        let answer = self.anonymous(METHOD_ALLOCATE, vec![udp()]).await;
        self.learn(&answer);
    }

    /// Takes the nonce out of a challenge.
    pub fn learn(&mut self, challenge: &Message) {
        self.nonce = text(challenge, ATTR_NONCE);
    }

    /// A request without credentials.
    pub async fn anonymous(&self, method: Method, attributes: Vec<Box<dyn Setter>>) -> Message {
        self.ask(&self.unsealed(method, attributes)).await
    }

    pub fn unsealed(&self, method: Method, attributes: Vec<Box<dyn Setter>>) -> Message {
        build(MessageType::new(method, CLASS_REQUEST), attributes)
    }

    /// A request with the client's credential, realm and nonce.
    pub async fn request(&self, method: Method, attributes: Vec<Box<dyn Setter>>) -> Message {
        self.ask(&self.sealed(method, attributes)).await
    }

    pub fn sealed(&self, method: Method, mut attributes: Vec<Box<dyn Setter>>) -> Message {
        let name = self.credential.username.clone();
        let password = self.credential.password.expose().clone();
        attributes.push(Box::new(Username::new(ATTR_USERNAME, name.clone())));
        attributes.push(Box::new(Realm::new(ATTR_REALM, self.realm.clone())));
        attributes.push(Box::new(Nonce::new(ATTR_NONCE, self.nonce.clone())));
        attributes.push(Box::new(MessageIntegrity::new_long_term_integrity(name, self.realm.clone(), password)));
        build(MessageType::new(method, CLASS_REQUEST), attributes)
    }

    pub async fn ask(&self, request: &Message) -> Message {
        self.send(&request.raw).await;
        loop {
            let answer = self.receive_message().await;
            if answer.transaction_id == request.transaction_id {
                return answer;
            }
        }
    }

    pub async fn allocate(&mut self) -> SocketAddr {
        self.allocate_with(vec![udp()]).await
    }

    pub async fn allocate_with(&mut self, attributes: Vec<Box<dyn Setter>>) -> SocketAddr {
        let answer = self.request(METHOD_ALLOCATE, attributes).await;
        self.allocated_by(&answer)
    }

    /// Takes the relay address out of the answer to an Allocate request.
    pub fn allocated_by(&mut self, answer: &Message) -> SocketAddr {
        assert_eq!(code(answer), 0, "no allocation");
        let mut relayed = XorMappedAddress::default();
        relayed.get_from_as(answer, ATTR_XOR_RELAYED_ADDRESS).unwrap();
        let relayed = SocketAddr::new(relayed.ip, relayed.port);
        self.relayed = Some(relayed);
        relayed
    }

    pub async fn send_indication(&self, to: &str, data: &[u8]) {
        let attributes = vec![peer(to), Box::new(Data(data.to_vec())) as Box<dyn Setter>];
        self.send(&build(MessageType::new(METHOD_SEND, CLASS_INDICATION), attributes).raw).await;
    }

    pub async fn send(&self, packet: &[u8]) {
        match &self.line {
            Line::Udp(socket) => drop(socket.send_to(packet, self.server).await.unwrap()),
            Line::Stream(stream) => say(&mut *stream.lock().await, packet).await.unwrap(),
        }
    }

    pub async fn receive(&self) -> Vec<u8> {
        match &self.line {
            Line::Udp(socket) => receive(socket).await.0,
            Line::Stream(stream) => receive_frame(&mut *stream.lock().await).await,
        }
    }

    /// How many datagrams have come that nobody asked for yet. They are passed over.
    pub fn waiting(&self) -> usize {
        let Line::Udp(socket) = &self.line else { panic!("this client speaks TCP") };
        std::iter::from_fn(|| socket.try_recv(&mut [0; 2048]).ok()).count()
    }

    pub async fn receive_message(&self) -> Message {
        let mut message = Message { raw: self.receive().await, ..Message::default() };
        message.decode().unwrap();
        message
    }

    /// The data and the peer of the Data indication that comes next.
    pub async fn receive_data(&self) -> (Vec<u8>, SocketAddr) {
        let message = self.receive_message().await;
        let (mut data, mut peer) = (Data::default(), PeerAddress::default());
        data.get_from(&message).unwrap();
        peer.get_from(&message).unwrap();
        (data.0, SocketAddr::new(peer.ip, peer.port))
    }

    /// Passes when nothing was sent to this client before: the next packet is the answer to a Binding request sent now. The
    /// listener works in order, so by then it has also finished what this client sent it before.
    pub async fn heard_nothing(&self) {
        let request = build(BINDING_REQUEST, Vec::new());
        self.send(&request.raw).await;
        let answer = self.receive_message().await;
        assert_eq!((answer.typ, answer.transaction_id), (BINDING_SUCCESS, request.transaction_id), "there was another answer");
    }
}

pub fn build(typ: MessageType, attributes: Vec<Box<dyn Setter>>) -> Message {
    let mut all: Vec<Box<dyn Setter>> = vec![Box::new(typ), Box::new(TransactionId::new())];
    all.extend(attributes);
    let mut message = Message::new();
    message.build(&all).unwrap();
    message
}

pub async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, source) = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await.expect("nothing came").unwrap();
    buffer.truncate(length);
    (buffer, source)
}

/// Sends these bytes of a stream now; over TLS, in a record of their own.
pub async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// The next frame of a stream, with its padding.
pub async fn receive_frame(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let read = async {
        let mut frame = vec![0; 4];
        stream.read_exact(&mut frame).await.unwrap();
        let length = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
        let whole = if frame[0] & 0xC0 == 0 { 20 + length } else { (4 + length).next_multiple_of(4) };
        frame.resize(whole, 0);
        stream.read_exact(&mut frame[4..]).await.unwrap();
        frame
    };
    tokio::time::timeout(PATIENCE, read).await.expect("nothing came")
}

/// A service on loopback that no relay may reach.
pub struct Canary(pub UdpSocket);

impl Canary {
    pub async fn new() -> Self {
        Self(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
    }

    pub fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Passes when nothing has come: the first packet is the one that it now sends itself.
    pub async fn is_untouched(&self) {
        let own = self.0.local_addr().unwrap();
        self.0.send_to(b"mine", own).await.unwrap();
        assert_eq!(receive(&self.0).await, (b"mine".to_vec(), own), "a relay reached the canary");
    }
}
