//! Reading datagrams and sending packets, one at a time.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;

use super::streams::Stream;
use crate::turn::server::Head;

/// The largest datagram that UDP can carry.
const MAX_DATAGRAM: usize = 65_535;

/// How many datagrams are read from one socket before others have their turn.
const TURN: usize = 32;

/// How long to wait after a failed receive, so that an error that stays doesn't spin.
pub(super) const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    /// Where datagrams are read into: one for each thread, since each idle relay socket would otherwise hold one.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_DATAGRAM].into_boxed_slice());
}

/// Waits for datagrams and hands over some of those that are there.
///
/// # Errors
/// When the system refuses to give one; the next may be there all the same.
pub(super) async fn receive(socket: &UdpSocket, mut handle: impl FnMut(SocketAddr, &[u8])) -> io::Result<()> {
    socket.readable().await?;
    let emptied = BUFFER.with_borrow_mut(|buffer| {
        for _ in 0..TURN {
            match socket.try_recv_from(buffer) {
                Ok((length, source)) => handle(source, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    })?;
    if !emptied {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The way to somebody.
pub(super) enum Way {
    Datagram(Arc<UdpSocket>, SocketAddr),
    Stream(Arc<Stream>),
}

/// Something to be sent: a message of ours, or a payload that still lies where it was received.
pub(super) struct Packet {
    way: Way,
    body: Body,
}

enum Body {
    Own(Vec<u8>),
    Framed { head: Head, payload: Range<usize>, padding: usize },
    Plain(Range<usize>),
}

impl Packet {
    pub(super) const fn answer(way: Way, message: Vec<u8>) -> Self {
        Self { way, body: Body::Own(message) }
    }

    pub(super) const fn framed(way: Way, head: Head, payload: Range<usize>, padding: usize) -> Self {
        Self { way, body: Body::Framed { head, payload, padding } }
    }

    pub(super) const fn plain(way: Way, payload: Range<usize>) -> Self {
        Self { way, body: Body::Plain(payload) }
    }

    /// Sends it at once, straight from `received`, the bytes that the payload is a range of. What the system has no room for is
    /// lost, as it is in networks.
    pub(super) fn send(&self, received: &[u8]) -> io::Result<usize> {
        let parts = match &self.body {
            Body::Own(message) => [&**message, &[], &[]],
            Body::Plain(payload) => [&received[payload.clone()], &[], &[]],
            Body::Framed { head, payload, padding } => [head.as_bytes(), &received[payload.clone()], &[0; 3][..*padding]],
        };
        match (&self.way, &self.body) {
            (Way::Stream(stream), Body::Own(message)) => stream.send_message(message),
            (Way::Stream(stream), Body::Framed { .. } | Body::Plain(_)) => stream.send_data(&parts),
            (Way::Datagram(socket, to), Body::Framed { .. }) => {
                SockRef::from(&**socket).send_to_vectored(&parts.map(IoSlice::new), &(*to).into())
            }
            (Way::Datagram(socket, to), Body::Own(_) | Body::Plain(_)) => {
                SockRef::from(&**socket).send_to(parts[0], &(*to).into())
            }
        }
    }
}
