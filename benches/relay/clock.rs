//! The one reader of a clock in this benchmark. It wants nanoseconds; the program's own clock counts milliseconds.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "this is the benchmark's reader of the monotonic clock")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic time in nanoseconds since this process first asked.
pub fn nanos() -> u64 {
    in_nanos(ORIGIN.elapsed())
}

/// A duration as a whole number of nanoseconds.
pub fn in_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
