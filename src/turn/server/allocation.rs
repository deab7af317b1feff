//! One allocation: what its client may exchange with whom, and until when (RFC 8656 §3).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use stun::agent::TransactionId;
use stun::error_code::{CODE_BAD_REQUEST, CODE_INSUFFICIENT_CAPACITY, ErrorCode};

use super::output::{ClientSocket, Family, RelayId};
use crate::clock::Tick;
use crate::turn::Limits;
use crate::turn::credentials::Holder;
use crate::turn::meter::Meter;

/// How long a permission lasts unless renewed (RFC 8656 §9).
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel stays bound unless renewed (RFC 8656 §12).
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// How long after that neither its number nor its peer may be bound anew, so that late packets reach nobody else (RFC 8656 §12).
pub(super) const REBIND_PAUSE: Duration = Duration::from_secs(300);

/// One relay socket of an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relay {
    pub(super) id: RelayId,
    /// The address that is bound.
    pub(super) address: SocketAddr,
    pub(super) until: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    peer: SocketAddr,
    until: Tick,
}

/// One client's allocation, with one relay socket or with one of each family.
pub(super) struct Allocation {
    pub(super) client: ClientSocket,
    pub(super) holder: Holder,
    /// The Allocate request that made this, and the answer to it, for when the answer is lost and the client asks again.
    pub(super) made_by: TransactionId,
    pub(super) answer: Vec<u8>,
    pub(super) relays: Vec<Relay>,
    pub(super) meter: Arc<Meter>,
    permissions: BTreeMap<IpAddr, Tick>,
    channels: BTreeMap<u16, Channel>,
}

impl Allocation {
    pub(super) fn new(client: ClientSocket, holder: Holder, made_by: TransactionId, relays: Vec<Relay>, meter: Meter) -> Self {
        let (permissions, channels) = (BTreeMap::new(), BTreeMap::new());
        let meter = Arc::new(meter);
        Self { client, holder, made_by, answer: Vec::new(), relays, meter, permissions, channels }
    }

    /// The relay socket of this family.
    pub(super) fn relay(&self, family: Family) -> Option<&Relay> {
        self.relays.iter().find(|relay| Family::of(relay.address.ip()) == family)
    }

    /// Whether there is a permission for `peer`, whatever its port (RFC 8656 §9).
    pub(super) fn permits(&self, peer: IpAddr, now: Tick) -> bool {
        self.permitted_until(peer, now).is_some()
    }

    /// When the permission for `peer` ends, if there is one.
    pub(super) fn permitted_until(&self, peer: IpAddr, now: Tick) -> Option<Tick> {
        self.permissions.get(&peer).copied().filter(|until| *until > now)
    }

    /// The peer that `number` is bound to, and until when.
    pub(super) fn bound_to(&self, number: u16, now: Tick) -> Option<(SocketAddr, Tick)> {
        self.channels.get(&number).map(|channel| (channel.peer, channel.until)).filter(|(_, until)| *until > now)
    }

    /// The channel that is bound to `peer`, and until when.
    pub(super) fn channel_to(&self, peer: SocketAddr, now: Tick) -> Option<(u16, Tick)> {
        let bound = self.channels.iter().find(|(_, channel)| channel.peer == peer && channel.until > now);
        bound.map(|(number, channel)| (*number, channel.until))
    }

    /// Grants or renews permissions for all of `peers`, or for none when they are too many.
    pub(super) fn permit(&mut self, peers: &[SocketAddr], limits: &Limits, now: Tick) -> Result<(), ErrorCode> {
        let mut new: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).filter(|peer| !self.permits(*peer, now)).collect();
        new.sort_unstable();
        new.dedup();
        self.permissions.retain(|_, until| *until > now);
        if !new.is_empty() && self.permissions.len() + new.len() > limits.permissions_per_allocation {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        self.permissions.extend(peers.iter().map(|peer| (peer.ip(), now.plus(PERMISSION_LIFETIME))));
        Ok(())
    }

    /// Binds `number` to `peer` or renews that, with the permission that goes with it (RFC 8656 §12).
    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, limits: &Limits, now: Tick) -> Result<(), ErrorCode> {
        self.forget_channels(now);
        if self.channels.iter().any(|(bound, channel)| (*bound == number) != (channel.peer == peer)) {
            return Err(CODE_BAD_REQUEST);
        }
        if !self.channels.contains_key(&number) && self.channels.len() >= limits.channels_per_allocation {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        self.permit(&[peer], limits, now)?;
        self.channels.insert(number, Channel { peer, until: now.plus(CHANNEL_LIFETIME) });
        Ok(())
    }

    /// Gives the relay sockets of this family, or all, a new end.
    pub(super) fn refresh(&mut self, family: Option<Family>, until: Tick) {
        let meant = |relay: &&mut Relay| family.is_none_or(|family| Family::of(relay.address.ip()) == family);
        self.relays.iter_mut().filter(meant).for_each(|relay| relay.until = until);
        // It may be sooner than those know who have asked for a way.
        self.meter.change();
    }

    /// Drops what has ended by `now`. Returns the relay sockets to be closed.
    pub(super) fn expire(&mut self, now: Tick) -> Vec<Relay> {
        let ended: Vec<Relay> = self.relays.iter().filter(|relay| relay.until <= now).copied().collect();
        self.relays.retain(|relay| relay.until > now);
        for family in ended.iter().map(|relay| Family::of(relay.address.ip())) {
            self.permissions.retain(|peer, _| Family::of(*peer) != family);
            self.channels.retain(|_, channel| Family::of(channel.peer.ip()) != family);
            self.meter.change();
        }
        self.permissions.retain(|_, until| *until > now);
        self.forget_channels(now);
        ended
    }

    /// When something of this ends next.
    pub(super) fn next_end(&self) -> Option<Tick> {
        let relays = self.relays.iter().map(|relay| relay.until);
        let channels = self.channels.values().map(|channel| channel.until.plus(REBIND_PAUSE));
        relays.chain(self.permissions.values().copied()).chain(channels).min()
    }

    /// How many permissions and channels there are, with those that are over but not forgotten.
    #[cfg(test)]
    pub(super) fn holdings(&self) -> (usize, usize) {
        (self.permissions.len(), self.channels.len())
    }

    fn forget_channels(&mut self, now: Tick) {
        self.channels.retain(|_, channel| channel.until.plus(REBIND_PAUSE) > now);
    }
}
