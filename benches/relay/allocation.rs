//! A client that gets itself an allocation, with the real protocol: 401, Allocate, ChannelBind.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, ATTR_XOR_RELAYED_ADDRESS};
use stun::error_code::{CODE_STALE_NONCE, ErrorCode, ErrorCodeAttribute};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_REFRESH,
    Message, MessageType, Method, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use stun::xoraddr::XorMappedAddress;
use turn::proto::PROTO_UDP;
use turn::proto::chandata::ChannelData;
use turn::proto::channum::{ChannelNumber, MIN_CHANNEL_NUMBER};
use turn::proto::lifetime::Lifetime;
use turn::proto::peeraddr::PeerAddress;
use turn::proto::reqtrans::RequestedTransport;

use crate::datagrams::Inbox;
use crate::forwarder;
use crate::link::Link;

/// How many bytes of something unexpected are shown.
const SHOWN: usize = 48;
/// After this long a request is sent again; loopback loses only what comes before the server listens.
const RESEND: Duration = Duration::from_millis(250);
/// How often, before the benchmark gives up.
const TRIES: usize = 20;

/// What a server wants to see before it relays.
#[derive(Clone, Debug)]
pub enum Account {
    /// TURN's long-term credential.
    Credential { name: String, password: String },
    /// Nothing: the server is one of our own forwarders.
    None,
}

/// A relayed address and the link to the server that holds it.
pub struct Allocation {
    pub link: Link,
    pub relayed: SocketAddr,
    session: Option<Session>,
}

/// What authenticates a request.
struct Session {
    name: String,
    password: String,
    realm: String,
    nonce: String,
}

/// A client that knows all that its next Allocate needs.
pub struct Prepared {
    pub link: Link,
    session: Session,
    request: Message,
}

impl Prepared {
    /// Fetches realm and nonce.
    pub fn new(mut link: Link, name: &str, password: &str, inbox: &mut Inbox) -> Result<Self> {
        let challenge = ask(&mut link, inbox, &build(METHOD_ALLOCATE, vec![udp()])?)?;
        let session = Session {
            name: name.to_owned(),
            password: password.to_owned(),
            realm: TextAttribute::get_from_as(&challenge, ATTR_REALM).context("a challenge without a realm")?.text,
            nonce: TextAttribute::get_from_as(&challenge, ATTR_NONCE).context("a challenge without a nonce")?.text,
        };
        let request = session.sealed(METHOD_ALLOCATE, vec![udp()])?;
        Ok(Self { link, session, request })
    }

    /// Sends the request once and waits for nothing.
    pub fn send(&mut self) -> Result<()> {
        Ok(self.link.send(&self.request.raw, self.request.raw.len())?)
    }

    /// Looks whether the allocation is there.
    pub fn is_answered(&mut self, inbox: &mut Inbox) -> Result<bool> {
        let mut answer = None;
        let request = &self.request;
        self.link.receive(inbox, |frame| answer = answer.take().or_else(|| answer_to(request, frame)))?;
        answer.map_or(Ok(false), |answer| succeeded(&answer, "Allocate").map(|()| true))
    }
}

impl Allocation {
    pub fn open(mut link: Link, account: &Account, inbox: &mut Inbox) -> Result<Self> {
        let Account::Credential { name, password } = account else {
            let relayed = ask_forwarder(&mut link, inbox, &[forwarder::OPEN])?;
            return Ok(Self { link, relayed, session: None });
        };
        let Prepared { mut link, session, request } = Prepared::new(link, name, password, inbox)?;
        let answer = ask(&mut link, inbox, &request)?;
        succeeded(&answer, "Allocate")?;
        let mut relayed = XorMappedAddress::default();
        relayed.get_from_as(&answer, ATTR_XOR_RELAYED_ADDRESS)?;
        Ok(Self { link, relayed: SocketAddr::new(relayed.ip, relayed.port), session: Some(session) })
    }

    /// Binds the one channel that the benchmark uses to `peer`.
    pub fn bind(&mut self, peer: SocketAddr, inbox: &mut Inbox) -> Result<()> {
        let Some(session) = &self.session else {
            let [high, low] = peer.port().to_be_bytes();
            ask_forwarder(&mut self.link, inbox, &[forwarder::PEER, high, low])?;
            return Ok(());
        };
        let answer = ask(&mut self.link, inbox, &session.sealed(METHOD_CHANNEL_BIND, channel(peer))?)?;
        succeeded(&answer, "ChannelBind")
    }

    /// Asks for new lifetimes of the allocation and of the channel to `peer`, and waits for nothing.
    pub fn renew(&mut self, peer: SocketAddr) -> Result<()> {
        let session = self.session.as_ref().context("a forwarder knows no lifetimes")?;
        for request in [session.sealed(METHOD_REFRESH, Vec::new())?, session.sealed(METHOD_CHANNEL_BIND, channel(peer))?] {
            self.link.send(&request.raw, request.raw.len())?;
        }
        Ok(())
    }

    /// Takes an answer to [`Allocation::renew`]. False when that has to be asked again, with the nonce that this brought.
    pub fn renewed(&mut self, answer: &[u8]) -> Result<bool> {
        let session = self.session.as_mut().context("a forwarder knows no lifetimes")?;
        let mut message = Message { raw: answer.to_vec(), ..Message::default() };
        let is_answer = message.decode().is_ok() && [CLASS_SUCCESS_RESPONSE, CLASS_ERROR_RESPONSE].contains(&message.typ.class);
        ensure!(is_answer, "no answer, but {}", HEXLOWER.encode(&answer[..answer.len().min(SHOWN)]));
        if refusal(&message) == Some(CODE_STALE_NONCE) {
            session.nonce = TextAttribute::get_from_as(&message, ATTR_NONCE).context("a stale nonce without a new one")?.text;
            return Ok(false);
        }
        succeeded(&message, "a renewal").map(|()| true)
    }

    /// Ends it by its owner's word.
    pub fn end(&mut self, inbox: &mut Inbox) -> Result<()> {
        let session = self.session.as_ref().context("a forwarder knows no lifetimes")?;
        let request = session.sealed(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))])?;
        succeeded(&ask(&mut self.link, inbox, &request)?, "Refresh")
    }
}

/// A payload as it travels in the benchmark's channel.
pub fn channel_data(payload: &[u8]) -> Vec<u8> {
    let mut frame = ChannelData { number: ChannelNumber(MIN_CHANNEL_NUMBER), data: payload.to_vec(), raw: Vec::new() };
    frame.encode();
    frame.raw
}

impl Session {
    fn sealed(&self, method: Method, mut attributes: Vec<Box<dyn Setter>>) -> Result<Message> {
        let (name, realm) = (self.name.clone(), self.realm.clone());
        attributes.push(Box::new(Username::new(ATTR_USERNAME, name.clone())));
        attributes.push(Box::new(Realm::new(ATTR_REALM, realm.clone())));
        attributes.push(Box::new(Nonce::new(ATTR_NONCE, self.nonce.clone())));
        attributes.push(Box::new(MessageIntegrity::new_long_term_integrity(name, realm, self.password.clone())));
        build(method, attributes)
    }
}

fn udp() -> Box<dyn Setter> {
    Box::new(RequestedTransport { protocol: PROTO_UDP })
}

fn channel(peer: SocketAddr) -> Vec<Box<dyn Setter>> {
    vec![Box::new(ChannelNumber(MIN_CHANNEL_NUMBER)), Box::new(PeerAddress { ip: peer.ip(), port: peer.port() })]
}

fn build(method: Method, attributes: Vec<Box<dyn Setter>>) -> Result<Message> {
    let mut all: Vec<Box<dyn Setter>> = vec![Box::new(MessageType::new(method, CLASS_REQUEST)), Box::new(TransactionId::new())];
    all.extend(attributes);
    let mut message = Message::new();
    message.build(&all)?;
    Ok(message)
}

fn succeeded(answer: &Message, request: &str) -> Result<()> {
    if answer.typ.class == CLASS_SUCCESS_RESPONSE {
        return Ok(());
    }
    let code = refusal(answer).context("an answer that is neither success nor error")?;
    bail!("{request} was answered with {}", code.0)
}

fn refusal(answer: &Message) -> Option<ErrorCode> {
    let mut code = ErrorCodeAttribute::default();
    code.get_from(answer).ok().map(|()| code.code)
}

fn ask(link: &mut Link, inbox: &mut Inbox, request: &Message) -> Result<Message> {
    exchange(link, inbox, &request.raw, |frame| answer_to(request, frame))
}

fn answer_to(request: &Message, frame: &[u8]) -> Option<Message> {
    let mut answer = Message { raw: frame.to_vec(), ..Message::default() };
    (answer.decode().is_ok() && answer.transaction_id == request.transaction_id).then_some(answer)
}

fn ask_forwarder(link: &mut Link, inbox: &mut Inbox, order: &[u8]) -> Result<SocketAddr> {
    exchange(link, inbox, order, |frame| match *frame {
        [kind, high, low] if kind == order[0] => Some((Ipv4Addr::LOCALHOST, u16::from_be_bytes([high, low])).into()),
        _ => None,
    })
}

/// Sends a question until its answer comes.
fn exchange<T>(link: &mut Link, inbox: &mut Inbox, question: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<T> {
    let patience = Timespec { tv_sec: 0, tv_nsec: RESEND.subsec_nanos().into() };
    for attempt in 0..TRIES {
        // A stream loses nothing.
        if attempt == 0 || matches!(link, Link::Udp { .. }) {
            link.send(question, question.len())?;
        }
        while poll(&mut [PollFd::new(&*link, PollFlags::IN)], Some(&patience))? > 0 {
            let mut answer = None;
            link.receive(inbox, |frame| answer = answer.take().or_else(|| read(frame)))?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }
    bail!("the server does not answer")
}
