//! Faults that a running Hearth must survive, provoked from outside the process. Each test is named for its row.
//!
//! `HEARTH_FAULT_ROUNDS` says how often the tests that repeat something do so; `make faults` sets it high. Without it each repeats
//! what it does often enough to notice a fault of the kind that once was there.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed, and says where")]
#![expect(clippy::print_stderr, reason = "the server's log belongs to the report of a failed test")]
#![expect(clippy::print_stdout, reason = "tests that repeat something tell how often they did")]

mod backups;
mod certificates;
#[expect(dead_code, reason = "the tests of the relay use more of it")]
#[path = "../relay/client.rs"]
mod client;
mod clock;
mod damage;
mod disk;
#[expect(dead_code, unused_imports, reason = "the tests of the API use more of it")]
#[path = "../api/harness/mod.rs"]
mod harness;
mod killed;
mod power;
mod restores;
mod secrets;
#[expect(dead_code, clippy::unused_async, reason = "the tests of the relay use more of it")]
#[path = "../relay/site.rs"]
mod site;
mod slow;
mod store_killed;
mod system;
mod taken_away;
mod tools;
mod upgrades;
