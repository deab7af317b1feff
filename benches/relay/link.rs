//! How one side of a flow is reached: by UDP, TCP or TLS.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Result;

use crate::datagrams::{Datagrams, Gait, Inbox};
use crate::stream::Stream;

pub enum Link {
    Udp {
        socket: Datagrams,
        /// Where everything is sent: the server for a client, the relayed address for a peer.
        to: SocketAddr,
    },
    Stream(Stream),
}

impl Link {
    pub fn udp(to: SocketAddr) -> Result<Self> {
        Ok(Self::Udp { socket: Datagrams::bind(Gait::Batches)?, to })
    }

    /// Sends frames of `size` bytes each that stand in `frames` one behind the other.
    ///
    /// # Errors
    /// `WouldBlock` when the way is full, and what else the system says.
    pub fn send(&mut self, frames: &[u8], size: usize) -> io::Result<()> {
        match self {
            Self::Udp { socket, to } => socket.send(*to, frames, size),
            Self::Stream(stream) => stream.send(frames),
        }
    }

    /// Hands over, one by one, the frames that one call to the system reads. Nothing to read is no error.
    pub fn receive(&mut self, inbox: &mut Inbox, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let read = match self {
            // Other programs on this machine may send to a port that was somebody else's before.
            Self::Udp { socket, to } => socket.receive(inbox, |run| {
                if run.source == *to {
                    run.datagrams().for_each(&mut each);
                }
            }),
            Self::Stream(stream) => stream.receive(each),
        };
        read.or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) })
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp { socket, .. } => socket.as_fd(),
            Self::Stream(stream) => stream.as_fd(),
        }
    }
}
