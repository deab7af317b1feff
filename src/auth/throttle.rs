//! How often somebody may try something.
//!
//! The arithmetic (GCRA) is governor's; time and the table of keys are ours: time is passed in as a [`Tick`], and the table is
//! bounded, so that a flood of addresses costs a fixed amount of memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Tick;

/// So many times in so much time. All of them may come at once; after that they come back one by one, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    times: std::num::NonZeroU32,
    within: Duration,
}

impl Rate {
    /// `times` within `within`, for example 30 in a minute.
    ///
    /// # Panics
    /// When either is zero, or one time comes out shorter than a nanosecond.
    pub const fn new(times: u32, within: Duration) -> Self {
        let times = std::num::NonZeroU32::new(times).expect("a rate allows at least one");
        assert!(within.as_nanos() >= times.get() as u128, "a rate has a period");
        Self { times, within }
    }

    fn quota(self) -> Quota {
        Quota::with_period(self.within / self.times.get()).expect("Rate::new refuses empty periods").allow_burst(self.times)
    }
}

/// Too often. Come back after this long, rounded up to whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many attempts. Try again in {} seconds.", self.seconds())]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// Whole seconds, rounded up, as the `Retry-After` header has them (RFC 9110 §10.2.3).
    pub fn seconds(self) -> u64 {
        self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)
    }
}

/// One client's network: an IPv4 address, or an IPv6 /64, of which a single client has all addresses to itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNet(IpAddr);

impl From<IpAddr> for ClientNet {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        })
    }
}

/// Limits how often each key may do something.
pub struct Throttle<K: Clone + Eq + Hash> {
    limiter: RateLimiter<K, Table<K>, Present, NoOpMiddleware<Duration>>,
    table: Table<K>,
    present: Present,
    capacity: usize,
    per_time: Nanos,
}

impl<K: Clone + Eq + Hash> Throttle<K> {
    /// Allows each key `rate`, and remembers at most `capacity` keys: when more come, those that have used the least are forgotten.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        let (table, present) = (Table::default(), Present::default());
        let limiter = RateLimiter::new(rate.quota(), table.clone(), present.clone());
        Self { limiter, table, present, capacity: capacity.max(4), per_time: rate.quota().replenish_interval().into() }
    }

    /// Counts one time for `key`.
    ///
    /// # Errors
    /// When the key has had its share; nothing is counted then.
    pub fn check(&self, key: &K, now: Tick) -> Result<(), RetryAfter> {
        self.present.advance(now);
        self.make_room(key);
        self.limiter.check_key(key).map_err(|refusal| {
            let nanos = refusal.wait_time_from(self.present.now()).as_nanos();
            RetryAfter(Duration::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX)))
        })
    }

    /// Gives one time back to `key`, when what was counted turned out not to count.
    pub fn refund(&self, key: &K) {
        if let Some(used_up_until) = self.table.lock().get_mut(key) {
            *used_up_until = used_up_until.saturating_sub(self.per_time);
        }
    }

    fn make_room(&self, newcomer: &K) {
        if self.table.len() < self.capacity || self.table.lock().contains_key(newcomer) {
            return;
        }
        self.limiter.retain_recent();
        // A quarter is freed at least, so that a flood of new keys pays for the sweep only every so often.
        self.table.keep_busiest(self.capacity / 4 * 3);
    }
}

/// The latest time that anybody passed in, as governor's clock. It never goes back.
#[derive(Clone, Debug, Default)]
struct Present(Arc<AtomicU64>);

impl Present {
    fn advance(&self, now: Tick) {
        self.0.fetch_max(now.as_millis(), Ordering::Relaxed);
    }
}

impl Clock for Present {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// For each key the time until which it has used up its share (the "theoretical arrival time" of GCRA).
#[derive(Debug)]
struct Table<K>(Arc<Mutex<HashMap<K, Nanos>>>);

impl<K> Table<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Nanos>> {
        // Nothing is left half done when a holder panics: every change is a single insertion.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    fn keep_busiest(&self, count: usize) {
        let mut map = self.lock();
        if map.len() <= count {
            return;
        }
        let excess = map.len() - count;
        let mut order: Vec<(Nanos, K)> = map.iter().map(|(key, until)| (*until, key.clone())).collect();
        order.select_nth_unstable_by_key(excess - 1, |(until, _)| *until);
        for (_, key) in order.drain(..excess) {
            map.remove(&key);
        }
    }
}

impl<K> Clone for Table<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> StateStore for Table<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut map = self.lock();
        let (outcome, used_up_until) = decide(map.get(key).copied())?;
        map.insert(key.clone(), used_up_until);
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<K> for Table<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().retain(|_, used_up_until| *used_up_until > drop_below);
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Tick {
        Tick::from_millis(seconds * 1000)
    }

    #[test]
    fn a_burst_is_allowed_and_comes_back_evenly() {
        let throttle = Throttle::new(Rate::new(3, MINUTE), 100);
        for _ in 0..3 {
            assert_eq!(throttle.check(&"a", at(5)), Ok(()));
        }
        assert_eq!(throttle.check(&"a", at(5)), Err(RetryAfter(Duration::from_secs(20))));
        assert_eq!(throttle.check(&"a", at(15)).unwrap_err().seconds(), 10);
        assert_eq!(throttle.check(&"b", at(15)), Ok(()), "another key is another matter");
        assert_eq!(throttle.check(&"a", at(25)), Ok(()));
        assert!(throttle.check(&"a", at(25)).is_err());
        for _ in 0..3 {
            assert_eq!(throttle.check(&"a", at(600)), Ok(()), "after a rest all are there again");
        }
    }

    #[test]
    fn waiting_as_long_as_told_is_enough() {
        let throttle = Throttle::new(Rate::new(7, MINUTE), 100);
        let mut now = at(0);
        for _ in 0..50 {
            if let Err(RetryAfter(wait)) = throttle.check(&(), now) {
                now = now.plus(wait);
                assert_eq!(throttle.check(&(), now), Ok(()));
            }
        }
        assert!(now.as_millis() > 0, "the limit was never reached");
    }

    #[test]
    fn a_refund_gives_back_exactly_one() {
        let throttle = Throttle::new(Rate::new(2, MINUTE), 100);
        throttle.check(&"a", at(0)).unwrap();
        throttle.check(&"a", at(0)).unwrap();
        throttle.refund(&"a");
        throttle.refund(&"nobody");
        assert_eq!(throttle.check(&"a", at(0)), Ok(()));
        assert!(throttle.check(&"a", at(0)).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_neither_frees_nor_panics() {
        let throttle = Throttle::new(Rate::new(1, MINUTE), 100);
        throttle.check(&"a", at(100)).unwrap();
        assert!(throttle.check(&"a", at(1)).is_err());
        assert_eq!(throttle.check(&"a", at(160)), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_stays_within_the_capacity_and_forgets_no_offender() {
        let throttle = Throttle::new(Rate::new(5, MINUTE), 1000);
        while throttle.check(&0, at(1)).is_ok() {}
        for key in 1..100_000_u32 {
            throttle.check(&key, at(1)).unwrap();
            assert!(throttle.table.len() <= 1000);
        }
        assert!(throttle.check(&0, at(1)).is_err(), "the flood washed the offender out");
    }

    #[test]
    fn keys_at_rest_are_forgotten_first() {
        let throttle = Throttle::new(Rate::new(5, MINUTE), 8);
        for key in 0..8 {
            throttle.check(&key, at(0)).unwrap();
        }
        throttle.check(&8, at(600)).unwrap();
        assert_eq!(throttle.table.len(), 1);
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        let net = |text: &str| ClientNet::from(text.parse::<IpAddr>().unwrap());
        assert!(net("2001:db8:1:2::1") == net("2001:db8:1:2:ffff::9"));
        assert!(net("2001:db8:1:2::1") != net("2001:db8:1:3::1"));
        assert!(net("192.0.2.1") != net("192.0.2.2"));
        assert!(net("::ffff:192.0.2.1") == net("192.0.2.1"));
    }
}
