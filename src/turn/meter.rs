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
}

#[derive(Debug, Default)]
struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    /// A meter for an allocation with a share of its own and a part in its holder's.
    pub(super) fn new(own: Share, holders: Arc<Share>) -> Self {
        let (out, into, throttled, changes) = Default::default();
        Self { own, holders, out, into, throttled, changes }
    }

    /// What the holder has for all of its allocations together.
    pub(super) const fn holders(&self) -> &Arc<Share> {
        &self.holders
    }

    /// Counts packets of `bytes` in all to a peer. False when the allocation or its holder has used its share; then
    /// all of them are dropped.
    pub(super) fn send_out(&self, packets: u64, bytes: usize, now: Tick) -> bool {
        let passes = self.own.outward.take(bytes, now) && self.holders.outward.take(bytes, now);
        self.count(passes, &self.out, packets, bytes)
    }

    /// Counts packets of `bytes` in all from a peer. False when the allocation or its holder has used its share;
    /// then all of them are dropped.
    pub(super) fn take_in(&self, packets: u64, bytes: usize, now: Tick) -> bool {
        let passes = self.own.inward.take(bytes, now) && self.holders.inward.take(bytes, now);
        self.count(passes, &self.into, packets, bytes)
    }

    /// Counts packets that were dropped for another reason than this allocation's own share.
    pub(super) fn throttle(&self, packets: u64) {
        self.throttled.fetch_add(packets, Ordering::Relaxed);
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

    fn count(&self, passes: bool, tally: &Tally, packets: u64, bytes: usize) -> bool {
        if passes {
            tally.packets.fetch_add(packets, Ordering::Relaxed);
            tally.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        } else {
            self.throttle(packets);
        }
        passes
    }
}
