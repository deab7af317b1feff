//! The words that the core and its edge speak: addresses that can't be confused, and what the edge is to do.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::turn::channel_data;

/// How a client's packets come to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream, in which ChannelData is padded to four bytes (RFC 8656 §12.5).
    Tcp,
    /// A stream inside TLS.
    Tls,
}

/// A client by its 5-tuple (RFC 8656 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientSocket {
    /// How its packets come.
    pub transport: Transport,
    /// Where we received them.
    pub local: SocketAddr,
    /// Where they came from.
    pub remote: SocketAddr,
}

/// The address of a peer, as the network shows it to a relay socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerSocket(pub SocketAddr);

/// One relay socket. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub u64);

/// The family of addresses to relay at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family as the protocol writes it.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }
}

/// What kind of port a relay socket shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any.
    Any,
    /// An even one.
    Even,
    /// An even one, and the one above for this other relay socket: both or neither.
    EvenAndNext(RelayId),
}

/// There is no such port to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no relay port is free")]
pub struct NoPort;

/// Something for the edge to do.
///
/// A `payload` is a range of the bytes that were handed in last. So the edge takes all outputs before it hands in more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a client.
    Answer {
        /// To whom.
        client: ClientSocket,
        /// The whole message.
        message: Vec<u8>,
    },
    /// Send a client what a peer says.
    ToClient {
        /// To whom.
        client: ClientSocket,
        /// What stands before the payload.
        head: Head,
        /// The payload.
        payload: Range<usize>,
        /// How many zero bytes stand behind it.
        padding: usize,
    },
    /// Send a peer what a client says.
    ToPeer {
        /// From which socket.
        relay: RelayId,
        /// To whom.
        peer: PeerSocket,
        /// The payload.
        payload: Range<usize>,
        /// Whether to drop it rather than let it be cut into fragments (DONT-FRAGMENT, RFC 8656 §18.9).
        whole: bool,
    },
    /// Bind a relay socket, and tell the core the outcome with [`super::Server::relay_opened`]. When [`Output::CloseRelay`] comes
    /// before that, the socket is to be closed as soon as it is open.
    OpenRelay {
        /// The socket's name from now on.
        relay: RelayId,
        /// The address to bind to.
        family: Family,
        /// The port to bind to.
        port: Port,
    },
    /// Close a relay socket.
    CloseRelay {
        /// Which.
        relay: RelayId,
    },
}

/// What stands before a payload on its way to a client: a ChannelData header or the beginning of a Data indication. Held in place,
/// so that a packet costs no allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Head {
    /// A STUN header, an IPv6 XOR-PEER-ADDRESS, and the header of DATA.
    const MAX: usize = 20 + 24 + 4;

    /// `bytes`, which are no longer than a Data indication's beginning.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut head = Self { bytes: [0; Self::MAX], length: bytes.len() };
        head.bytes[..bytes.len()].copy_from_slice(bytes);
        head
    }

    /// The header of a ChannelData message (RFC 8656 §12.4).
    pub(super) fn channel(number: u16, length: usize) -> Self {
        Self::new(&channel_data::header(number, length))
    }

    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_bytes().fmt(f)
    }
}
