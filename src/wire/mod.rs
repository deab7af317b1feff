//! What crosses the network as JSON, and nothing else: types without behaviour.
//!
//! This is the one source of the types that browser and server share. `cargo test` writes `web/src/wire/` from it; one sample of
//! each message lies in `fixtures/` and is read by a test on either side. Field names are camelCase; messages are unions told
//! apart by `type`; whatever a request carries beyond what stands here is refused.

pub mod auth;
pub mod doctor;
pub mod error;
mod ids;
pub mod meetings;
pub mod server;
pub mod settings;
pub mod signaling;
pub mod status;
pub mod trust;

/// The protocol that this server speaks over its WebSocket. A page built for another version reloads itself.
pub const PROTOCOL_VERSION: u32 = 1;

/// The WebSocket subprotocol of [`signaling`].
pub const SUBPROTOCOL: &str = "hearth.v1";
