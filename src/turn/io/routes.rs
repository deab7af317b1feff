//! The ways that packets have been told, kept by those who move packets. Each thread and each stream has its own: nobody waits.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};

use super::packets::{Exit, Way};
use super::streams::Stream;
use crate::clock::Tick;
use crate::turn::server::{Destination, Passage, Route};

/// How many ways are kept before those that have ended are looked for.
const FIRST_SWEEP: usize = 64;

/// A route with its way out of the machine. It keeps neither socket nor stream open.
pub(super) struct Kept {
    route: Route,
    exit: Ahead,
}

enum Ahead {
    Datagram { socket: Weak<UdpSocket>, to: SocketAddr, from: Option<IpAddr> },
    Stream(Weak<Stream>),
}

/// What becomes of packets.
pub(super) enum Verdict {
    /// They leave here, as ChannelData where a channel is named.
    Leave(Exit, Option<u16>),
    /// They are dropped, and were counted.
    Drop,
    /// Not all of them may pass. Ask again for each alone.
    Apart,
    /// Ask the core about each.
    Unknown,
}

impl Kept {
    /// The way of `route`, which leaves by `exit`.
    pub(super) fn new(route: Route, exit: &Exit) -> Self {
        let exit = match exit {
            Exit::Datagram(Way { socket, to, from }) => Ahead::Datagram { socket: Arc::downgrade(socket), to: *to, from: *from },
            Exit::Stream(stream) => Ahead::Stream(Arc::downgrade(stream)),
        };
        Self { route, exit }
    }

    fn verdict(&self, passage: Passage) -> Verdict {
        match passage {
            Passage::Throttled => Verdict::Drop,
            Passage::Crowded => Verdict::Apart,
            Passage::Over => Verdict::Unknown,
            Passage::Free => self.exit.open().map_or(Verdict::Unknown, |exit| Verdict::Leave(exit, self.channel())),
        }
    }

    fn channel(&self) -> Option<u16> {
        match self.route.to {
            Destination::Peer { .. } => None,
            Destination::Client { channel, .. } => Some(channel),
        }
    }
}

impl Ahead {
    /// The exit, as long as somebody else keeps it open.
    fn open(&self) -> Option<Exit> {
        match self {
            Self::Stream(stream) => stream.upgrade().map(Exit::Stream),
            Self::Datagram { socket, to, from } => {
                socket.upgrade().map(|socket| Exit::Datagram(Way { socket, to: *to, from: *from }))
            }
        }
    }
}

/// Ways by where packets come in.
pub(super) struct Routes<K> {
    kept: HashMap<K, Kept>,
    /// When there are so many, those that have ended are forgotten.
    sweep: usize,
}

impl<K> Default for Routes<K> {
    fn default() -> Self {
        Self { kept: HashMap::new(), sweep: FIRST_SWEEP }
    }
}

impl<K: Copy + Eq + Hash> Routes<K> {
    /// What becomes of so many packets with `bytes` of payload in all that came in at `key`. `ask` finds the way when none is kept
    /// that still holds.
    pub(super) fn pass(
        &mut self,
        key: K,
        (packets, bytes): (u64, usize),
        now: Tick,
        ask: impl FnOnce() -> Option<Kept>,
    ) -> Verdict {
        if let Some(kept) = self.kept.get(&key) {
            let passage = kept.route.admit(packets, bytes, now);
            if passage != Passage::Over {
                return kept.verdict(passage);
            }
            self.kept.remove(&key);
        }
        let Some(kept) = ask() else { return Verdict::Unknown };
        let verdict = kept.verdict(kept.route.admit(packets, bytes, now));
        self.keep(key, kept, now);
        verdict
    }

    fn keep(&mut self, key: K, kept: Kept, now: Tick) {
        if self.kept.len() >= self.sweep {
            self.kept.retain(|_, kept| kept.route.holds(now));
            self.sweep = (2 * self.kept.len()).max(FIRST_SWEEP);
        }
        self.kept.insert(key, kept);
    }
}
