//! A limit on answers per source address, in a table that never grows.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::clock::Tick;

/// How many buckets there are. Sources that share one share its allowance too: the price of a table that strangers can't grow.
const BUCKETS: usize = 4096;

/// Counts answers per source and second. Sources are told apart by address, not by port; IPv6 ones by their /64.
#[derive(Debug)]
pub(super) struct PerSource {
    per_second: u32,
    hasher: RandomState,
    /// The second counted and the answers given in it.
    buckets: Mutex<Box<[(u64, u32)]>>,
}

impl PerSource {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, hasher: RandomState::new(), buckets: Mutex::new(vec![(0, 0); BUCKETS].into_boxed_slice()) }
    }

    /// Takes one answer out of the allowance of `source`. False when it is used up for this second.
    pub(super) fn allow(&self, source: IpAddr, now: Tick) -> bool {
        let bucket = usize::try_from(self.hasher.hash_one(network(source)) % BUCKETS as u64).unwrap_or(0);
        let second = now.as_millis() / 1000;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (counted, answers) = &mut buckets[bucket];
        if *counted != second {
            (*counted, *answers) = (second, 0);
        }
        *answers = answers.saturating_add(1);
        *answers <= self.per_second
    }
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn t22_a_source_gets_its_allowance_each_second_and_no_more() {
        let limit = PerSource::new(10);
        let source: IpAddr = "203.0.113.7".parse().unwrap();
        let now = Tick::from_millis(5_000);
        assert_eq!((0..100).filter(|_| limit.allow(source, now)).count(), 10);
        assert_eq!((0..100).filter(|_| limit.allow(source, now.plus(Duration::from_secs(1)))).count(), 10);
    }

    #[test]
    fn t21_ten_thousand_sources_fit_the_same_table() {
        let limit = PerSource::new(1);
        let allowed = (0..10_000u32).filter(|n| limit.allow(IpAddr::V4((0x0b00_0000 + n).into()), Tick::default())).count();
        assert!(allowed <= BUCKETS, "{allowed} answers from {BUCKETS} buckets");
        assert!(allowed > BUCKETS / 2, "{allowed} answers: sources are not spread over the buckets");
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_source() {
        let limit = PerSource::new(1);
        assert!(limit.allow("2001:db8::1".parse().unwrap(), Tick::default()));
        assert!(!limit.allow("2001:db8::2:3".parse().unwrap(), Tick::default()));
    }
}
