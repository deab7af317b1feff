//! The steady part of the soak: numbered packets both ways, at an even pace, each of which is looked for.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Result;

use super::Tally;
use crate::allocation::{Allocation, channel_data};
use crate::clock::{in_nanos, nanos};
use crate::datagrams::Inbox;
use crate::link::Link;
use crate::pair::{self, Mode};
use crate::readiness::Readiness;
use crate::servers::Server;

/// So many that each carries a few times what one may at most by default: with few, a moment in which the server is not run at all
/// overflows the sockets of the busiest.
pub const ALLOCATIONS: usize = 100;
pub const PAYLOAD: usize = 1200;
/// Packets that go out together, as those of a picture do.
pub const ROW: usize = 5;
/// Twice within the shortest lifetime there is, the five minutes of a permission (RFC 8656 §9), because a request may get lost.
const RENEWAL: Duration = Duration::from_secs(120);
/// A pace that has fallen behind by more than this drops what it owes instead of sending it all at once.
const LATEST: u64 = 2_000_000;
const DRAIN: Duration = Duration::from_secs(1);
/// How much room the number of a packet takes, at the front of its payload.
const NUMBER: usize = 8;
/// Gaps that are told one by one between two samples.
const TOLD: u64 = 10;

/// A client with an allocation, and its peer.
struct Flow {
    client: Allocation,
    peer: Link,
    address: SocketAddr,
    /// From the client, and to it.
    ways: [Way; 2],
    renew_at: u64,
}

/// Packets in one direction.
struct Way {
    /// What is sent: a row of packets, each with so many bytes before its payload.
    row: Vec<u8>,
    head: usize,
    /// One packet as it must arrive, its number apart, and what it then has before its payload.
    arriving: Vec<u8>,
    arriving_head: usize,
    next: u64,
    expected: u64,
}

/// Sends so many packets a second through a few allocations until told to stop, and ends these.
pub fn run(server: &Server, per_second: f64, tally: &Tally) -> Result<()> {
    let (mut inbox, readiness) = (Inbox::new(), Readiness::new()?);
    let mut flows = (0..ALLOCATIONS).map(|number| Flow::open(server, number, &mut inbox)).collect::<Result<Vec<_>>>()?;
    for (number, flow) in flows.iter().enumerate() {
        readiness.add(&flow.client.link, 2 * number)?;
        readiness.add(&flow.peer, 2 * number + 1)?;
    }
    drive(&mut flows, readiness, &mut inbox, (1e9 * ROW as f64 / per_second) as u64, tally)?;
    flows.iter_mut().try_for_each(|flow| flow.client.end(&mut inbox))
}

fn drive(flows: &mut [Flow], mut readiness: Readiness, inbox: &mut Inbox, interval: u64, tally: &Tally) -> Result<()> {
    let (mut due, mut turn, mut end) = (nanos(), 0, None);
    while end.is_none_or(|end| nanos() < end) {
        let now = nanos();
        if end.is_none() && tally.stop.load(Relaxed) {
            end = Some(now + in_nanos(DRAIN));
        }
        due = if end.is_some() { now + interval } else { due.max(now.saturating_sub(LATEST)) };
        while due <= now {
            flows[turn / 2 % ALLOCATIONS].send(turn % 2, tally)?;
            (due, turn) = (due + interval, turn + 1);
        }
        for number in readiness.wait(Some(Duration::from_nanos(due - now)))? {
            flows[number / 2].receive(number / 2, number % 2, inbox, tally)?;
        }
        let late = flows.iter_mut().filter(|flow| flow.renew_at <= now);
        late.into_iter().try_for_each(|flow| {
            flow.renew_at += in_nanos(RENEWAL);
            flow.client.renew(flow.address)
        })?;
    }
    Ok(())
}

impl Flow {
    fn open(server: &Server, number: usize, inbox: &mut Inbox) -> Result<Self> {
        let mut client = Allocation::open(pair::link(server, Mode::ClientPeer, number)?, &server.account(), inbox)?;
        let (peer, address) = pair::peer_of(client.relayed)?;
        client.bind(address, inbox)?;
        let payload: Vec<u8> = (0..PAYLOAD).map(|index| ((index + number * 7) % 251) as u8).collect();
        let frame = channel_data(&payload);
        let head = frame.len() - payload.len();
        let way = |sent: &[u8], head, arriving: &[u8], arriving_head| Way {
            row: sent.repeat(ROW),
            head,
            arriving: arriving.to_vec(),
            arriving_head,
            next: 0,
            expected: 0,
        };
        let ways = [way(&frame, head, &payload, 0), way(&payload, 0, &frame, head)];
        // Not all at once.
        let renew_at = nanos() + in_nanos(RENEWAL) * number as u64 / ALLOCATIONS as u64;
        Ok(Self { client, peer, address, ways, renew_at })
    }

    fn send(&mut self, way: usize, tally: &Tally) -> Result<()> {
        let link = if way == 0 { &mut self.client.link } else { &mut self.peer };
        let way = &mut self.ways[way];
        let size = way.row.len() / ROW;
        for (number, packet) in (way.next..).zip(way.row.chunks_exact_mut(size)) {
            packet[way.head..way.head + NUMBER].copy_from_slice(&number.to_be_bytes());
        }
        match link.send(&way.row, size) {
            Ok(()) => {
                way.next += ROW as u64;
                tally.sent.fetch_add(ROW as u64, Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what has come to the client (0) or to the peer (1).
    fn receive(&mut self, number: usize, end: usize, inbox: &mut Inbox, tally: &Tally) -> Result<()> {
        let way = &mut self.ways[1 - end];
        let mut answers = Vec::new();
        let link = if end == 0 { &mut self.client.link } else { &mut self.peer };
        link.receive(inbox, |packet| {
            if end == 0 && packet.first().is_some_and(|first| first & 0xC0 == 0) {
                answers.push(packet.to_vec());
            } else {
                way.arrived(packet, tally, || format!("flow {number}, {} the client", ["to", "from"][end]));
            }
        })?;
        for answer in answers {
            match self.client.renewed(&answer) {
                Ok(true) => drop(tally.renewals.fetch_add(1, Relaxed)),
                Ok(false) => self.client.renew(self.address)?,
                Err(why) => {
                    tally.spoiled.fetch_add(1, Relaxed);
                    tally.tell(&format!("flow {number}: {why:#}"));
                }
            }
        }
        Ok(())
    }
}

impl Way {
    fn arrived(&mut self, packet: &[u8], tally: &Tally, name: impl Fn() -> String) {
        let Some(number) = self.number(packet) else {
            tally.spoiled.fetch_add(1, Relaxed);
            return tally.tell(&format!("{}: a packet of {} bytes that was never sent", name(), packet.len()));
        };
        tally.arrived.fetch_add(1, Relaxed);
        tally.bytes.fetch_add(PAYLOAD as u64, Relaxed);
        if number < self.expected {
            tally.late.fetch_add(1, Relaxed);
            return;
        }
        if number > self.expected && tally.gaps.fetch_add(1, Relaxed) < TOLD {
            tally.tell(&format!("{}: {} packets missing before number {number}", name(), number - self.expected));
        }
        self.expected = number + 1;
    }

    /// The number of a packet, when every other byte of it is as it must be.
    fn number(&self, packet: &[u8]) -> Option<u64> {
        let (number, rest) = packet.get(self.arriving_head..)?.split_first_chunk::<NUMBER>()?;
        let (head, wanted) = self.arriving.split_at(self.arriving_head);
        let same = packet.starts_with(head) && rest == &wanted[NUMBER..];
        let number = u64::from_be_bytes(*number);
        (same && number < self.next).then_some(number)
    }
}
