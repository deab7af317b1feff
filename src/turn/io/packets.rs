//! Packets that the core has decided about, sent at once.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::Arc;

use super::streams::Stream;
use super::system;
use crate::turn::server::Head;

/// Where datagrams go to.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) to: SocketAddr,
    /// The address to send from, where the socket is bound to all addresses.
    pub(super) from: Option<IpAddr>,
}

/// The way out to somebody.
pub(super) enum Exit {
    Datagram(Way),
    Stream(Arc<Stream>),
}

/// Something to be sent: a message of ours, or a payload that still lies where it was received.
pub(super) struct Packet {
    exit: Exit,
    body: Body,
}

enum Body {
    Own(Vec<u8>),
    Framed { head: Head, payload: Range<usize>, padding: usize },
    Plain { payload: Range<usize>, whole: bool },
}

impl Packet {
    pub(super) const fn answer(exit: Exit, message: Vec<u8>) -> Self {
        Self { exit, body: Body::Own(message) }
    }

    pub(super) const fn framed(exit: Exit, head: Head, payload: Range<usize>, padding: usize) -> Self {
        Self { exit, body: Body::Framed { head, payload, padding } }
    }

    pub(super) const fn plain(exit: Exit, payload: Range<usize>, whole: bool) -> Self {
        Self { exit, body: Body::Plain { payload, whole } }
    }

    /// Sends it at once, straight from `received`, the bytes that the payload is a range of. What the system has no room for is
    /// lost, as it is in networks.
    pub(super) fn send(&self, received: &[u8]) -> io::Result<()> {
        let parts = match &self.body {
            Body::Own(message) => [&**message, &[], &[]],
            Body::Plain { payload, .. } => [&received[payload.clone()], &[], &[]],
            Body::Framed { head, payload, padding } => [head.as_bytes(), &received[payload.clone()], &[0; 3][..*padding]],
        };
        match (&self.exit, &self.body) {
            (Exit::Stream(stream), Body::Own(message)) => stream.send_message(message).map(drop),
            (Exit::Stream(stream), Body::Framed { .. } | Body::Plain { .. }) => stream.send_data(&parts).map(drop),
            (Exit::Datagram(Way { socket, to, .. }), Body::Plain { whole: true, .. }) => {
                system::send_whole(socket, *to, parts[0])
            }
            (Exit::Datagram(Way { socket, to, from }), _) => system::send_one(socket, *to, *from, &parts.map(IoSlice::new)),
        }
    }
}
