//! Who holds which allocation: quotas, permissions, channels, and the participants whose names are refused.
//!
//! The crate's `Manager` keeps the sockets and their timers. This table stands beside it, because the manager knows no owner, no
//! quota and no limit on what one allocation may hold.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::turn::allocation::five_tuple::FiveTuple;
use stun::agent::TransactionId;
use stun::error_code::{CODE_ALLOC_QUOTA_REACHED, CODE_BAD_REQUEST, CODE_INSUFFICIENT_CAPACITY, CODE_UNAUTHORIZED, ErrorCode};

use super::Limits;
use super::credentials::MAX_TTL;
use super::guard::Guard;
use super::rate::network;
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::ParticipantId;

/// How long a permission lasts unless renewed (RFC 8656 §9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel stays bound unless renewed (RFC 8656 §12).
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// How many revoked participants are remembered; more than a day's worth of people sent away.
const MAX_REVOKED: usize = 16_384;

/// One client's allocation.
pub(super) struct Session {
    pub(super) participant: ParticipantId,
    pub(super) guard: Arc<Guard>,
    /// The Allocate request that made this, and the answer to it, for when the answer is lost and the client asks again.
    pub(super) made_by: TransactionId,
    pub(super) answer: Vec<u8>,
    permissions: HashMap<IpAddr, Tick>,
    channels: HashMap<u16, (SocketAddr, Tick)>,
}

impl Session {
    pub(super) fn new(participant: ParticipantId, guard: Arc<Guard>, made_by: TransactionId) -> Self {
        Self { participant, guard, made_by, answer: Vec::new(), permissions: HashMap::new(), channels: HashMap::new() }
    }

    /// Grants or renews permissions for all of `peers`, or for none when they are too many.
    pub(super) fn permit(&mut self, peers: &[SocketAddr], limits: &Limits, now: Tick) -> Result<(), ErrorCode> {
        self.permissions.retain(|_, until| *until > now);
        let known = self.permissions.len();
        let mut permissions = self.permissions.clone();
        permissions.extend(peers.iter().map(|peer| (peer.ip(), now.plus(PERMISSION_LIFETIME))));
        if permissions.len() > limits.permissions_per_allocation.max(known) {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        self.permissions = permissions;
        Ok(())
    }

    /// Binds `number` to `peer` or renews that, with the permission that goes with it (RFC 8656 §12).
    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, limits: &Limits, now: Tick) -> Result<(), ErrorCode> {
        self.channels.retain(|_, (_, until)| *until > now);
        let other = |(bound, (to, _)): (&u16, &(SocketAddr, Tick))| (*bound == number) != (*to == peer);
        if self.channels.iter().any(other) {
            return Err(CODE_BAD_REQUEST);
        }
        if !self.channels.contains_key(&number) && self.channels.len() >= limits.channels_per_allocation {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        self.permit(&[peer], limits, now)?;
        self.channels.insert(number, (peer, now.plus(CHANNEL_LIFETIME)));
        Ok(())
    }

    /// Whether there is a permission for `peer`, whatever its port (RFC 8656 §9).
    pub(super) fn permits(&self, peer: SocketAddr, now: Tick) -> bool {
        self.permissions.get(&peer.ip()).is_some_and(|until| *until > now)
    }

    /// The peer that `number` is bound to.
    pub(super) fn peer_of(&self, number: u16, now: Tick) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|(_, until)| *until > now).map(|(peer, _)| *peer)
    }
}

/// All allocations of one relay by their 5-tuples, and the revoked participants.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    open: HashMap<FiveTuple, Session>,
    revoked: HashMap<ParticipantId, Timestamp>,
}

impl Sessions {
    /// Adds an allocation if its owner is welcome and within the quotas.
    pub(super) fn open(&self, tuple: FiveTuple, session: Session, limits: &Limits) -> Result<(), ErrorCode> {
        let mut table = self.table();
        let source = network(tuple.src_addr.ip());
        let of_user = table.open.values().filter(|other| other.participant == session.participant).count();
        let of_source = table.open.keys().filter(|other| network(other.src_addr.ip()) == source).count();
        if table.revoked.contains_key(&session.participant) {
            Err(CODE_UNAUTHORIZED)
        } else if of_user >= limits.allocations_per_user {
            Err(CODE_ALLOC_QUOTA_REACHED)
        } else if of_source >= limits.allocations_per_source || table.open.len() >= limits.allocations {
            Err(CODE_INSUFFICIENT_CAPACITY)
        } else {
            table.open.insert(tuple, session);
            Ok(())
        }
    }

    /// Looks at the session of `tuple`, or changes it. `None` when there is none.
    pub(super) fn with<T>(&self, tuple: &FiveTuple, look: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.table().open.get_mut(tuple).map(look)
    }

    /// Forgets the allocation of `tuple`, if it is still the one that relays at `address`.
    pub(super) fn forget(&self, tuple: &FiveTuple, address: SocketAddr) {
        let mut table = self.table();
        if table.open.get(tuple).is_some_and(|session| session.guard.address() == address) {
            table.open.remove(tuple);
        }
    }

    /// Refuses the participant's names from now on and cuts off what it holds. Returns the 5-tuples that it held.
    pub(super) fn revoke(&self, participant: ParticipantId, now: Timestamp) -> Vec<FiveTuple> {
        let mut table = self.table();
        table.revoked.retain(|_, until| *until > now);
        if table.revoked.len() >= MAX_REVOKED {
            let first = table.revoked.iter().min_by_key(|(_, until)| **until).map(|(participant, _)| *participant);
            first.and_then(|first| table.revoked.remove(&first));
        }
        table.revoked.insert(participant, now.plus(MAX_TTL));
        let held = table.open.iter().filter(|(_, session)| session.participant == participant);
        held.inspect(|(_, session)| session.guard.cut()).map(|(tuple, _)| *tuple).collect()
    }

    /// Takes a revocation back.
    pub(super) fn readmit(&self, participant: ParticipantId) {
        self.table().revoked.remove(&participant);
    }

    /// Whether the participant's names are refused.
    pub(super) fn is_revoked(&self, participant: ParticipantId, now: Now) -> bool {
        self.table().revoked.get(&participant).is_some_and(|until| *until > now.wall)
    }

    /// The socket that was bound to `port` for a session of this family.
    pub(super) fn bound_to(&self, ipv4: bool, port: u16) -> Option<Arc<Guard>> {
        let bound = |address: SocketAddr| address.port() == port && address.is_ipv4() == ipv4;
        self.table().open.values().find(|session| bound(session.guard.address())).map(|session| Arc::clone(&session.guard))
    }

    /// Every 5-tuple that holds an allocation.
    pub(super) fn tuples(&self) -> Vec<FiveTuple> {
        self.table().open.keys().copied().collect()
    }

    /// How many allocations there are.
    pub(super) fn len(&self) -> usize {
        self.table().open.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing can panic between two changes that belong together, so a poisoned lock still guards a whole table.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
