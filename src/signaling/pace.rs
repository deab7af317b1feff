//! How fast one socket may talk: a burst for ICE, a steady rate after it.

use crate::clock::Tick;

/// Messages that may come at once.
const BURST: u64 = 200;
/// A message is earned back in so many milliseconds: 100 in ten seconds.
const REFILL_MS: u64 = 100;

/// A token bucket for one connection.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the bucket will be full again, in milliseconds; in the past when it is full.
    full_at: u64,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { full_at: 0 }
    }

    /// Counts one message. False when it is one too many.
    pub(super) fn allow(&mut self, now: Tick) -> bool {
        let now = now.as_millis();
        let full_at = self.full_at.max(now) + REFILL_MS;
        let allowed = full_at - now <= BURST * REFILL_MS;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w10_a_burst_passes_a_flood_does_not_and_patience_is_rewarded() {
        let mut pace = Pace::new();
        let start = Tick::from_millis(5_000);
        assert_eq!((0..1000).filter(|_| pace.allow(start)).count(), 200);
        assert!(!pace.allow(Tick::from_millis(5_099)));
        assert!(pace.allow(Tick::from_millis(5_100)));
        assert_eq!((0..1000).filter(|_| pace.allow(Tick::from_millis(15_100))).count(), 100);
    }
}
