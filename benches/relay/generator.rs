//! The traffic: as much as the server carries, or at a pace.

use std::time::Duration;

use anyhow::Result;

use crate::clock::{in_nanos, nanos};
use crate::datagrams::Inbox;
use crate::pair::{End, Pair, ROW};
use crate::process::cpu_nanos;
use crate::readiness::Readiness;

/// Packets of a saturated flow that have not arrived after this long are lost.
const GIVE_UP: u64 = 5_000_000;
/// How long what is still under way may take after the last packet was sent.
const DRAIN: Duration = Duration::from_millis(200);
/// A pace that has fallen behind by more than this drops what it owes instead of sending it all at once.
const LATEST: u64 = 1_000_000;

/// How the packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Every flow keeps its window full, both ways.
    Saturated(Saturation),
    /// This many packets in a second are relayed in all: one end sends one after the other, evenly, and the other answers.
    Paced { per_second: u64 },
}

/// How the packets of saturated traffic come. Both numbers are shared out evenly among the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturation {
    /// How many packets go out one way before the next pair has its turn: with few pairs they come in rows, as the packets of a
    /// picture do, and with many pairs singly.
    pub around: usize,
    /// How many packets may be under way in each direction.
    pub window: usize,
}

/// How long, and before that how long without counting.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Packets that arrived while it was measured. One that crosses two allocations counts once.
    pub relayed: u64,
    /// How long that was, in nanoseconds.
    pub elapsed: u64,
    /// The server's own time on processors meanwhile, in nanoseconds.
    pub cpu: u64,
    /// From the very first packet to the last.
    pub sent: u64,
    /// Of those.
    pub arrived: u64,
    /// There and back, in nanoseconds, sorted. Paced traffic only.
    pub round_trips: Vec<u64>,
}

/// Sends through `pairs` and measures the server with this process id.
pub fn run(pairs: &mut [Pair], load: Load, span: Span, server: u32) -> Result<Outcome> {
    let mut traffic = Traffic::new(pairs, load)?;
    let begun = nanos();
    traffic.until(begun + in_nanos(span.warm_up))?;
    traffic.round_trips.clear();
    let (at, cpu, arrived) = (nanos(), cpu_nanos(server)?, traffic.arrived());
    traffic.until(at + in_nanos(span.measured))?;
    let (elapsed, cpu, relayed) = (nanos() - at, cpu_nanos(server)? - cpu, traffic.arrived() - arrived);
    traffic.drain()?;
    let (sent, arrived) = (traffic.sent(), traffic.arrived());
    let mut round_trips = traffic.round_trips;
    round_trips.sort_unstable();
    Ok(Outcome { relayed, elapsed, cpu, sent, arrived, round_trips })
}

/// Traffic that flows for as long as it is driven.
pub struct Traffic<'a> {
    pairs: &'a mut [Pair],
    load: Load,
    readiness: Readiness,
    inbox: Inbox,
    round_trips: Vec<u64>,
    /// Of paced traffic: when the next packet is due, and whose turn it is.
    due: u64,
    turn: usize,
}

impl<'a> Traffic<'a> {
    pub fn new(pairs: &'a mut [Pair], load: Load) -> Result<Self> {
        let readiness = Readiness::new()?;
        for (number, end) in pairs.iter().flat_map(|pair| &pair.ends).enumerate() {
            readiness.add(&end.link, number)?;
        }
        Ok(Self { pairs, load, readiness, inbox: Inbox::new(), round_trips: Vec::new(), due: nanos(), turn: 0 })
    }

    /// Sends what is due and takes what has come. Never waits: the process that is measured must not pay for waking this one.
    pub fn step(&mut self) -> Result<()> {
        let now = nanos();
        match self.load {
            Load::Saturated(saturation) => self.fill(saturation, now)?,
            Load::Paced { per_second } => self.keep_pace(per_second, now)?,
        }
        self.collect(Duration::ZERO)
    }

    /// Drives it until this time.
    pub fn until(&mut self, end: u64) -> Result<()> {
        while nanos() < end {
            self.step()?;
        }
        Ok(())
    }

    fn fill(&mut self, saturation: Saturation, now: u64) -> Result<()> {
        let row = (saturation.around / self.pairs.len()).clamp(1, ROW);
        let window = (saturation.window / self.pairs.len()).max(row) as u64;
        self.pairs.iter_mut().try_for_each(|pair| {
            pair.offer(0, row, window, now)?;
            pair.offer(1, row, window, now)
        })
    }

    fn keep_pace(&mut self, per_second: u64, now: u64) -> Result<()> {
        if now < self.due {
            return Ok(());
        }
        // The answers are the other half.
        let interval = 2_000_000_000 / per_second;
        self.due = if now - self.due > LATEST { now + interval } else { self.due + interval };
        self.turn = (self.turn + 1) % self.pairs.len();
        let end = &mut self.pairs[self.turn].ends[0];
        let stamp = end.packet.len() - 8;
        end.packet[stamp..].copy_from_slice(&now.to_be_bytes());
        let End { link, packet, sent, .. } = end;
        *sent += u64::from(sent_whole(link.send(packet, packet.len()))?);
        Ok(())
    }

    /// Reads what has come, and answers it where the traffic is paced.
    fn collect(&mut self, patience: Duration) -> Result<()> {
        let now = nanos();
        for number in self.readiness.wait(Some(patience))? {
            let Pair { ends } = &mut self.pairs[number / 2];
            let [one, other] = ends;
            let (end, from) = if number % 2 == 0 { (one, other) } else { (other, one) };
            let before = end.received;
            let echo = matches!(self.load, Load::Paced { .. }).then_some(number % 2 == 1);
            let mut echoes = Vec::new();
            end.link.receive(&mut self.inbox, |packet| {
                end.received += 1;
                match echo {
                    None => {}
                    Some(true) => echoes.push(packet.to_vec()),
                    Some(false) => self.round_trips.push(since_stamp(packet)),
                }
            })?;
            if end.received > before {
                from.moved_at = now;
            }
            for packet in echoes {
                end.sent += u64::from(sent_whole(end.link.send(&packet, packet.len()))?);
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        let end = nanos() + in_nanos(DRAIN);
        while nanos() < end {
            self.collect(Duration::from_millis(1))?;
        }
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.pairs.iter().flat_map(|pair| &pair.ends).map(|end| end.sent).sum()
    }

    fn arrived(&self) -> u64 {
        self.pairs.iter().flat_map(|pair| &pair.ends).map(|end| end.received).sum()
    }
}

impl Pair {
    /// Sends a row from one end, when the window has room for it.
    fn offer(&mut self, from: usize, row: usize, window: u64, now: u64) -> Result<()> {
        let received = self.ends[1 - from].received;
        let end = &mut self.ends[from];
        let mut under_way = end.sent.saturating_sub(received + end.given_up);
        if under_way > 0 && now.saturating_sub(end.moved_at) > GIVE_UP {
            end.given_up += under_way;
            under_way = 0;
        }
        let row_packets = row as u64;
        if under_way + row_packets > window {
            return Ok(());
        }
        let size = end.packet.len();
        if sent_whole(end.link.send(&end.row[..row * size], size))? {
            end.sent += row_packets;
            end.moved_at = now;
        }
        Ok(())
    }
}

/// Whether everything was sent: a full socket is no error of the benchmark's.
fn sent_whole(sending: std::io::Result<()>) -> Result<bool> {
    match sending {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How long ago the packet left, by the time that its last bytes hold.
fn since_stamp(packet: &[u8]) -> u64 {
    packet.last_chunk().map_or(0, |stamp| nanos().saturating_sub(u64::from_be_bytes(*stamp)))
}
