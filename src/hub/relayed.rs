//! What the relay did for somebody while they had a seat, and whether it was the call that it carried.
//!
//! Browsers check the ways through the relay even when the call takes a direct one. What is relayed says nothing by itself, then;
//! only more than those checks come to does.

use std::time::Duration;

use crate::clock::Tick;
use crate::turn::Traffic;

/// How many bytes the checks come to while a call is set up: some 600 checks and answers of about 100 bytes each, when every
/// pair of addresses is tried several times a second.
const SETTING_UP: u64 = 64_000;

/// How many bytes per second they come to from then on. A pair of addresses is checked from both ends every 2.5 seconds, and each
/// check is answered: 160 bytes per second. This is six pairs that are all kept in use, while pairs in reserve are checked far more
/// rarely. One voice alone has more than 4000 bytes per second, in each direction.
const CHECKS_PER_SECOND: u64 = 1000;

/// When a seat was taken, and what had been relayed for its participant before.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeatStart {
    at: Tick,
    bytes: u64,
}

/// What was relayed for a participant while the seat was theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relayed {
    /// Payload bytes of both directions.
    pub(super) bytes: u64,
    /// How long the seat was theirs.
    pub(super) time: Duration,
}

impl SeatStart {
    /// A seat that is taken now, by somebody for whom so much was relayed in seats before.
    pub(super) fn new(moved: Option<Traffic>, at: Tick) -> Self {
        Self { at, bytes: bytes(moved) }
    }

    /// The seat is given up now, and so much was relayed in all.
    pub(super) fn end(self, moved: Option<Traffic>, now: Tick) -> Relayed {
        let all = bytes(moved);
        // The relay may have forgotten meanwhile what was before.
        Relayed { bytes: all.checked_sub(self.bytes).unwrap_or(all), time: now.since(self.at) }
    }
}

impl Relayed {
    /// Whether the call was relayed, for the whole time or a good part of it, rather than only the checks.
    pub(super) const fn is_the_call(self) -> bool {
        self.bytes > SETTING_UP.saturating_add(CHECKS_PER_SECOND.saturating_mul(self.time.as_secs()))
    }
}

fn bytes(moved: Option<Traffic>) -> u64 {
    moved.map_or(0, |moved| moved.bytes_in + moved.bytes_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn is_the_call(bytes: u64, seconds: u64) -> bool {
        Relayed { bytes, time: Duration::from_secs(seconds) }.is_the_call()
    }

    fn moved(bytes_out: u64, bytes_in: u64) -> Option<Traffic> {
        Some(Traffic { bytes_out, bytes_in, ..Traffic::default() })
    }

    #[test]
    fn a_direct_call_is_not_called_relayed_for_its_checks_however_long_it_is() {
        let pair = |seconds: u64| 4 * 100 * seconds * 2 / 5;
        for seconds in [0, 1, 60, HOUR, 8 * HOUR] {
            assert!(!is_the_call(pair(seconds), seconds), "one pair for {seconds} s");
            assert!(!is_the_call(50_000 + 5 * pair(seconds), seconds), "five pairs for {seconds} s, and many at the start");
        }
    }

    #[test]
    fn a_voice_that_is_relayed_is_a_call_after_a_few_seconds() {
        for seconds in [10, 60, HOUR, 8 * HOUR] {
            assert!(is_the_call(2 * 4500 * seconds, seconds), "for {seconds} s");
            // A quarter of the time, once the call is no longer a short one.
            assert!(seconds < 60 || is_the_call(2 * 4500 * seconds / 4, seconds), "a quarter of {seconds} s");
        }
    }

    #[test]
    fn what_was_relayed_in_a_seat_before_is_not_counted_again() {
        let start = SeatStart::new(moved(700_000, 300_000), Tick::default());
        let later = Tick::default().plus(Duration::from_secs(60));
        let expected = |bytes| Relayed { bytes, time: Duration::from_secs(60) };
        assert_eq!(start.end(moved(700_100, 300_050), later), expected(150));
        assert_eq!(start.end(moved(20, 10), later), expected(30), "what was before is forgotten");
        assert_eq!(start.end(None, later), expected(0));
        assert_eq!(SeatStart::new(None, Tick::default()).end(moved(4, 4), later), expected(8));
    }
}
