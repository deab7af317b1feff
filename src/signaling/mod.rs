//! The WebSocket at `/api/signaling`: one socket, one seat.
//!
//! [`upgrade`](Signaling::upgrade) lets a socket in or not; its session then takes a seat with a ticket or a resume token and
//! translates between [`crate::wire::signaling`] and the meeting core, both ways, until either end is done.
//!
//! **Invariants.** Who speaks is established once, by the ticket; no later message carries an identity. A session never touches
//! a room: it sends commands and reads its inbox. Whatever a client sends costs at most that client its connection.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod ice;
mod outcomes;
mod pace;
mod session;
mod translate;
mod upgrade;

use std::sync::Arc;

use crate::auth::Auth;
use crate::hub::Hub;
use crate::lifecycle::Tasks;

pub use ice::{Access, IceDirectory, OtherServer, Transports};
pub use translate::{participant, settings};

/// The signaling service. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Signaling {
    context: Arc<Context>,
}

#[derive(Debug)]
struct Context {
    settings: Settings,
    hub: Hub,
    auth: Auth,
    ice: IceDirectory,
    tasks: Tasks,
}

/// What signaling is told at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a seat is kept for somebody whose socket was lost; clients are told.
    pub resume_window_ms: u32,
}

impl Signaling {
    /// A service for the rooms of `hub`.
    pub fn new(settings: Settings, hub: Hub, auth: Auth, ice: IceDirectory, tasks: Tasks) -> Self {
        Self { context: Arc::new(Context { settings, hub, auth, ice, tasks }) }
    }
}
