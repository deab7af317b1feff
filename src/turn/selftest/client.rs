//! A client of the relay: just enough of STUN and TURN over UDP to see a packet go through, and to tell what stops it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::turn::proto::PROTO_UDP;
use ::turn::proto::data::Data;
use ::turn::proto::lifetime::Lifetime;
use ::turn::proto::peeraddr::PeerAddress;
use ::turn::proto::relayaddr::RelayedAddress;
use ::turn::proto::reqfamily::{REQUESTED_FAMILY_IPV6, RequestedAddressFamily};
use ::turn::proto::reqtrans::RequestedTransport;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use stun::error_code::{CODE_UNAUTHORIZED, ErrorCodeAttribute};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_BINDING,
    METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Message, MessageType, Method, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::finding::{Fault, Step};
use crate::turn::credentials::Credential;

/// How long an answer is waited for before the question is sent again; after the last wait there is none.
const WAITS: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 1500;

type Attributes = Vec<Box<dyn Setter>>;

/// A socket that asks one server.
pub(in crate::turn) struct Client {
    socket: UdpSocket,
    server: SocketAddr,
}

/// The name, the password and the nonce that the relay's answers go with.
pub(super) struct Seal {
    credential: Credential,
    realm: String,
    nonce: String,
}

impl Seal {
    /// A request of somebody who is known.
    fn request(&self, method: Method, mut attributes: Attributes) -> Message {
        attributes.push(Box::new(Username::new(ATTR_USERNAME, self.credential.username.clone())));
        attributes.push(Box::new(Realm::new(ATTR_REALM, self.realm.clone())));
        attributes.push(Box::new(Nonce::new(ATTR_NONCE, self.nonce.clone())));
        attributes.push(Box::new(self.key()));
        message(method, attributes)
    }

    fn key(&self) -> MessageIntegrity {
        let (name, password) = (self.credential.username.clone(), self.credential.password.expose().clone());
        MessageIntegrity::new_long_term_integrity(name, self.realm.clone(), password)
    }
}

impl Client {
    /// A client of `server`, at any address of this machine.
    pub(in crate::turn) async fn new(server: SocketAddr) -> Result<Self, Fault> {
        let any = if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        Self::at(any, server).await
    }

    /// A client of `server` at this address.
    pub(in crate::turn) async fn at(local: IpAddr, server: SocketAddr) -> Result<Self, Fault> {
        let unsent = |error: io::Error| Fault::Unsent(error.kind());
        let socket = UdpSocket::bind((local, 0)).await.map_err(unsent)?;
        socket.connect(server).await.map_err(unsent)?;
        Ok(Self { socket, server })
    }

    /// Asks for this client's own address as the server sees it (RFC 8489 §12).
    pub(in crate::turn) async fn binding(&self) -> Result<SocketAddr, Fault> {
        let answer = self.ask(&message(METHOD_BINDING, Vec::new())).await?;
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&answer).map_err(|_| Fault::Stranger)?;
        Ok(SocketAddr::new(mapped.ip, mapped.port))
    }

    /// Makes an allocation, and tells where it relays and how to ask for more.
    pub(super) async fn allocate(&self, credential: Credential, realm: &str) -> Result<(SocketAddr, Seal), Fault> {
        let challenge = self.ask(&message(METHOD_ALLOCATE, self.wish())).await?;
        let text = |typ| TextAttribute::get_from_as(&challenge, typ).map(|attribute| attribute.text);
        let (Ok(theirs), Ok(nonce)) = (text(ATTR_REALM), text(ATTR_NONCE)) else { return Err(Fault::Stranger) };
        if theirs != realm {
            return Err(Fault::Stranger);
        }
        let seal = Seal { credential, realm: theirs, nonce };
        let answer = self.request(Step::Allocate, seal.request(METHOD_ALLOCATE, self.wish()), &seal).await?;
        let mut relayed = RelayedAddress::default();
        relayed.get_from(&answer).map_err(|_| Fault::Stranger)?;
        Ok((SocketAddr::new(relayed.ip, relayed.port), seal))
    }

    /// Permits packets from and to `peer`.
    pub(super) async fn permit(&self, peer: SocketAddr, seal: &Seal) -> Result<(), Fault> {
        let request = seal.request(METHOD_CREATE_PERMISSION, vec![peer_address(peer)]);
        self.request(Step::Permit, request, seal).await.map(drop)
    }

    /// Sends `data` to `peer` through the relay until `other` has it.
    pub(super) async fn pass(&self, data: &[u8], peer: SocketAddr, other: &Self) -> Result<(), Fault> {
        let attributes: Attributes = vec![peer_address(peer), Box::new(Data(data.to_vec()))];
        let indication = build(MessageType::new(METHOD_SEND, CLASS_INDICATION), attributes);
        let is_it = |message: &Message| {
            let mut received = Data::default();
            message.typ.method == METHOD_DATA && received.get_from(message).is_ok() && received.0 == data
        };
        for wait in WAITS {
            self.send(&indication).await?;
            if timeout(wait, other.receive(is_it)).await.is_ok() {
                return Ok(());
            }
        }
        Err(Fault::Lost)
    }

    /// Gives the allocation back.
    pub(super) async fn free(&self, seal: &Seal) -> Result<(), Fault> {
        let request = seal.request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]);
        self.request(Step::Free, request, seal).await.map(drop)
    }

    fn wish(&self) -> Attributes {
        let transport: Box<dyn Setter> = Box::new(RequestedTransport { protocol: PROTO_UDP });
        let family = self.server.is_ipv6().then_some(REQUESTED_FAMILY_IPV6);
        let family = family.map(|family: RequestedAddressFamily| Box::new(family) as Box<dyn Setter>);
        std::iter::once(transport).chain(family).collect()
    }

    /// Asks as somebody who is known; the answer is a success, sealed like the question.
    async fn request(&self, step: Step, request: Message, seal: &Seal) -> Result<Message, Fault> {
        let mut answer = self.ask(&request).await?;
        let mut error = ErrorCodeAttribute::default();
        let sealed = seal.key().check(&mut answer).is_ok();
        match answer.typ.class {
            CLASS_SUCCESS_RESPONSE if sealed => Ok(answer),
            CLASS_ERROR_RESPONSE if error.get_from(&answer).is_ok() && error.code != CODE_UNAUTHORIZED => {
                Err(Fault::Refused { step, code: error.code.0 })
            }
            // Whoever doesn't know our passwords is not our relay.
            _ => Err(Fault::Stranger),
        }
    }

    async fn ask(&self, request: &Message) -> Result<Message, Fault> {
        for wait in WAITS {
            self.send(request).await?;
            let answers = |message: &Message| message.transaction_id == request.transaction_id;
            if let Ok(answer) = timeout(wait, self.receive(answers)).await {
                return Ok(answer);
            }
        }
        Err(Fault::Silent)
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        match self.socket.send(&message.raw).await {
            // The news about the packet before: nothing listens there. Somebody may yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(Fault::Unsent(error.kind())),
            Ok(_) => Ok(()),
        }
    }

    /// The next message that is wanted. Never ends without one.
    async fn receive(&self, wanted: impl Fn(&Message) -> bool) -> Message {
        let mut buffer = [0; MAX_ANSWER];
        loop {
            let Ok(length) = self.socket.recv(&mut buffer).await else {
                // Whatever it is, it will not be better at once.
                return std::future::pending().await;
            };
            let mut message = Message { raw: buffer[..length].to_vec(), ..Message::default() };
            if message.decode().is_ok() && wanted(&message) {
                return message;
            }
        }
    }
}

fn message(method: Method, attributes: Attributes) -> Message {
    build(MessageType::new(method, CLASS_REQUEST), attributes)
}

fn build(typ: MessageType, attributes: Attributes) -> Message {
    let mut all: Attributes = vec![Box::new(typ), Box::new(TransactionId::new())];
    all.extend(attributes);
    let mut message = Message::new();
    message.build(&all).expect("what is asked is short, and its texts are within limits");
    message
}

fn peer_address(peer: SocketAddr) -> Box<dyn Setter> {
    Box::new(PeerAddress { ip: peer.ip(), port: peer.port() })
}
