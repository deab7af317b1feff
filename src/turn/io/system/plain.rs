//! One datagram with each call, as every system can.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use socket2::SockRef;

use super::{Arrival, MOST_ARRIVALS, MOST_BYTES, SLOT_BYTES, SLOTS, Train, send_apart};

/// Whether [`send_whole`] does what it says.
pub(in crate::turn) const KEEPS_WHOLE: bool = false;

/// Makes a socket ready for [`Receiver`] and [`Sender`].
pub(in crate::turn::io) fn prepare(_socket: &UdpSocket) {}

/// Where arrivals are kept until they are dealt with.
pub(in crate::turn::io) struct Receiver {
    bytes: Box<[u8]>,
    arrivals: Vec<Arrival>,
    used: usize,
}

impl Receiver {
    pub(in crate::turn::io) fn new() -> Self {
        Self { bytes: vec![0; MOST_BYTES + SLOT_BYTES].into_boxed_slice(), arrivals: Vec::new(), used: 0 }
    }

    /// Adds some arrivals to those that are kept, as long as there is room. True when there were no more.
    ///
    /// # Errors
    /// When the system refuses to give any.
    pub(in crate::turn::io) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let before = self.arrivals.len();
        for _ in 0..SLOTS {
            if self.is_full() {
                break;
            }
            let start = self.used;
            match socket.recv_from(&mut self.bytes[start..start + SLOT_BYTES]) {
                Ok((length, source)) => {
                    self.arrivals.push(Arrival { source, local: None, range: start..start + length, segment: length });
                    self.used += length;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                // What came before it is not lost; it comes again.
                Err(_) if self.arrivals.len() > before => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Whether what is kept must be dealt with before there is room for more.
    pub(in crate::turn::io) fn is_full(&self) -> bool {
        self.arrivals.len() == MOST_ARRIVALS || self.used > MOST_BYTES
    }

    /// Forgets what is kept.
    pub(in crate::turn::io) fn clear(&mut self) {
        self.arrivals.clear();
        self.used = 0;
    }

    /// What is kept.
    pub(in crate::turn::io) fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// What the arrivals are ranges of.
    pub(in crate::turn::io) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Sends trains.
#[derive(Default)]
pub(in crate::turn::io) struct Sender;

impl Sender {
    /// Sends the datagrams of `trains`, whose payloads are ranges of `bytes`. Returns how many the system refused.
    pub(in crate::turn::io) fn send(&mut self, socket: &UdpSocket, trains: &[Train], bytes: &[u8]) -> usize {
        trains.iter().map(|train| send_apart(socket, train, bytes)).sum()
    }
}

/// Sends one datagram.
///
/// # Errors
/// The system's, for example when it has no room for more.
pub(in crate::turn::io) fn send_one(
    socket: &UdpSocket,
    to: SocketAddr,
    _from: Option<IpAddr>,
    parts: &[IoSlice<'_>],
) -> io::Result<()> {
    SockRef::from(socket).send_to_vectored(parts, &to.into()).map(drop)
}

/// Refuses: there is no common way to send a datagram that no one may cut into fragments.
///
/// # Errors
/// Always.
pub(in crate::turn::io) fn send_whole(_socket: &UdpSocket, _to: SocketAddr, _payload: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
