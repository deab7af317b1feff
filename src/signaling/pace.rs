//! How fast one socket may talk: a burst for ICE, a steady rate after it.

use crate::clock::Tick;

/// A token bucket for one connection.
#[derive(Debug)]
pub(super) struct Pace {
    burst: u64,
    refill_ms: u64,
    /// When the bucket will be full again, in milliseconds; in the past when it is full.
    full_at: u64,
}

impl Pace {
    /// For all messages: 200 at once, and 100 in ten seconds after that.
    pub(super) const fn of_messages() -> Self {
        Self { burst: 200, refill_ms: 100, full_at: 0 }
    }

    /// For lines of chat: 20 at once, and 20 in ten seconds after that.
    pub(super) const fn of_chat() -> Self {
        Self { burst: 20, refill_ms: 500, full_at: 0 }
    }

    /// Counts one message. False when it is one too many.
    pub(super) fn allow(&mut self, now: Tick) -> bool {
        let now = now.as_millis();
        let full_at = self.full_at.max(now) + self.refill_ms;
        let allowed = full_at - now <= self.burst * self.refill_ms;
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
        let mut pace = Pace::of_messages();
        let start = Tick::from_millis(5_000);
        assert_eq!((0..1000).filter(|_| pace.allow(start)).count(), 200);
        assert!(!pace.allow(Tick::from_millis(5_099)));
        assert!(pace.allow(Tick::from_millis(5_100)));
        assert_eq!((0..1000).filter(|_| pace.allow(Tick::from_millis(15_100))).count(), 100);
    }
}
