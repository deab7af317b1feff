//! What the holder of an allocation may ask for: a longer life, permissions, channels.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ::turn::proto::channum::ChannelNumber;
use ::turn::proto::lifetime::{DEFAULT_LIFETIME, Lifetime};
use ::turn::proto::reqfamily::{REQUESTED_FAMILY_IPV6, RequestedAddressFamily};
use stun::attributes::{ATTR_CHANNEL_NUMBER, ATTR_LIFETIME, ATTR_REQUESTED_ADDRESS_FAMILY};
use stun::error_code::{CODE_ALLOC_MISMATCH, CODE_BAD_REQUEST, CODE_FORBIDDEN, CODE_PEER_ADDR_FAMILY_MISMATCH, ErrorCode};
use stun::message::Message;

use super::Server;
use super::caller::Call;
use super::message;
use super::output::Family;

/// The longest lifetime that an allocation is granted at a time.
const MAX_LIFETIME: Duration = Duration::from_secs(1800);

/// Channel numbers that a client may bind (RFC 8656 §12).
const CHANNELS: RangeInclusive<u16> = 0x4000..=0x4FFF;

impl Server {
    /// RFC 8656 §8.2. A family that is named alone lives on, or ends, alone.
    pub(super) fn refresh(&mut self, call: &Call) -> Result<Vec<u8>, ErrorCode> {
        let allocation = self.table.open.get_mut(&call.client).ok_or(CODE_ALLOC_MISMATCH)?;
        let family: Option<RequestedAddressFamily> = message::optional(&call.message, ATTR_REQUESTED_ADDRESS_FAMILY)?;
        let family = family.map(|family| if family == REQUESTED_FAMILY_IPV6 { Family::V6 } else { Family::V4 });
        if family.is_some_and(|family| allocation.relay(family).is_none()) {
            return Err(CODE_PEER_ADDR_FAMILY_MISMATCH);
        }
        let lifetime = match message::optional(&call.message, ATTR_LIFETIME)? {
            Some(Lifetime(Duration::ZERO)) => Duration::ZERO,
            _ => lifetime(&call.message)?,
        };
        allocation.refresh(family, call.now.tick.plus(lifetime));
        if lifetime.is_zero() {
            let made_by = allocation.made_by;
            self.expire(call.client, call.now);
            self.latecomers.expect(call.client, made_by, call.now.tick);
        } else {
            // It may end sooner than it would have.
            self.table.watch(call.client);
        }
        Ok(call.success(&[&Lifetime(lifetime)]))
    }

    /// RFC 8656 §10.2. All of the peers or none.
    pub(super) fn create_permission(&mut self, call: &Call) -> Result<Vec<u8>, ErrorCode> {
        let peers = self.allowed_peers(call)?;
        let allocation = self.table.open.get_mut(&call.client).ok_or(CODE_ALLOC_MISMATCH)?;
        allocation.permit(&peers, &self.limits, call.now.tick)?;
        self.table.watch(call.client);
        Ok(call.success(&[]))
    }

    /// RFC 8656 §12.2.
    pub(super) fn channel_bind(&mut self, call: &Call) -> Result<Vec<u8>, ErrorCode> {
        if !self.table.open.contains_key(&call.client) {
            return Err(CODE_ALLOC_MISMATCH);
        }
        let number: ChannelNumber = message::optional(&call.message, ATTR_CHANNEL_NUMBER)?.ok_or(CODE_BAD_REQUEST)?;
        let peers = self.allowed_peers(call)?;
        let [peer] = *peers else { return Err(CODE_BAD_REQUEST) };
        if !CHANNELS.contains(&number.0) {
            return Err(CODE_BAD_REQUEST);
        }
        let allocation = self.table.open.get_mut(&call.client).ok_or(CODE_ALLOC_MISMATCH)?;
        allocation.bind(number.0, peer, &self.limits, call.now.tick)?;
        self.table.watch(call.client);
        Ok(call.success(&[]))
    }

    /// The peers that a request names, if there are any and every one is allowed.
    fn allowed_peers(&mut self, call: &Call) -> Result<Vec<SocketAddr>, ErrorCode> {
        let allocation = self.table.open.get(&call.client).ok_or(CODE_ALLOC_MISMATCH)?;
        let peers = message::peers(&call.message)?;
        if peers.is_empty() {
            return Err(CODE_BAD_REQUEST);
        }
        if !peers.iter().all(|peer| self.peers.allows(*peer)) {
            self.counters.forbidden += 1;
            return Err(CODE_FORBIDDEN);
        }
        let reachable = peers.iter().all(|peer| allocation.relay(Family::of(peer.ip())).is_some());
        if reachable { Ok(peers) } else { Err(CODE_PEER_ADDR_FAMILY_MISMATCH) }
    }
}

/// The lifetime to grant for the one asked for: within the default and the longest (RFC 8656 §7.2).
pub(super) fn lifetime(request: &Message) -> Result<Duration, ErrorCode> {
    let asked: Option<Lifetime> = message::optional(request, ATTR_LIFETIME)?;
    Ok(asked.map_or(DEFAULT_LIFETIME, |Lifetime(asked)| asked.clamp(DEFAULT_LIFETIME, MAX_LIFETIME)))
}
