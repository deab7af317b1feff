//! When a certificate is renewed, how long to wait after a failure, and when to warn.
//!
//! These are decisions only: the time and chance are passed in. What a certificate says is compared with the wall clock; waiting is
//! counted by the monotonic one. So a clock that jumps forward leads to one attempt and then to the usual pauses, and one that
//! jumps back to none.

use std::time::Duration;

use super::Identity;
use crate::clock::{Now, Tick, Timestamp};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = HOUR.saturating_mul(24);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = DAY;
/// How long it may take until a jump of the clock is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// No two attempts follow each other faster, whatever the life of the certificate.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What a certificate says of its own life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The first moment at which it is good.
    pub(super) not_before: Timestamp,
    /// The last moment at which it is good.
    pub(super) not_after: Timestamp,
}

impl Life {
    /// The life of this certificate.
    pub(super) fn of(identity: &Identity) -> Self {
        Self { not_before: identity.not_before(), not_after: identity.not_after() }
    }

    fn length(self) -> Duration {
        self.not_after.since(self.not_before)
    }

    fn left(self, now: Timestamp) -> Duration {
        self.not_after.since(now)
    }

    /// Whether less than a third is left.
    pub(super) fn is_ending(self, now: Timestamp) -> bool {
        self.left(now) <= self.length() / 3
    }

    /// Whether the clock says that it was not good yet, by more than clocks usually differ.
    pub(super) fn is_ahead_of(self, now: Timestamp) -> bool {
        self.not_before.since(now) > HOUR
    }

    /// A little before two thirds have passed, so that what goes well warns nobody.
    fn renews_at(self, chance: Chance) -> Timestamp {
        let length = self.length();
        self.not_before.plus(length * 2 / 3 - (length / 30).mul_f64(chance.0))
    }
}

/// A number from 0 to 1, drawn anew for each decision, so that the servers of the world don't all come at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(f64);

impl Chance {
    /// No moving about.
    pub(super) const NONE: Self = Self(0.0);

    /// Out of two random bytes.
    pub(super) fn new(bytes: [u8; 2]) -> Self {
        Self(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
    }

    /// The number.
    pub(super) fn fraction(self) -> f64 {
        self.0
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Fetch or make a certificate, then report how that went.
    Renew,
    /// Wait so long and ask again.
    Wait(Duration),
}

/// The life of one certificate after the other.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The first pause after a failure.
    retry: Duration,
    life: Option<Life>,
    renews_at: Option<Timestamp>,
    /// In a row.
    failures: u32,
    /// Nothing is tried before.
    earliest: Tick,
    warned: Option<Tick>,
}

impl Schedule {
    /// A schedule without a certificate, which wants one at once. After a first failure it waits about as long as `retry`, then
    /// twice that, and so on up to a day.
    pub(super) fn new(retry: Duration) -> Self {
        Self { retry, life: None, renews_at: None, failures: 0, earliest: Tick::default(), warned: None }
    }

    /// There is a certificate from earlier.
    pub(super) fn found(&mut self, life: Life, chance: Chance) {
        self.life = Some(life);
        self.renews_at = Some(life.renews_at(chance));
    }

    /// There is a new certificate.
    pub(super) fn obtained(&mut self, life: Life, now: Now, chance: Chance) {
        self.found(life, chance);
        self.failures = 0;
        self.warned = None;
        // Who hands out certificates that want to be renewed at once is not asked at once.
        let pause = (life.length() / 10).clamp(SHORTEST_PAUSE, DAY);
        self.earliest = now.tick.plus(pause);
    }

    /// The authority would like to see the renewal in this time (RFC 9773 §4.2). A time that makes no sense is passed over.
    pub(super) fn suggested(&mut self, from: Timestamp, until: Timestamp, chance: Chance) {
        let Some(life) = self.life.filter(|_| from < until) else { return };
        let chosen = from.plus(until.since(from).mul_f64(chance.0));
        let last = life.not_before.plus(life.length() * 9 / 10);
        self.renews_at = Some(chosen.min(last));
    }

    /// There is no new certificate.
    pub(super) fn failed(&mut self, now: Now, chance: Chance) {
        self.failures = self.failures.saturating_add(1);
        let pause = self.pause(now.wall).mul_f64(0.75 + chance.0 / 2.0);
        self.earliest = now.tick.plus(pause.max(SHORTEST_PAUSE));
    }

    fn pause(&self, now: Timestamp) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = self.retry.saturating_mul(1 << doublings).min(LONGEST_PAUSE.max(self.retry));
        let Some(life) = self.life else { return pause };
        // Several attempts must fit into what is left. When nothing is, the length tells what "soon" means.
        let left = Some(life.left(now)).filter(|left| !left.is_zero()).unwrap_or_else(|| life.length());
        let least = (life.length() / 200).min(self.retry).max(SHORTEST_PAUSE);
        pause.min((left / 4).max(least))
    }

    /// What to do now.
    pub(super) fn step(&self, now: Now) -> Step {
        let until_due = self.renews_at.map_or(Duration::ZERO, |time| time.since(now.wall));
        let wait = until_due.max(self.earliest.since(now.tick));
        if wait.is_zero() { Step::Renew } else { Step::Wait(wait.min(LONGEST_WAIT)) }
    }

    /// When the next attempt is due, by the wall clock.
    pub(super) fn next_attempt(&self, now: Now) -> Timestamp {
        let allowed = now.wall.plus(self.earliest.since(now.tick));
        self.renews_at.unwrap_or(allowed).max(allowed)
    }

    /// Whether less than a third of the certificate's life is left and the next one should have been there by now.
    pub(super) fn expires_soon(&self, now: Timestamp) -> bool {
        self.life.is_some_and(|life| life.is_ending(now)) && self.renews_at.is_some_and(|time| time <= now)
    }

    /// Whether to warn of that in the log: when it begins and then every day, more often in a short life.
    pub(super) fn warns(&mut self, now: Now) -> bool {
        let Some(life) = self.life.filter(|_| self.expires_soon(now.wall)) else {
            self.warned = None;
            return false;
        };
        let pause = (life.length() / 10).clamp(SHORTEST_PAUSE, DAY);
        let due = self.warned.is_none_or(|warned| now.tick.since(warned) >= pause);
        if due {
            self.warned = Some(now.tick);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Duration = HOUR;
    const START: u64 = 1_800_000_000_000;
    const NEVER_EARLY: Chance = Chance::NONE;
    const EVEN: Chance = Chance(0.5);

    /// Both clocks, which go together until a test sets the wall clock.
    #[derive(Clone, Copy)]
    struct Clock(Now);

    impl Clock {
        fn new() -> Self {
            Self(Now { tick: Tick::from_millis(0), wall: Timestamp::from_millis(START) })
        }

        fn pass(&mut self, time: Duration) {
            self.0 = Now { tick: self.0.tick.plus(time), wall: self.0.wall.plus(time) };
        }

        fn since_start(self) -> Duration {
            self.0.wall.since(Timestamp::from_millis(START))
        }
    }

    fn life(length: Duration) -> Life {
        let not_before = Timestamp::from_millis(START);
        Life { not_before, not_after: not_before.plus(length) }
    }

    fn with_certificate(length: Duration) -> (Schedule, Clock) {
        let (mut schedule, clock) = (Schedule::new(RETRY), Clock::new());
        schedule.obtained(life(length), clock.0, NEVER_EARLY);
        (schedule, clock)
    }

    /// Waits until an attempt is due, or until `patience` has passed.
    fn until_due(schedule: &Schedule, clock: &mut Clock, patience: Duration) -> bool {
        let end = clock.0.tick.plus(patience);
        while clock.0.tick < end {
            match schedule.step(clock.0) {
                Step::Renew => return true,
                Step::Wait(time) => {
                    assert!(!time.is_zero() && time <= LONGEST_WAIT, "{time:?}");
                    clock.pass(time);
                }
            }
        }
        false
    }

    /// The pauses between failures, one after the other, until the certificate has expired.
    fn pauses_until_expiry(length: Duration) -> Vec<Duration> {
        let (mut schedule, mut clock) = with_certificate(length);
        assert!(until_due(&schedule, &mut clock, length));
        let mut pauses = Vec::new();
        while clock.since_start() < length {
            schedule.failed(clock.0, EVEN);
            let begun = clock.0.tick;
            assert!(until_due(&schedule, &mut clock, DAY * 2));
            pauses.push(clock.0.tick.since(begun));
        }
        pauses
    }

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_life_have_passed() {
        for length in [DAY * 90, DAY * 45, DAY * 6, HOUR, Duration::from_secs(60)] {
            let (schedule, mut clock) = with_certificate(length);
            assert!(until_due(&schedule, &mut clock, length));
            assert_eq!(clock.since_start(), length * 2 / 3, "{length:?}");
            let mut early = schedule;
            early.found(life(length), Chance(1.0));
            assert_eq!(early.next_attempt(clock.0), clock.0.wall);
            let moved = early.renews_at.unwrap().since(Timestamp::from_millis(START));
            assert!(moved >= length * 6 / 10 && moved < length * 2 / 3, "{length:?}: {moved:?}");
        }
    }

    #[test]
    fn without_a_certificate_one_is_wanted_at_once_and_then_ever_more_rarely() {
        let (mut schedule, mut clock) = (Schedule::new(RETRY), Clock::new());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(schedule.step(clock.0), Step::Renew);
            schedule.failed(clock.0, EVEN);
            let begun = clock.0.tick;
            assert!(until_due(&schedule, &mut clock, DAY * 2));
            pauses.push(clock.0.tick.since(begun).as_secs() / HOUR.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 24, 24, 24]);
    }

    #[test]
    fn r25_pauses_differ_from_server_to_server() {
        for (chance, minutes) in [(0.0, 45), (0.5, 60), (1.0, 75)] {
            let (mut schedule, clock) = (Schedule::new(RETRY), Clock::new());
            schedule.failed(clock.0, Chance(chance));
            assert_eq!(schedule.earliest.since(clock.0.tick), Duration::from_secs(minutes * 60));
        }
    }

    #[test]
    fn r26_enough_attempts_fit_into_the_last_third_of_any_life_and_none_becomes_a_loop() {
        for (length, fewest, most) in [
            (DAY * 90, 25, 120),
            (DAY * 45, 15, 80),
            (DAY * 6, 10, 80),
            (HOUR, 5, 80),
            (Duration::from_secs(120), 5, 40),
            (Duration::from_secs(60), 4, 25),
        ] {
            let pauses = pauses_until_expiry(length);
            assert!((fewest..=most).contains(&pauses.len()), "{length:?}: {}", pauses.len());
            assert!(pauses.iter().all(|pause| *pause >= SHORTEST_PAUSE && *pause <= LONGEST_PAUSE), "{length:?}: {pauses:?}");
        }
    }

    #[test]
    fn r26_after_expiry_it_goes_on_in_proportion() {
        for (length, longest) in [(DAY * 90, DAY), (DAY * 6, DAY), (Duration::from_secs(60), Duration::from_secs(15))] {
            let (mut schedule, mut clock) = with_certificate(length);
            clock.pass(length * 2);
            for _ in 0..12 {
                schedule.failed(clock.0, EVEN);
                let pause = schedule.earliest.since(clock.0.tick);
                assert!(pause >= SHORTEST_PAUSE && pause <= longest, "{length:?}: {pause:?}");
                clock.pass(pause);
            }
        }
    }

    #[test]
    fn the_time_that_the_authority_suggests_is_kept_to() {
        let length = DAY * 90;
        let at = |days: u32| Timestamp::from_millis(START).plus(DAY * days);
        for (from, until, expected) in [
            (at(58), at(60), Some(at(59))),
            // It wants the certificate gone.
            (at(0), at(2), Some(at(1))),
            // After the end, and nonsense.
            (at(100), at(120), Some(at(81))),
            (at(60), at(58), None),
        ] {
            let (mut schedule, _) = with_certificate(length);
            let usual = schedule.renews_at;
            schedule.suggested(from, until, EVEN);
            assert_eq!(schedule.renews_at, expected.or(usual));
        }
    }

    #[test]
    fn an_authority_that_wants_every_certificate_replaced_at_once_is_not_asked_at_once() {
        let (mut schedule, mut clock) = with_certificate(DAY * 90);
        for _ in 0..5 {
            let now = clock.0.wall;
            schedule.suggested(Timestamp::from_millis(START), Timestamp::from_millis(START + 1), EVEN);
            assert!(matches!(schedule.step(clock.0), Step::Wait(_)));
            assert!(until_due(&schedule, &mut clock, DAY * 2));
            assert_eq!(clock.0.wall.since(now), DAY);
            let renewed = Life { not_before: clock.0.wall, not_after: clock.0.wall.plus(DAY * 90) };
            schedule.obtained(renewed, clock.0, EVEN);
        }
    }

    #[test]
    fn r13_a_clock_that_jumps_years_ahead_leads_to_one_attempt_and_then_to_pauses() {
        let (mut schedule, mut clock) = with_certificate(DAY * 90);
        clock.pass(HOUR * 24);
        clock.0.wall = clock.0.wall.plus(DAY * 3650);
        let mut attempts = 0;
        let end = clock.0.tick.plus(DAY);
        while clock.0.tick < end {
            match schedule.step(clock.0) {
                Step::Renew => {
                    attempts += 1;
                    schedule.failed(clock.0, EVEN);
                }
                Step::Wait(time) => clock.pass(time),
            }
        }
        assert_eq!(attempts, 5, "at 0, 1, 3, 7 and 15 hours");
    }

    #[test]
    fn r13_certificates_that_are_over_when_they_come_are_not_ordered_in_a_loop() {
        let (mut schedule, mut clock) = with_certificate(DAY * 90);
        clock.0.wall = clock.0.wall.plus(DAY * 3650);
        for _ in 0..3 {
            let begun = clock.0.tick;
            assert!(until_due(&schedule, &mut clock, DAY * 2));
            assert_eq!(clock.0.tick.since(begun), DAY);
            schedule.obtained(life(DAY * 90), clock.0, EVEN);
        }
    }

    #[test]
    fn r13_a_clock_that_jumps_back_leads_to_no_attempt_and_to_no_warning() {
        let (mut schedule, mut clock) = with_certificate(DAY * 90);
        clock.pass(DAY * 30);
        for back in [HOUR, DAY * 365] {
            let mut clock = clock;
            clock.0.wall = Timestamp::from_millis(clock.0.wall.as_millis() - u64::try_from(back.as_millis()).unwrap());
            assert!(!until_due(&schedule, &mut clock, DAY));
            assert!(!schedule.warns(clock.0));
        }
        assert!(life(DAY).is_ahead_of(Timestamp::from_millis(0)));
        assert!(!life(DAY).is_ahead_of(Timestamp::from_millis(START - 1000)));
    }

    #[test]
    fn r13_a_jump_is_noticed_within_a_minute() {
        let (schedule, clock) = with_certificate(DAY * 90);
        assert_eq!(schedule.step(clock.0), Step::Wait(LONGEST_WAIT));
    }

    #[test]
    fn r26_it_warns_from_a_third_of_the_life_on_and_then_once_a_day() {
        let (mut schedule, mut clock) = with_certificate(DAY * 90);
        let mut warnings = Vec::new();
        while clock.since_start() < DAY * 63 {
            if schedule.warns(clock.0) {
                warnings.push(clock.since_start().as_secs() / DAY.as_secs());
            }
            clock.pass(HOUR);
        }
        assert_eq!(warnings, [60, 61, 62]);
        assert!(schedule.expires_soon(clock.0.wall));
        let renewed = Life { not_before: clock.0.wall, not_after: clock.0.wall.plus(DAY * 90) };
        schedule.obtained(renewed, clock.0, EVEN);
        assert!(!schedule.expires_soon(clock.0.wall) && !schedule.warns(clock.0));
    }

    #[test]
    fn a_renewal_that_the_authority_wants_late_is_nothing_to_warn_of_before() {
        let (mut schedule, mut clock) = with_certificate(DAY * 90);
        let at = |days: u32| Timestamp::from_millis(START).plus(DAY * days);
        schedule.suggested(at(61), at(63), EVEN);
        clock.pass(DAY * 61);
        assert!(!schedule.warns(clock.0));
        clock.pass(DAY);
        assert!(schedule.warns(clock.0));
    }
}
