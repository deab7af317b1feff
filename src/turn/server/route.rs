//! Ways that packets take without the core: what it would decide about each packet of a channel, told once.
//!
//! Whoever moves packets asks for the [`Route`] of a channel and keeps it for as long as it holds. A route never allows what the
//! core would not: it ends with the first thing that ends on the way, and at once when something is taken back. Where there is
//! none, or none any more, the packet goes to the core, which decides.

use std::sync::Arc;

use super::Server;
use super::allocation::Allocation;
use super::output::{ClientSocket, Family, PeerSocket, RelayId};
use crate::clock::{Now, Tick};
use crate::turn::meter::{Charge, Meter};
use crate::turn::rate::Bucket;

/// A way for the packets of one channel in one direction.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where they come out.
    pub to: Destination,
    until: Tick,
    /// The allocation that sends to its peer, if one does.
    sender: Option<Leg>,
    /// The allocation whose peer is heard, if one hears.
    receiver: Option<Leg>,
    line: Option<Arc<Bucket>>,
}

/// Where the packets of a route come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// At a peer, sent from a relay socket.
    Peer {
        /// From which.
        relay: RelayId,
        /// To whom.
        peer: PeerSocket,
    },
    /// At a client, as ChannelData.
    Client {
        /// To whom.
        client: ClientSocket,
        /// By which channel.
        channel: u16,
    },
}

/// What becomes of packets that come to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// They pass, and were counted.
    Free,
    /// It is to be dropped, and was counted: somebody has used up a share.
    Throttled,
    /// Together they are more than somebody's share. Ask for each alone.
    Crowded,
    /// The route holds no longer. Ask for another one.
    Over,
}

/// One allocation on the way, as it was when the route was asked for.
#[derive(Clone, Debug)]
struct Leg {
    meter: Arc<Meter>,
    changes: u32,
}

impl Route {
    /// Asks whether so many packets with `bytes` of payload in all may pass now, and counts them.
    pub fn admit(&self, packets: u64, bytes: usize, now: Tick) -> Passage {
        if !self.holds(now) {
            return Passage::Over;
        }
        let (sender, receiver) = (self.sender.as_ref(), self.receiver.as_ref());
        let charge = Charge {
            sender: sender.map(|leg| &*leg.meter),
            line: self.line.as_deref(),
            receiver: receiver.map(|leg| &*leg.meter),
        };
        match (charge.take(packets, bytes, now, packets == 1), packets) {
            (true, _) => Passage::Free,
            (false, 1) => Passage::Throttled,
            (false, _) => Passage::Crowded,
        }
    }

    /// Whether nothing has changed on the way.
    pub fn holds(&self, now: Tick) -> bool {
        let same = |leg: &Leg| leg.meter.changes() == leg.changes;
        self.until > now && [&self.sender, &self.receiver].into_iter().flatten().all(same)
    }
}

impl Server {
    /// The way of what `client` sends by `channel`. `None` where the core must see each packet.
    pub fn outward_route(&self, client: ClientSocket, channel: u16, now: Now) -> Option<Route> {
        let own = self.table.open.get(&client)?;
        let (peer, bound_until) = own.bound_to(channel, now.tick)?;
        let (relay, leaves_until) = self.leaves_by(client, peer, now).ok()?;
        let until = bound_until.min(leaves_until);
        let line = self.line.clone();
        let Some(other) = self.peers.owner(peer) else {
            let to = Destination::Peer { relay: relay.id, peer: PeerSocket(peer) };
            return Some(Route { to, until, sender: Some(leg(own)), receiver: None, line });
        };
        // Two relayed clients meet here, without a socket between them.
        let (to, ends, receiver) = self.towards(other, PeerSocket(relay.address), now)?;
        Some(Route { to, until: until.min(ends), sender: Some(leg(own)), receiver: Some(receiver), line })
    }

    /// The way of what `peer` sends to `relay`. `None` where the core must see each packet.
    pub fn inward_route(&self, relay: RelayId, peer: PeerSocket, now: Now) -> Option<Route> {
        let client = self.table.relays.get(&relay).copied()?;
        if !self.peers.allows(peer.0) {
            return None;
        }
        let (to, until, receiver) = self.towards(client, peer, now)?;
        Some(Route { to, until, sender: None, receiver: Some(receiver), line: self.line.clone() })
    }

    /// The last leg of a way: to `client`, from a peer that it has bound a channel to.
    fn towards(&self, client: ClientSocket, from: PeerSocket, now: Now) -> Option<(Destination, Tick, Leg)> {
        let open = self.table.open.get(&client)?;
        let peer = self.peers.known(from.0);
        let permitted_until = open.permitted_until(peer.ip(), now.tick)?;
        let (channel, bound_until) = open.channel_to(peer, now.tick)?;
        let relay = open.relay(Family::of(peer.ip()))?;
        let until = permitted_until.min(bound_until).min(relay.until);
        Some((Destination::Client { client, channel }, until, leg(open)))
    }
}

fn leg(allocation: &Allocation) -> Leg {
    Leg { meter: Arc::clone(&allocation.meter), changes: allocation.meter.changes() }
}
