//! The only two places of the program that read a clock.
//!
//! [`Timestamp`] is wall-clock time, for what people read and what outlives the process; [`Tick`] is monotonic time, for every
//! timer, so that a stepped clock ends no meeting. The meeting and relay cores read neither: both are passed in.

use std::fmt;
use std::fs::Metadata;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, type = "string"))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The present, by the system's clock.
    pub fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock set before 1970 reads as 1970: tokens then fail closed, and nothing panics.
        Self::from_millis(since_epoch.map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)))
    }

    /// When a file was last written. `None` where the file system doesn't say, or says that it was before 1970.
    pub fn of_writing(file: &Metadata) -> Option<Self> {
        let since_epoch = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since_epoch.as_millis()).ok().map(Self)
    }

    /// A time given in milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, as tokens and relay credentials count them.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// How much later this is than `earlier`; zero when it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time plus `later`, at most the largest time there is.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Reads RFC 3339 text such as `2024-01-20T10:00:00Z`. `None` when it is not, or lies before 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
        u64::try_from(nanos / 1_000_000).ok().map(Self)
    }

    /// RFC 3339 text in UTC with milliseconds where there are any.
    pub fn to_rfc3339(self) -> String {
        // The year 9999 is the last that RFC 3339 can write.
        const LAST: u64 = 253_402_300_799_999;
        let nanos = i128::from(self.0.min(LAST)) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_else(|| String::from("1970-01-01T00:00:00Z"))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::parse_rfc3339(text).ok_or(InvalidTimestamp)
    }
}

/// Text that is not a time as RFC 3339 writes it, or lies before 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a time like 2024-01-20T10:00:00Z")]
pub struct InvalidTimestamp;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Monotonic time in milliseconds since this process first asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(u64);

impl Tick {
    /// The present, by the monotonic clock.
    pub fn now() -> Self {
        Self(u64::try_from(uptime().as_millis()).unwrap_or(u64::MAX))
    }

    /// A tick given in milliseconds, for tests and for values stored as such.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This tick plus `later`.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How much later this is than `earlier`; zero when it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Monotonic time since this process first asked, as finely as the system has it: for measuring, where a [`Tick`] is too coarse.
pub fn uptime() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the monotonic clock")]
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed()
}

/// Both clocks at one moment, as the cores are given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// For timers.
    pub tick: Tick,
    /// For what people read.
    pub wall: Timestamp,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self { tick: Tick::now(), wall: Timestamp::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_when_it_was_written_to_the_millisecond() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let told = |time: SystemTime| {
            file.as_file().set_modified(time).unwrap();
            Timestamp::of_writing(&file.as_file().metadata().unwrap())
        };
        assert_eq!(told(UNIX_EPOCH + Duration::from_millis(1_700_000_000_250)), Some(Timestamp(1_700_000_000_250)));
        assert_eq!(told(UNIX_EPOCH - Duration::from_secs(5)), None);
    }

    #[test]
    fn rfc3339_round_trips_and_keeps_milliseconds() {
        let time = Timestamp::parse_rfc3339("2024-01-20T10:00:00.250+01:00").unwrap();
        assert_eq!(time.to_rfc3339(), "2024-01-20T09:00:00.25Z");
        assert_eq!(Timestamp::parse_rfc3339(&time.to_rfc3339()), Some(time));
    }

    #[test]
    fn times_out_of_range_neither_panic_nor_parse() {
        assert_eq!(Timestamp::parse_rfc3339("1969-12-31T23:59:59Z"), None);
        assert_eq!(Timestamp::parse_rfc3339("tomorrow"), None);
        assert!(Timestamp::from_millis(u64::MAX).to_rfc3339().starts_with("9999-12-31"));
    }
}
