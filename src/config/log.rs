//! `[log]`

use super::declare::section;
use super::value::choice;

section! {
    /// What is logged. Logs go to the standard error stream.
    Log, "log" {
        /// How much: "error", "warn", "info", "debug" or "trace", and after commas other levels for parts of the program, as in
        /// "info,hearth::turn=debug".
        level: String = String::from("info") => Live, Offered;
        /// "pretty" for people, "json" for programs: one object a line.
        format: LogFormat = LogFormat::Pretty;
    }
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs.
    Json,
}

choice!(LogFormat, "\"pretty\" or \"json\"", "write \"pretty\" or \"json\"", "pretty" => Pretty, "json" => Json);
