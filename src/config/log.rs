//! `[log]`

use super::declare::section;
use super::value::choice;

section! {
    /// What is logged. Logs go to the standard error stream.
    Log, "log" {
        /// How much: "error", "warn", "info", "debug" or "trace", and after commas other levels for parts of the program, as in
        /// "info,hearth::turn=debug".
        level: String = String::from("info") => Live, Offered;
        /// How: "auto", "pretty" for people, "json" for programs (one object a line) or "journald" for the systemd journal, where each
        /// field of an event can be asked for. "auto" is "journald" for a service of systemd, and "pretty" otherwise.
        format: LogFormat = LogFormat::Auto;
        /// How many lines a second at most, on average, so that nobody can fill the disk with them. What is left out is counted and
        /// told. 0 is without a limit.
        lines_per_second: u32 = 100;
    }
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For the journal where the standard error stream leads there, else for people.
    Auto,
    /// For people.
    Pretty,
    /// For programs.
    Json,
    /// For the systemd journal.
    Journald,
}

choice!(
    LogFormat,
    "\"auto\", \"pretty\", \"json\" or \"journald\"",
    "write \"auto\", \"pretty\", \"json\" or \"journald\"",
    "auto" => Auto, "pretty" => Pretty, "json" => Json, "journald" => Journald
);
