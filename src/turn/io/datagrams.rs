//! Reading and writing datagrams, one at a time.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;

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

/// A datagram to be sent: a message of ours, or a payload that still lies where it was received.
pub(super) struct Packet {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    body: Body,
}

enum Body {
    Own(Vec<u8>),
    Framed { head: Head, payload: Range<usize>, padding: usize },
    Plain(Range<usize>),
}

impl Packet {
    pub(super) const fn answer(socket: Arc<UdpSocket>, to: SocketAddr, message: Vec<u8>) -> Self {
        Self { socket, to, body: Body::Own(message) }
    }

    pub(super) const fn framed(
        socket: Arc<UdpSocket>,
        to: SocketAddr,
        head: Head,
        payload: Range<usize>,
        padding: usize,
    ) -> Self {
        Self { socket, to, body: Body::Framed { head, payload, padding } }
    }

    pub(super) const fn plain(socket: Arc<UdpSocket>, to: SocketAddr, payload: Range<usize>) -> Self {
        Self { socket, to, body: Body::Plain(payload) }
    }

    /// Sends it at once, straight from `received`, the bytes that the payload is a range of. What the system has no room for is
    /// lost, as it is in networks.
    pub(super) fn send(&self, received: &[u8]) -> io::Result<usize> {
        let (socket, to) = (SockRef::from(&*self.socket), self.to.into());
        match &self.body {
            Body::Own(message) => socket.send_to(message, &to),
            Body::Plain(payload) => socket.send_to(&received[payload.clone()], &to),
            Body::Framed { head, payload, padding } => {
                let parts = [head.as_bytes(), &received[payload.clone()], &[0; 3][..*padding]];
                socket.send_to_vectored(&parts.map(IoSlice::new), &to)
            }
        }
    }
}
