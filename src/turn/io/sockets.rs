//! The sockets of one worker, and which of them may have something to read.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::turn::server::RelayId;

/// Which socket something came in at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// The listener that is bound to this address.
    Listener(SocketAddr),
    Relay(RelayId),
}

/// Sockets that are watched. Who waits is told of each only once, so that what was not read then is kept in mind here.
pub(super) struct Sockets {
    registry: Registry,
    open: HashMap<Token, Socket>,
    relays: HashMap<RelayId, Token>,
    /// Sockets that may have something to read.
    ready: VecDeque<Token>,
    last: usize,
}

struct Socket {
    udp: Arc<UdpSocket>,
    entrance: Entrance,
    queued: bool,
}

impl Sockets {
    /// None yet. Their tokens follow `last`.
    pub(super) fn new(registry: Registry, last: Token) -> Self {
        let (open, relays, ready) = Default::default();
        Self { registry, open, relays, ready, last: last.0 }
    }

    /// Whether nothing is known to be there to read.
    pub(super) fn are_read(&self) -> bool {
        self.ready.is_empty()
    }

    /// Watches a socket.
    ///
    /// # Errors
    /// When the system can't.
    pub(super) fn add(&mut self, udp: Arc<UdpSocket>, entrance: Entrance) -> io::Result<()> {
        self.last += 1;
        let token = Token(self.last);
        self.registry.register(&mut SourceFd(&udp.as_raw_fd()), token, Interest::READABLE)?;
        if let Entrance::Relay(relay) = entrance {
            self.relays.insert(relay, token);
        }
        self.open.insert(token, Socket { udp, entrance, queued: false });
        // Something may have come before it was watched.
        self.mark_ready(token);
        Ok(())
    }

    /// Forgets a relay socket.
    pub(super) fn remove(&mut self, relay: RelayId) {
        if let Some(socket) = self.relays.remove(&relay).and_then(|token| self.open.remove(&token)) {
            // Somebody else may hold it for another moment.
            let _ = self.registry.deregister(&mut SourceFd(&socket.udp.as_raw_fd()));
        }
    }

    /// Notes that a socket may have something to read.
    pub(super) fn mark_ready(&mut self, token: Token) {
        if let Some(socket) = self.open.get_mut(&token).filter(|socket| !socket.queued) {
            socket.queued = true;
            self.ready.push_back(token);
        }
    }

    /// The next socket that may have something to read.
    pub(super) fn next(&mut self) -> Option<(Token, Arc<UdpSocket>, Entrance)> {
        loop {
            let token = self.ready.pop_front()?;
            // It may have been closed meanwhile.
            if let Some(socket) = self.open.get_mut(&token) {
                socket.queued = false;
                return Some((token, Arc::clone(&socket.udp), socket.entrance));
            }
        }
    }
}
