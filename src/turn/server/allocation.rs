//! One allocation: what its client may exchange with whom, and until when (RFC 8656 §3).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stun::agent::TransactionId;
use stun::error_code::{CODE_BAD_REQUEST, CODE_INSUFFICIENT_CAPACITY, ErrorCode};

use super::output::{ClientSocket, Family, Output, PeerSocket, RelayId};
use crate::clock::Tick;
use crate::ids::ParticipantId;
use crate::turn::Limits;
use crate::turn::counters::Traffic;
use crate::turn::rate::Bucket;

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
    /// Whether the edge has been told that the channel ended.
    ended: bool,
}

/// One client's allocation, with one relay socket or with one of each family.
pub(super) struct Allocation {
    pub(super) client: ClientSocket,
    pub(super) participant: ParticipantId,
    /// The Allocate request that made this, and the answer to it, for when the answer is lost and the client asks again.
    pub(super) made_by: TransactionId,
    pub(super) answer: Vec<u8>,
    pub(super) relays: Vec<Relay>,
    pub(super) traffic: Traffic,
    outward: Bucket,
    inward: Bucket,
    permissions: BTreeMap<IpAddr, Tick>,
    channels: BTreeMap<u16, Channel>,
}

impl Allocation {
    pub(super) fn new(
        client: ClientSocket,
        participant: ParticipantId,
        made_by: TransactionId,
        relays: Vec<Relay>,
        bucket: Bucket,
    ) -> Self {
        let (permissions, channels, traffic) = (BTreeMap::new(), BTreeMap::new(), Traffic::default());
        let (outward, inward) = (bucket, bucket);
        Self { client, participant, made_by, answer: Vec::new(), relays, traffic, outward, inward, permissions, channels }
    }

    /// The relay socket of this family.
    pub(super) fn relay(&self, family: Family) -> Option<&Relay> {
        self.relays.iter().find(|relay| Family::of(relay.address.ip()) == family)
    }

    /// Whether there is a permission for `peer`, whatever its port (RFC 8656 §9).
    pub(super) fn permits(&self, peer: IpAddr, now: Tick) -> bool {
        self.permissions.get(&peer).is_some_and(|until| *until > now)
    }

    /// The peer that `number` is bound to.
    pub(super) fn peer_of(&self, number: u16, now: Tick) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|channel| channel.until > now).map(|channel| channel.peer)
    }

    /// The channel that is bound to `peer`.
    pub(super) fn channel_of(&self, peer: SocketAddr, now: Tick) -> Option<u16> {
        self.channels.iter().find(|(_, channel)| channel.peer == peer && channel.until > now).map(|(number, _)| *number)
    }

    /// Grants or renews permissions for all of `peers`, or for none when they are too many. Returns what is new.
    pub(super) fn permit(&mut self, peers: &[SocketAddr], limits: &Limits, now: Tick) -> Result<Vec<Output>, ErrorCode> {
        let mut new: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).filter(|peer| !self.permits(*peer, now)).collect();
        new.sort_unstable();
        new.dedup();
        let alive = self.permissions.values().filter(|until| **until > now).count();
        if !new.is_empty() && alive + new.len() > limits.permissions_per_allocation {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        let mut outputs = self.forget_permissions(now);
        self.permissions.extend(peers.iter().map(|peer| (peer.ip(), now.plus(PERMISSION_LIFETIME))));
        let permit = |peer| self.relay(Family::of(peer)).map(|relay| Output::Permit { relay: relay.id, peer });
        outputs.extend(new.into_iter().filter_map(permit));
        Ok(outputs)
    }

    /// Binds `number` to `peer` or renews that, with the permission that goes with it (RFC 8656 §12). Returns what is new.
    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, limits: &Limits, now: Tick) -> Result<Vec<Output>, ErrorCode> {
        let mut outputs = self.forget_channels(now);
        if self.channels.iter().any(|(bound, channel)| (*bound == number) != (channel.peer == peer)) {
            return Err(CODE_BAD_REQUEST);
        }
        if !self.channels.contains_key(&number) && self.channels.len() >= limits.channels_per_allocation {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        outputs.extend(self.permit(&[peer], limits, now)?);
        let channel = Channel { peer, until: now.plus(CHANNEL_LIFETIME), ended: false };
        let renewed = self.channels.insert(number, channel).is_some_and(|earlier| !earlier.ended);
        let relay = self.relay(Family::of(peer.ip())).filter(|_| !renewed).map(|relay| relay.id);
        let client = self.client;
        outputs.extend(relay.map(|relay| Output::Bind { client, channel: number, relay, peer: PeerSocket(peer) }));
        Ok(outputs)
    }

    /// Gives the relay sockets of this family, or all, a new end.
    pub(super) fn refresh(&mut self, family: Option<Family>, until: Tick) {
        let meant = |relay: &&mut Relay| family.is_none_or(|family| Family::of(relay.address.ip()) == family);
        self.relays.iter_mut().filter(meant).for_each(|relay| relay.until = until);
    }

    /// Drops what has ended by `now`. Returns what to tell the edge, and the relay sockets to be closed.
    pub(super) fn expire(&mut self, now: Tick) -> (Vec<Output>, Vec<Relay>) {
        let ended: Vec<Relay> = self.relays.iter().filter(|relay| relay.until <= now).copied().collect();
        self.relays.retain(|relay| relay.until > now);
        for family in ended.iter().map(|relay| Family::of(relay.address.ip())) {
            // The edge knows that these go with their socket.
            self.permissions.retain(|peer, _| Family::of(*peer) != family);
            self.channels.retain(|_, channel| Family::of(channel.peer.ip()) != family);
        }
        let mut outputs = self.forget_permissions(now);
        outputs.extend(self.forget_channels(now));
        (outputs, ended)
    }

    /// When something of this ends next.
    pub(super) fn next_end(&self) -> Option<Tick> {
        let channel = |channel: &Channel| if channel.ended { channel.until.plus(REBIND_PAUSE) } else { channel.until };
        let relays = self.relays.iter().map(|relay| relay.until);
        relays.chain(self.permissions.values().copied()).chain(self.channels.values().map(channel)).min()
    }

    /// Counts a packet of `bytes` to a peer. False when the allocation has used its share.
    pub(super) fn send_out(&mut self, bytes: usize, now: Tick) -> bool {
        let passes = self.outward.take(bytes, now);
        let Traffic { packets_out, bytes_out, throttled, .. } = &mut self.traffic;
        count(passes, bytes, packets_out, bytes_out, throttled);
        passes
    }

    /// Counts a packet of `bytes` from a peer. False when the allocation has used its share.
    pub(super) fn take_in(&mut self, bytes: usize, now: Tick) -> bool {
        let passes = self.inward.take(bytes, now);
        let Traffic { packets_in, bytes_in, throttled, .. } = &mut self.traffic;
        count(passes, bytes, packets_in, bytes_in, throttled);
        passes
    }

    /// How many permissions and channels there are, with those that are over but not forgotten.
    #[cfg(test)]
    pub(super) fn holdings(&self) -> (usize, usize) {
        (self.permissions.len(), self.channels.len())
    }

    fn forget_permissions(&mut self, now: Tick) -> Vec<Output> {
        let ended = self.permissions.iter().filter(|(_, until)| **until <= now).map(|(peer, _)| *peer);
        let forbid = |peer| self.relay(Family::of(peer)).map(|relay| Output::Forbid { relay: relay.id, peer });
        let outputs = ended.filter_map(forbid).collect();
        self.permissions.retain(|_, until| *until > now);
        outputs
    }

    fn forget_channels(&mut self, now: Tick) -> Vec<Output> {
        let client = self.client;
        let ended = self.channels.iter_mut().filter(|(_, channel)| !channel.ended && channel.until <= now);
        let unbind = ended.map(|(number, channel)| {
            channel.ended = true;
            Output::Unbind { client, channel: *number }
        });
        let outputs = unbind.collect();
        self.channels.retain(|_, channel| channel.until.plus(REBIND_PAUSE) > now);
        outputs
    }
}

const fn count(passes: bool, bytes: usize, packets: &mut u64, total: &mut u64, throttled: &mut u64) {
    if passes {
        *packets += 1;
        *total += bytes as u64;
    } else {
        *throttled += 1;
    }
}
