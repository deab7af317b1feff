//! Moving datagrams by the system's calls: many with one call where the system can, one at a time elsewhere.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod plain;

#[cfg(target_os = "linux")]
pub(in crate::turn) use linux::KEEPS_WHOLE;
#[cfg(target_os = "linux")]
pub(super) use linux::{Receiver, Sender, prepare, send_one, send_whole};
#[cfg(not(target_os = "linux"))]
pub(in crate::turn) use plain::KEEPS_WHOLE;
#[cfg(not(target_os = "linux"))]
pub(super) use plain::{Receiver, Sender, prepare, send_one, send_whole};

/// How many arrivals one call takes at most.
const SLOTS: usize = 32;

/// The room for one arrival: the largest datagram, or a train of smaller ones.
const SLOT_BYTES: usize = 1 << 16;

/// How many arrivals are kept at most. The more there are, the more of them go to the same address and can go together.
const MOST_ARRIVALS: usize = 512;

/// How many bytes of arrivals are kept before they must be dealt with.
const MOST_BYTES: usize = SLOTS * SLOT_BYTES;

/// Datagrams of one size, the last may be smaller, that came one after the other from one source: the kernel hands them over as
/// one. One datagram alone is a train too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) source: SocketAddr,
    /// The address it was sent to, where the socket is bound to all addresses.
    pub(super) local: Option<IpAddr>,
    /// Where it lies in the receiver's bytes.
    pub(super) range: Range<usize>,
    /// The size of the datagrams.
    pub(super) segment: usize,
}

impl Arrival {
    /// Where each datagram lies.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
        let (end, segment) = (self.range.end, self.segment.max(1));
        // An empty datagram is one, too.
        let starts = if self.range.is_empty() { self.range.start..end + 1 } else { self.range.clone() };
        starts.step_by(segment).map(move |start| start..(start + segment).min(end))
    }
}

/// Datagrams of one size, the last may be smaller, that go one after the other to one address.
#[derive(Debug)]
pub(super) struct Train {
    pub(super) to: SocketAddr,
    /// The address to send from, where the socket is bound to all addresses.
    pub(super) from: Option<IpAddr>,
    pub(super) parts: Vec<Part>,
    /// The size of the datagrams.
    pub(super) segment: usize,
}

/// One datagram: a payload that lies where it was received, with a ChannelData header before it or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) head: Option<[u8; 4]>,
    pub(super) payload: Range<usize>,
}

impl Part {
    /// How long the datagram is.
    pub(super) fn length(&self) -> usize {
        self.payload.len() + self.head.map_or(0, |head| head.len())
    }

    /// What stands before the payload.
    pub(super) fn head(&self) -> &[u8] {
        self.head.as_ref().map_or(&[], |head| head)
    }
}

/// Sends the datagrams of a train one by one. Returns how many the system refused.
fn send_apart(socket: &UdpSocket, train: &Train, bytes: &[u8]) -> usize {
    let refused = |part: &&Part| {
        let slices = [part.head(), &bytes[part.payload.clone()]].map(IoSlice::new);
        send_one(socket, train.to, train.from, &slices).is_err()
    };
    train.parts.iter().filter(refused).count()
}

#[cfg(test)]
mod tests;
