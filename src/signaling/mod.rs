//! The WebSocket at `/api/signaling`: one socket, one seat.
//!
//! [`upgrade`](Signaling::upgrade) lets a socket in or not; its session then takes a seat with a ticket or a resume token and
//! translates between [`crate::wire::signaling`] and the meeting core, both ways, until either end is done.
//!
//! **Invariants.** Who speaks is established once, by the ticket; no later message carries an identity. A session never touches
//! a room: it sends commands and reads its inbox. Whatever a client sends costs at most that client its connection.

mod farewell;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod ice;
mod outcomes;
mod pace;
mod session;
mod translate;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use crate::auth::Auth;
use crate::hub::Hub;
use crate::lifecycle::{Live, Tasks};

pub use ice::{Access, IceDirectory, OtherServer, Transports};
pub use translate::{participant, settings};
pub use upgrade::{Opening, UnknownSubprotocol};

/// The signaling service. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Signaling {
    context: Arc<Context>,
}

#[derive(Debug)]
struct Context {
    settings: Live<Settings>,
    hub: Hub,
    auth: Auth,
    ice: IceDirectory,
    tasks: Tasks,
}

/// What signaling is told. A socket keeps to what holds when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a client may be silent until it counts as gone. It is asked three times as often.
    pub ping_timeout: Duration,
    /// How many lines of chat one socket may send in ten seconds.
    pub chat_lines_per_ten_seconds: u32,
}

impl Signaling {
    /// A service for the rooms of `hub`.
    pub fn new(settings: Settings, hub: Hub, auth: Auth, ice: IceDirectory, tasks: Tasks) -> Self {
        Self { context: Arc::new(Context { settings: Live::new(settings), hub, auth, ice, tasks }) }
    }

    /// Serves sockets that are opened from now on with these settings.
    pub fn reconfigure(&self, settings: Settings) {
        self.context.settings.set(settings);
    }
}
