//! Two ends with a relay between them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use crate::allocation::{Allocation, channel_data};
use crate::datagrams::{Datagrams, Gait, Inbox};
use crate::link::Link;
use crate::servers::Server;
use crate::stream::Stream;

/// Who talks to whom, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// A client by UDP, and a peer that is not relayed.
    ClientPeer,
    /// Two clients by UDP of the same server.
    RelayRelay,
    /// A client by TCP, and a peer that is not relayed.
    Tcp,
    /// A client by TLS, and a peer that is not relayed.
    Tls,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientPeer => "client-peer",
            Self::RelayRelay => "relay-relay",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// One end: what it sends, and what it has sent and received so far.
pub struct End {
    pub link: Link,
    /// One packet as this end sends it.
    pub packet: Vec<u8>,
    /// Many of them in a row.
    pub row: Vec<u8>,
    pub sent: u64,
    pub received: u64,
    /// Of those sent, how many were given up waiting for.
    pub given_up: u64,
    /// When this end last sent or its packets last arrived.
    pub moved_at: u64,
}

/// The most packets that one row holds: what one system call sends at most.
pub const ROW: usize = 50;

impl End {
    fn new(link: Link, packet: Vec<u8>) -> Self {
        let row = packet.repeat(ROW);
        Self { link, packet, row, sent: 0, received: 0, given_up: 0, moved_at: 0 }
    }
}

/// Two ends. Each has an allocation or is reached from the other's.
pub struct Pair {
    pub ends: [End; 2],
}

/// As many pairs as `allocations` of the server make.
pub fn connect(server: &Server, mode: Mode, allocations: usize, payload: usize) -> Result<Vec<Pair>> {
    let mut inbox = Inbox::new();
    let payload: Vec<u8> = (0..payload).map(|index| (index % 251) as u8).collect();
    match mode {
        Mode::ClientPeer | Mode::Tcp | Mode::Tls => {
            (0..allocations).map(|number| client_and_peer(server, mode, number, &payload, &mut inbox)).collect()
        }
        Mode::RelayRelay => (0..allocations / 2).map(|_| two_clients(server, &payload, &mut inbox)).collect(),
    }
}

/// Servers limit the connections of one address. The whole of 127.0.0.0/8 is this machine, so clients spread over it.
const STREAMS_PER_SOURCE: usize = 32;

/// The way of a client with this number to the server.
pub fn link(server: &Server, mode: Mode, number: usize) -> Result<Link> {
    let source = || Ok::<_, anyhow::Error>(Ipv4Addr::new(127, 0, 1, u8::try_from(1 + number / STREAMS_PER_SOURCE)?));
    match mode {
        Mode::ClientPeer | Mode::RelayRelay => Link::udp(server.udp),
        Mode::Tcp => Ok(Link::Stream(Stream::tcp(server.udp, source()?)?)),
        Mode::Tls => Ok(Link::Stream(Stream::tls(server.tls.context("it relays nothing by TLS")?, source()?)?)),
    }
}

fn client_and_peer(server: &Server, mode: Mode, number: usize, payload: &[u8], inbox: &mut Inbox) -> Result<Pair> {
    let mut client = Allocation::open(link(server, mode, number)?, &server.account(), inbox)?;
    let (peer, address) = peer_of(client.relayed)?;
    client.bind(address, inbox)?;
    Ok(Pair { ends: [End::new(client.link, channel_data(payload)), End::new(peer, payload.to_vec())] })
}

fn two_clients(server: &Server, payload: &[u8], inbox: &mut Inbox) -> Result<Pair> {
    let mut open = || Allocation::open(Link::udp(server.udp)?, &server.account(), inbox);
    let (mut one, mut other) = (open()?, open()?);
    one.bind(other.relayed, inbox)?;
    other.bind(one.relayed, inbox)?;
    let frame = channel_data(payload);
    Ok(Pair { ends: [End::new(one.link, frame.clone()), End::new(other.link, frame)] })
}

/// A socket that sends to a relayed address, and its own address.
pub fn peer_of(relayed: SocketAddr) -> Result<(Link, SocketAddr)> {
    let socket = Datagrams::bind(Gait::Batches)?;
    let address = socket.address()?;
    Ok((Link::Udp { socket, to: relayed }, address))
}
