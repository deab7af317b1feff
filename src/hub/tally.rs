//! What rooms have done since the program started, in sums that name nobody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Up to how many seconds each class of durations reaches; the last class has no end.
pub const DURATION_CLASSES: [u64; 8] = [60, 300, 900, 1800, 3600, 7200, 14_400, 28_800];

/// Sums since the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How often somebody entered a meeting in which nobody was.
    pub meetings_started: u64,
    /// How long meetings lasted that are over or empty, each from the first to the last person in it.
    pub durations: Durations,
    /// How often somebody took a new seat; coming back to one doesn't count.
    pub joined: u64,
    /// Seats given up whose call the relay did not carry.
    pub left_direct: u64,
    /// Seats given up whose call the relay carried, for the whole time or a good part of it.
    pub left_relayed: u64,
    /// How often a page told that a connection to somebody stands for the first time.
    pub connected: u64,
    /// How often a page told that it failed.
    pub failed: u64,
}

/// Durations, sorted into classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many there are in each class of [`DURATION_CLASSES`] and in no class before it, and in the one without an end.
    pub counts: [u64; DURATION_CLASSES.len() + 1],
    /// All of them together, in seconds.
    pub seconds: u64,
}

impl Durations {
    /// Adds one.
    pub fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs();
        let class = DURATION_CLASSES.iter().position(|most| seconds <= *most).unwrap_or(DURATION_CLASSES.len());
        self.counts[class] += 1;
        self.seconds += seconds;
    }
}

/// How a connection between two people turned out, as a page tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionOutcome {
    /// It stands.
    Connected,
    /// It never stood, and the page has told its person so.
    Failed,
}

/// The totals, where all rooms can add to them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    totals: Mutex<Totals>,
}

impl Tally {
    pub(super) fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_class_that_holds_it() {
        let mut durations = Durations::default();
        for seconds in [0, 60, 61, 28_800, 28_801, 1_000_000] {
            durations.add(Duration::from_secs(seconds));
        }
        assert_eq!(durations, Durations { counts: [2, 1, 0, 0, 0, 0, 0, 1, 2], seconds: 1_057_722 });
    }
}
