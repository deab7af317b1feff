//! Faults that a running Hearth must survive, provoked from outside the process.

mod store_killed;
