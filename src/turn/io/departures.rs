//! Payloads on their way out, gathered so that those for one address go together.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::Arc;

use super::packets::{Exit, Way};
use super::system::{Part, Sender, Train};
use crate::turn::channel_data;

/// How many datagrams a train has at most (`UDP_MAX_SEGMENTS` of every kernel that knows trains).
const MAX_PARTS: usize = 64;

/// How many bytes a train has at most: with its headers, no more than one IP packet.
const MAX_BYTES: usize = 65_000;

/// What waits to be sent. The payloads are ranges of bytes that stay where they are until then.
#[derive(Default)]
pub(super) struct Departures {
    sender: Sender,
    waiting: Vec<Waiting>,
    /// Which is the last train of each way. One before it would let datagrams overtake each other.
    last: HashMap<Track, usize>,
    /// Lists of parts to be used again.
    spare: Vec<Vec<Part>>,
}

/// A way, as that of other trains is compared with it: the socket by where it lies.
type Track = (usize, SocketAddr, Option<IpAddr>);

struct Waiting {
    socket: Arc<UdpSocket>,
    train: Train,
    bytes: usize,
    /// Nothing may follow: a smaller datagram is always the last one.
    closed: bool,
}

impl Departures {
    /// Takes payloads that leave by `exit` one after the other, each behind the head of `channel` where there is one. They are ranges
    /// of `bytes`. Those for a stream go at once; returns how many of them were refused.
    pub(super) fn leave(
        &mut self,
        exit: &Exit,
        channel: Option<u16>,
        payloads: impl Iterator<Item = Range<usize>>,
        bytes: &[u8],
    ) -> usize {
        let parts = payloads.map(|payload| part(channel, payload));
        match exit {
            Exit::Datagram(way) => {
                self.push(way, parts);
                0
            }
            Exit::Stream(stream) => {
                let parts: Vec<Part> = parts.collect();
                stream.send_packets(parts.iter().map(|part| [part.head(), &bytes[part.payload.clone()]]))
            }
        }
    }

    /// Adds datagrams that go one after the other, each with the same kind of head.
    fn push(&mut self, way: &Way, parts: impl Iterator<Item = Part>) {
        let mut place = self.last.get(&track(way)).copied();
        for part in parts {
            let fits = place.is_some_and(|index| self.waiting[index].takes(&part));
            let index = match place.filter(|_| fits) {
                Some(index) => index,
                None => self.begin(way, part.length()),
            };
            place = Some(index);
            self.waiting[index].add(part);
        }
    }

    /// Sends everything. `bytes` is what the payloads are ranges of. Returns how many datagrams the system refused.
    pub(super) fn send(&mut self, bytes: &[u8]) -> usize {
        if self.waiting.is_empty() {
            return 0;
        }
        self.last.clear();
        // Those of one socket go with one call. The order of the trains on one way stays.
        self.waiting.sort_by_key(|waiting| Arc::as_ptr(&waiting.socket));
        let mut refused = 0;
        let mut trains = Vec::with_capacity(self.waiting.len());
        let mut waiting = self.waiting.drain(..).peekable();
        while let Some(Waiting { socket, train, .. }) = waiting.next() {
            trains.push(train);
            if waiting.peek().is_none_or(|next| !Arc::ptr_eq(&next.socket, &socket)) {
                refused += self.sender.send(&socket, &trains, bytes);
                self.spare.extend(trains.drain(..).map(|mut train| {
                    train.parts.clear();
                    train.parts
                }));
            }
        }
        refused
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.last.clear();
    }

    fn begin(&mut self, way: &Way, segment: usize) -> usize {
        let parts = self.spare.pop().unwrap_or_default();
        let train = Train { to: way.to, from: way.from, parts, segment };
        self.last.insert(track(way), self.waiting.len());
        self.waiting.push(Waiting { socket: Arc::clone(&way.socket), train, bytes: 0, closed: false });
        self.waiting.len() - 1
    }
}

fn track(way: &Way) -> Track {
    (Arc::as_ptr(&way.socket).addr(), way.to, way.from)
}

impl Waiting {
    fn takes(&self, part: &Part) -> bool {
        let length = part.length();
        !self.closed
            && (1..=self.train.segment).contains(&length)
            && self.train.parts.len() < MAX_PARTS
            && self.bytes + length <= MAX_BYTES
    }

    fn add(&mut self, part: Part) {
        let length = part.length();
        self.closed |= length < self.train.segment || length == 0;
        self.bytes += length;
        self.train.parts.push(part);
    }
}

/// The datagram of `payload` behind the head of its channel, where it has one.
fn part(channel: Option<u16>, payload: Range<usize>) -> Part {
    let head = channel.map(|number| channel_data::header(number, payload.len()));
    Part { head, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Arc<UdpSocket> {
        Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap())
    }

    fn lengths(departures: &Departures) -> Vec<(u16, Vec<usize>)> {
        let shown = |waiting: &Waiting| (waiting.train.to.port(), waiting.train.parts.iter().map(Part::length).collect());
        departures.waiting.iter().map(shown).collect()
    }

    #[test]
    fn datagrams_for_one_address_go_together_and_never_overtake() {
        let (mut departures, socket) = (Departures::default(), socket());
        let way = |port| Way { socket: Arc::clone(&socket), to: SocketAddr::from(([127, 0, 0, 1], port)), from: None };
        for (port, length) in [(1, 100), (2, 50), (1, 100), (1, 60), (1, 60), (2, 70), (2, 70), (1, 100)] {
            departures.push(&way(port), [part(None, 0..length)].into_iter());
        }
        let expected = [(1, vec![100, 100, 60]), (2, vec![50]), (1, vec![60]), (2, vec![70, 70]), (1, vec![100])]
            .map(|(port, sizes)| (port, sizes));
        assert_eq!(lengths(&departures), expected);
    }

    #[test]
    fn no_train_is_longer_than_the_kernel_takes() {
        let (mut departures, socket) = (Departures::default(), socket());
        let way = Way { socket, to: SocketAddr::from(([127, 0, 0, 1], 9)), from: None };
        departures.push(&way, (0..130).map(|_| part(Some(0x4000), 0..20)));
        departures.push(&way, (0..3).map(|_| part(None, 0..30_000)));
        departures.push(&way, (0..2).map(|_| part(None, 0..0)));
        let counts: Vec<usize> = departures.waiting.iter().map(|waiting| waiting.train.parts.len()).collect();
        assert_eq!(counts, [64, 64, 2, 2, 1, 1, 1]);
        assert!(departures.waiting.iter().all(|waiting| waiting.bytes <= MAX_BYTES));
    }

    #[test]
    fn what_departs_arrives_whole_in_its_order_and_behind_its_heads() {
        let (mut departures, from) = (Departures::default(), socket());
        let (one, two) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let way = |to: &UdpSocket| Way { socket: Arc::clone(&from), to: to.local_addr().unwrap(), from: None };
        let bytes: Vec<u8> = (0..=255).collect();
        for start in [0, 10, 20] {
            departures.push(&way(&one), [part(Some(0x4001), start..start + 10)].into_iter());
            departures.push(&way(&two), [part(None, start..start + 3)].into_iter());
        }
        assert_eq!(departures.send(&bytes), 0);
        assert!(departures.waiting.is_empty());
        let mut buffer = [0; 64];
        for start in [0_u8, 10, 20] {
            let length = one.recv(&mut buffer).unwrap();
            let expected: Vec<u8> = [0x40, 0x01, 0, 10].into_iter().chain(start..start + 10).collect();
            assert_eq!(buffer[..length], expected);
            let length = two.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], [start, start + 1, start + 2]);
        }
    }
}
