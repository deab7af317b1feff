//! The relay from outside: over loopback, with hand-made packets and with the `turn` crate's client.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod admission;
mod bursts;
mod client;
mod relaying;
mod streams;
mod tls;
mod tools;
