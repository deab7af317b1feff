//! The room as a table: given this input, exactly these outputs.

mod chat;
mod ending;
mod properties;
mod scenario;
mod seats;
mod signaling;
mod timeouts;
