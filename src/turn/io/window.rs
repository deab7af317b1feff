//! How long to let packets gather before the next are read.
//!
//! At middling rates the cost of relaying is not in the packets but in waking up for each. A short pause lets some gather. There is
//! none while few packets come, and none while so many come that they gather by themselves.

use std::time::Duration;

/// Over how long packets are counted.
const PERIOD: Duration = Duration::from_millis(10);

/// Below this rate, in packets per second, every packet is read at once.
const CALM: u32 = 4_000;

/// How many packets to let gather.
const WANTED: u32 = 16;

/// The longest pause. Media doesn't notice it, a person even less.
const LONGEST: Duration = Duration::from_micros(400);

/// A pause that is shorter than this costs more than it brings.
const SHORTEST: Duration = Duration::from_micros(60);

/// Measures the rate of packets.
#[derive(Debug, Default)]
pub(super) struct Window {
    since: Duration,
    packets: u32,
    pause: Duration,
}

impl Window {
    /// Takes note of packets that were read.
    pub(super) fn count(&mut self, packets: usize) {
        self.packets = self.packets.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
    }

    /// How long to wait at `now`, which never goes back.
    pub(super) fn pause(&mut self, now: Duration) -> Duration {
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= PERIOD {
            let rate = f64::from(self.packets) / elapsed.as_secs_f64();
            self.pause = pause_at(rate);
            (self.since, self.packets) = (now, 0);
        }
        self.pause
    }
}

/// The pause for so many packets per second.
fn pause_at(rate: f64) -> Duration {
    if rate < f64::from(CALM) {
        return Duration::ZERO;
    }
    let pause = Duration::from_secs_f64(f64::from(WANTED) / rate).min(LONGEST);
    if pause < SHORTEST { Duration::ZERO } else { pause }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses over a second in which so many packets come evenly.
    fn pauses(rate: u32) -> Vec<Duration> {
        let mut window = Window::default();
        let ask = |n: u32| {
            window.count(1);
            window.pause(Duration::from_secs(5) + Duration::from_secs(1) * n / rate)
        };
        (1..=rate).map(ask).collect()
    }

    #[test]
    fn few_packets_wait_for_nothing() {
        for rate in [1, 50, 2_000, 3_900] {
            assert!(pauses(rate).iter().all(Duration::is_zero), "{rate}");
        }
    }

    #[test]
    fn middling_rates_wait_a_little_and_high_ones_not_at_all() {
        let last = |rate| *pauses(rate).last().unwrap();
        assert_eq!(last(10_000), LONGEST);
        assert!(last(40_000) <= LONGEST && last(100_000) < last(40_000) && last(100_000) > SHORTEST);
        assert_eq!(last(1_000_000), Duration::ZERO);
    }

    #[test]
    fn the_first_packets_after_a_silence_wait_for_nothing() {
        let mut window = Window::default();
        for n in 1..=1000 {
            window.count(1);
            window.pause(Duration::from_micros(100) * n);
        }
        window.count(1);
        assert_eq!(window.pause(Duration::from_secs(60)), Duration::ZERO);
    }
}
