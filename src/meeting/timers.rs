//! What a room waits for, ordered by time.

use std::collections::BTreeSet;

use super::event::Timer;
use crate::clock::Tick;

/// The running timers; each [`Timer`] runs at most once. The one place that knows when something is due: seats don't.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Tick, Timer)>);

impl Timers {
    /// Starts `timer`, or moves it when it runs already.
    pub(super) fn set(&mut self, timer: Timer, at: Tick) {
        self.cancel(timer);
        self.0.insert((at, timer));
    }

    /// Stops `timer` if it runs.
    pub(super) fn cancel(&mut self, timer: Timer) {
        // A room has at most two per seat and fifty seats, so looking through all of them costs nothing worth an index.
        self.0.retain(|(_, running)| *running != timer);
    }

    /// Stops all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// When `timer` runs out; `None` when it doesn't run.
    pub(super) fn due_at(&self, timer: Timer) -> Option<Tick> {
        self.0.iter().find(|(_, running)| *running == timer).map(|(at, _)| *at)
    }

    /// The one that runs out first.
    pub(super) fn next(&self) -> Option<(Tick, Timer)> {
        self.0.first().copied()
    }

    /// Takes out the first one that has run out by `now`.
    pub(super) fn pop_due(&mut self, now: Tick) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_out_in_order_of_time_and_each_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Empty, Tick::from_millis(20));
        timers.set(Timer::Settle, Tick::from_millis(10));
        timers.set(Timer::Empty, Tick::from_millis(15));
        assert_eq!(timers.pop_due(Tick::from_millis(9)), None);
        assert_eq!(timers.pop_due(Tick::from_millis(30)), Some(Timer::Settle));
        assert_eq!(timers.pop_due(Tick::from_millis(30)), Some(Timer::Empty));
        assert_eq!(timers.pop_due(Tick::from_millis(30)), None);
    }

    #[test]
    fn a_cancelled_timer_does_not_run_out() {
        let mut timers = Timers::default();
        timers.set(Timer::Empty, Tick::from_millis(20));
        timers.cancel(Timer::Empty);
        assert_eq!((timers.next(), timers.due_at(Timer::Empty)), (None, None));
    }
}
