//! Limits: on answers per source address, in a table that never grows, and on the bytes that an allocation may move.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::credentials::mac;
use crate::clock::Tick;
use crate::ids::Secret;

/// How many buckets there are. Sources that share one share its allowance too: the price of a table that strangers can't grow.
const BUCKETS: usize = 4096;

/// How much unused allowance a [`Bucket`] keeps. Pictures come in bursts: a key frame is many packets at once.
const BURST: Duration = Duration::from_secs(1);

/// Counts answers per source and second. Sources are told apart by address, not by port; IPv6 ones by their /64.
#[derive(Debug)]
pub(super) struct PerSource {
    per_second: u32,
    /// Spreads the sources, so that nobody can choose to share somebody else's bucket.
    key: Secret<[u8; 32]>,
    /// The second counted and the answers given in it.
    buckets: Box<[(u64, u32)]>,
}

impl PerSource {
    pub(super) fn new(per_second: u32, key: [u8; 32]) -> Self {
        Self { per_second, key: Secret::new(key), buckets: vec![(0, 0); BUCKETS].into_boxed_slice() }
    }

    /// Gives so many answers from now on.
    pub(super) const fn set(&mut self, per_second: u32) {
        self.per_second = per_second;
    }

    /// Takes one answer out of the allowance of `source`. False when it is used up for this second.
    pub(super) fn allow(&mut self, source: IpAddr, now: Tick) -> bool {
        let second = now.as_millis() / 1000;
        let bucket = self.bucket(source);
        let (counted, answers) = &mut self.buckets[bucket];
        if *counted != second {
            (*counted, *answers) = (second, 0);
        }
        *answers = answers.saturating_add(1);
        *answers <= self.per_second
    }

    fn bucket(&self, source: IpAddr) -> usize {
        let octets = match network(source) {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let [b0, b1, ..] = mac(self.key.expose(), &[&octets]);
        usize::from(u16::from_be_bytes([b0, b1])) % BUCKETS
    }
}

const SECOND: u64 = 1_000_000_000;

/// A bucket of bytes that any number of threads take from (the generic cell rate algorithm of ATM Forum's TM 4.1): all that it
/// keeps is the time at which it would be full again.
#[derive(Debug)]
pub(super) struct Bucket {
    bytes_per_second: u64,
    /// In nanoseconds of [`Tick`]'s time.
    full_at: AtomicU64,
}

impl Bucket {
    /// A full bucket.
    pub(super) const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, full_at: AtomicU64::new(0) }
    }

    /// Takes `bytes` out. False, and nothing taken, when there are not so many.
    pub(super) fn take(&self, bytes: usize, now: Tick) -> bool {
        const BURST_NANOS: u64 = BURST.as_secs() * SECOND;
        let (now, price) = (nanos(now), self.price(bytes));
        let take = |full_at: u64| Some(full_at.max(now).saturating_add(price)).filter(|later| later - now <= BURST_NANOS);
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Puts `bytes` back that were taken and not used.
    pub(super) fn give_back(&self, bytes: usize) {
        self.full_at.fetch_sub(self.price(bytes), Ordering::Relaxed);
    }

    /// Whether there is as much in it as there can be.
    pub(super) fn is_full(&self, now: Tick) -> bool {
        self.full_at.load(Ordering::Relaxed) <= nanos(now)
    }

    /// How long the bucket takes to fill up by `bytes`, in nanoseconds.
    fn price(&self, bytes: usize) -> u64 {
        (bytes as u64).saturating_mul(SECOND) / self.bytes_per_second.max(1)
    }
}

const fn nanos(tick: Tick) -> u64 {
    tick.as_millis().saturating_mul(1_000_000)
}

/// What counts as one source: an IPv4 address, or an IPv6 /64, of which any subscriber has a whole one.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t22_a_source_gets_its_allowance_each_second_and_no_more() {
        let mut limit = PerSource::new(10, [1; 32]);
        let source: IpAddr = "203.0.113.7".parse().unwrap();
        let now = Tick::from_millis(5_000);
        assert_eq!((0..100).filter(|_| limit.allow(source, now)).count(), 10);
        assert_eq!((0..100).filter(|_| limit.allow(source, now.plus(Duration::from_secs(1)))).count(), 10);
    }

    #[test]
    fn t21_ten_thousand_sources_fit_the_same_table() {
        let mut limit = PerSource::new(1, [1; 32]);
        let allowed = (0..10_000u32).filter(|n| limit.allow(IpAddr::V4((0x0b00_0000 + n).into()), Tick::default())).count();
        assert!(allowed <= BUCKETS, "{allowed} answers from {BUCKETS} buckets");
        assert!(allowed > BUCKETS / 2, "{allowed} answers: sources are not spread over the buckets");
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_source() {
        let mut limit = PerSource::new(1, [1; 32]);
        assert!(limit.allow("2001:db8::1".parse().unwrap(), Tick::default()));
        assert!(!limit.allow("2001:db8::2:3".parse().unwrap(), Tick::default()));
    }
    #[test]
    fn t28_a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Tick::from_millis(1_000);
        let bucket = Bucket::new(1_000);
        assert!(bucket.take(1_000, start), "the burst");
        assert!(!bucket.take(1, start));
        let passed = (1..=5_000).filter(|millis| bucket.take(1, start.plus(Duration::from_millis(*millis)))).count();
        assert_eq!(passed, 5_000, "a byte each millisecond");
        assert!(!bucket.take(2, start.plus(Duration::from_millis(5_001))), "a millisecond later there is one byte");
        assert!(bucket.take(1_000, start.plus(Duration::from_secs(3600))));
        assert!(!bucket.take(1, start.plus(Duration::from_secs(3600))), "an idle hour was saved up");
        assert!(!bucket.take(1, start), "a clock that goes back gives nothing");
        bucket.give_back(1000);
        let hour = start.plus(Duration::from_secs(3600));
        assert!(bucket.is_full(hour) && bucket.take(1000, hour) && !bucket.is_full(hour));
    }
}
