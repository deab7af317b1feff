//! What every test here uses: a server of its own, people who speak HTTP to it, and sockets.

pub mod document;
mod person;
mod program;
mod server;
mod skipping;
pub mod socket;
pub mod tls;
mod tracer;
mod worlds;

pub use person::{Answer, Person};
pub use program::program;
pub use server::{Options, Port, TestServer, eventually, sooner_or_later};
pub use skipping::{can, can_trace, skip};
pub use socket::{Socket, no_media};
pub use tracer::{Tracer, held_up, tracer_of};
pub use worlds::world;
