//! What an allocation may move and has moved. Every thread that relays for it counts here, and none of them waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::counters::Traffic;
use super::rate::Bucket;
use crate::clock::Tick;

/// The shares and the tallies of one allocation, and the word by which everybody learns that its ways have changed.
#[derive(Debug)]
pub(super) struct Meter {
    own: Share,
    /// What its holder has for all of its allocations together.
    holders: Arc<Share>,
    out: Tally,
    into: Tally,
    throttled: AtomicU64,
    changes: AtomicU32,
}

/// How much may go each way.
#[derive(Debug)]
pub(super) struct Share {
    outward: Bucket,
    inward: Bucket,
}

impl Share {
    /// So many bytes per second in each direction.
    pub(super) const fn new(bytes_per_second: u64) -> Self {
        Self { outward: Bucket::new(bytes_per_second), inward: Bucket::new(bytes_per_second) }
    }

    /// Whether nothing of it is used.
    pub(super) fn is_whole(&self, now: Tick) -> bool {
        self.outward.is_full(now) && self.inward.is_full(now)
    }
}

#[derive(Debug, Default)]
struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// Those whose shares packets are charged to: the allocation that sends to its peer, the line that all share, and the allocation
/// whose peer is heard. Each may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge<'a> {
    pub(super) sender: Option<&'a Meter>,
    pub(super) line: Option<&'a Bucket>,
    pub(super) receiver: Option<&'a Meter>,
}

impl Charge<'_> {
    /// Takes `bytes` from all shares and counts the packets. False, and nothing taken, when one of them has not so many; who is at
    /// fault is then told to have been throttled, if `drops` says that the packets are lost by it.
    pub(super) fn take(self, packets: u64, bytes: usize, now: Tick, drops: bool) -> bool {
        let Self { sender, line, receiver } = self;
        let outward = sender.map(|meter| [&meter.own.outward, &meter.holders.outward]);
        let inward = receiver.map(|meter| [&meter.own.inward, &meter.holders.inward]);
        let buckets = || outward.into_iter().flatten().chain(line).chain(inward.into_iter().flatten());
        let taken = buckets().take_while(|bucket| bucket.take(bytes, now)).count();
        if taken < buckets().count() {
            buckets().take(taken).for_each(|bucket| bucket.give_back(bytes));
            let of_sender = taken < outward.map_or(0, |buckets| buckets.len()) + usize::from(line.is_some());
            let fault = if of_sender { sender.or(receiver) } else { receiver };
            if let Some(meter) = fault.filter(|_| drops) {
                meter.throttled.fetch_add(packets, Ordering::Relaxed);
            }
            return false;
        }
        sender.into_iter().for_each(|meter| meter.out.add(packets, bytes));
        receiver.into_iter().for_each(|meter| meter.into.add(packets, bytes));
        true
    }
}

impl Meter {
    /// A meter for an allocation with a share of its own and a part in its holder's.
    pub(super) fn new(own: Share, holders: Arc<Share>) -> Self {
        let (out, into, throttled, changes) = Default::default();
        Self { own, holders, out, into, throttled, changes }
    }

    /// What has been moved so far.
    pub(super) fn traffic(&self) -> Traffic {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            packets_out: read(&self.out.packets),
            bytes_out: read(&self.out.bytes),
            packets_in: read(&self.into.packets),
            bytes_in: read(&self.into.bytes),
            throttled: read(&self.throttled),
        }
    }

    /// Tells everybody who knows a way through this allocation to ask for it again.
    pub(super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How often the ways have changed.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }
}

impl Tally {
    fn add(&self, packets: u64, bytes: usize) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
