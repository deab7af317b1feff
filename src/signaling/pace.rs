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

    /// For lines of chat: so many at once, and as many in ten seconds after that.
    pub(super) fn of_chat(lines_per_ten_seconds: u32) -> Self {
        let lines = u64::from(lines_per_ten_seconds.max(1));
        Self { burst: lines, refill_ms: (10_000 / lines).max(1), full_at: 0 }
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

    #[test]
    fn w10_chat_has_the_pace_that_is_set() {
        for lines in [1, 3, 20, 1_000_000] {
            let mut pace = Pace::of_chat(lines);
            assert_eq!((0..=lines).filter(|_| pace.allow(Tick::from_millis(1))).count(), lines as usize, "{lines} at once");
            assert!(pace.allow(Tick::from_millis(10_001)), "{lines}: after a rest there is one again");
        }
    }
}
