//! How many lines a second are written.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::Level;

use crate::clock::Tick;

/// Lets as many lines through as it has tokens; it gets so many a second and keeps at most those of one second. The last quarter of
/// them is for warnings and errors, so that a flood of something harmless doesn't hide what matters.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u64,
    tokens: Mutex<Tokens>,
    left_out: AtomicU64,
}

#[derive(Debug)]
struct Tokens {
    /// In thousandths.
    millis: u64,
    at: Tick,
}

const ONE: u64 = 1000;

impl Pace {
    pub(super) fn new(per_second: NonZeroU32, now: Tick) -> Self {
        let per_second = u64::from(per_second.get());
        let tokens = Mutex::new(Tokens { millis: per_second * ONE, at: now });
        Self { per_second, tokens, left_out: AtomicU64::new(0) }
    }

    /// Whether a line of this level may be written now. One that may not is counted.
    pub(super) fn admit(&self, level: Level, now: Tick) -> bool {
        let most = self.per_second * ONE;
        let reserve = if level <= Level::WARN { 0 } else { most / 4 };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // A token a millisecond for each thousand a second.
        let earned = u64::try_from(now.since(tokens.at).as_millis()).unwrap_or(u64::MAX).saturating_mul(self.per_second);
        tokens.millis = tokens.millis.saturating_add(earned).min(most);
        tokens.at = tokens.at.max(now);
        let admitted = tokens.millis >= reserve + ONE;
        if admitted {
            tokens.millis -= ONE;
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// How many lines were left out since the start.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admitted(pace: &Pace, level: Level, lines: usize, now: Tick) -> usize {
        (0..lines).filter(|_| pace.admit(level, now)).count()
    }

    #[test]
    fn d9_a_flood_gets_no_more_lines_than_the_limit_allows() {
        let mut now = Tick::default();
        let pace = Pace::new(NonZeroU32::new(100).unwrap(), now);
        let mut written = 0;
        for _ in 0..600 {
            written += admitted(&pace, Level::INFO, 1000, now);
            now = now.plus(Duration::from_millis(100));
        }
        assert!((5990..=6100).contains(&written), "{written} lines in a minute");
        assert_eq!(pace.left_out(), 600_000 - written as u64);
    }

    #[test]
    fn d9_a_flood_of_harmless_lines_leaves_room_for_warnings() {
        let now = Tick::default();
        let pace = Pace::new(NonZeroU32::new(100).unwrap(), now);
        assert_eq!(admitted(&pace, Level::DEBUG, 1000, now), 75);
        assert_eq!(admitted(&pace, Level::ERROR, 1000, now), 25);
    }

    #[test]
    fn the_smallest_limit_lets_something_through() {
        let now = Tick::default();
        let pace = Pace::new(NonZeroU32::MIN, now);
        assert_eq!(admitted(&pace, Level::ERROR, 5, now), 1);
        assert_eq!(admitted(&pace, Level::ERROR, 5, now.plus(Duration::from_secs(3))), 1);
    }
}
