//! How long a stream may do nothing useful.

use std::time::Duration;

use crate::clock::Tick;

/// How long the first byte may take.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// How long a frame may take from its first byte to its last.
const FRAME: Duration = Duration::from_secs(10);

/// How long a stream may do without an allocation, whatever is said on it.
const WITHOUT_ALLOCATION: Duration = Duration::from_secs(30);

/// The deadlines of one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// When the stream began, while nothing has come.
    silent_since: Option<Tick>,
    /// When the frame that is not whole yet began.
    waiting_since: Option<Tick>,
    /// When it was last known to have an allocation, or when it began.
    allocated_at: Tick,
}

impl Patience {
    pub(super) const fn new(now: Tick) -> Self {
        Self { silent_since: Some(now), waiting_since: None, allocated_at: now }
    }

    /// Notes that bytes came: how many frames they ended, and whether another one has begun.
    pub(super) fn heard(&mut self, frames: usize, waits: bool, now: Tick) {
        self.silent_since = None;
        let since = self.waiting_since.filter(|_| frames == 0).unwrap_or(now);
        self.waiting_since = waits.then_some(since);
    }

    /// When [`Patience::is_over`] is to be asked next, if not before.
    pub(super) fn ends(&self) -> Tick {
        let allocation = self.allocated_at.plus(WITHOUT_ALLOCATION);
        self.bytes_end().map_or(allocation, |bytes| bytes.min(allocation))
    }

    /// Whether the stream is to be closed. `allocated` tells whether it has an allocation, and is asked only where that matters.
    pub(super) fn is_over(&mut self, now: Tick, allocated: impl FnOnce() -> bool) -> bool {
        if self.bytes_end().is_some_and(|end| end <= now) {
            return true;
        }
        if self.allocated_at.plus(WITHOUT_ALLOCATION) > now {
            return false;
        }
        self.allocated_at = now;
        !allocated()
    }

    fn bytes_end(&self) -> Option<Tick> {
        let silence = self.silent_since.map(|since| since.plus(FIRST_BYTE));
        silence.into_iter().chain(self.waiting_since.map(|since| since.plus(FRAME))).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Tick {
        Tick::from_millis(seconds * 1000)
    }

    #[test]
    fn t25_a_stream_must_begin_within_ten_seconds() {
        let mut patience = Patience::new(at(0));
        assert_eq!(patience.ends(), at(10));
        assert!(!patience.is_over(at(9), || false));
        assert!(patience.is_over(at(10), || true));
    }

    #[test]
    fn t25_a_frame_must_end_within_ten_seconds_however_slowly_it_grows() {
        let mut patience = Patience::new(at(0));
        for second in 3..13 {
            patience.heard(0, true, at(second));
            assert!(!patience.is_over(at(second), || false), "second {second}");
        }
        assert_eq!(patience.ends(), at(13));
        assert!(patience.is_over(at(13), || true));
    }

    #[test]
    fn each_frame_has_its_own_time() {
        let mut patience = Patience::new(at(0));
        patience.heard(0, true, at(5));
        patience.heard(2, true, at(9));
        assert_eq!(patience.ends(), at(19));
        patience.heard(1, false, at(12));
        assert_eq!(patience.ends(), at(30));
    }

    #[test]
    fn t25_without_an_allocation_half_a_minute_is_all_whatever_is_said() {
        let mut patience = Patience::new(at(0));
        for second in 1..30 {
            patience.heard(1, false, at(second));
            assert!(!patience.is_over(at(second), || false));
        }
        assert!(patience.is_over(at(30), || false));
    }

    #[test]
    fn with_an_allocation_a_stream_may_be_silent() {
        let mut patience = Patience::new(at(0));
        patience.heard(1, false, at(1));
        assert!(!patience.is_over(at(30), || true));
        assert_eq!(patience.ends(), at(60));
        assert!(!patience.is_over(at(59), || false));
        assert!(patience.is_over(at(60), || false));
    }
}
