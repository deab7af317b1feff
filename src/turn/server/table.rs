//! Who holds what: allocations by their 5-tuples, those being made, ports in reserve, and the participants whose names are refused.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use stun::error_code::{CODE_ALLOC_QUOTA_REACHED, CODE_INSUFFICIENT_CAPACITY, ErrorCode};

use super::allocate::Opening;
use super::allocation::Allocation;
use super::output::{ClientSocket, RelayId};
use super::timers::Timers;
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::ParticipantId;
use crate::turn::Limits;
use crate::turn::credentials::{Holder, MAX_TTL};
use crate::turn::meter::Share;
use crate::turn::rate::network;

/// How many revoked participants are remembered; more than a day's worth of people sent away.
const MAX_REVOKED: usize = 16_384;

/// The secret by which a client asks for the port that it had put in reserve (RFC 8656 §18.10).
pub(super) type Token = [u8; 8];

/// A relay socket in reserve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) relay: RelayId,
    pub(super) address: SocketAddr,
    pub(super) holder: Holder,
    pub(super) source: IpAddr,
}

/// Something that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ends {
    Allocation(ClientSocket),
    Opening(ClientSocket),
    Reservation(Token),
}

/// Everything that clients hold. What is counted against quotas is counted here.
#[derive(Default)]
pub(super) struct Table {
    pub(super) open: HashMap<ClientSocket, Allocation>,
    pub(super) opening: HashMap<ClientSocket, Opening>,
    pub(super) reserved: BTreeMap<Token, Reservation>,
    /// The client behind each relay socket that is open or being opened; those in reserve are not among them.
    pub(super) relays: HashMap<RelayId, ClientSocket>,
    pub(super) timers: Timers<Ends>,
    /// Who is outside of all quotas.
    pub(super) exempt: Option<Holder>,
    revoked: HashMap<ParticipantId, Timestamp>,
    /// What each holder may move. It outlives the allocations until it is whole again: nobody gets more by ending one and making
    /// another.
    shares: HashMap<Holder, Arc<Share>>,
}

impl Table {
    /// Whether `holder` may have `more` places from the address of `client`.
    pub(super) fn check_quotas(
        &self,
        holder: Holder,
        client: ClientSocket,
        more: usize,
        limits: &Limits,
    ) -> Result<(), ErrorCode> {
        if self.exempt == Some(holder) {
            return Ok(());
        }
        let source = network(client.remote.ip());
        let (mut of_user, mut of_source, mut all) = (more, more, more);
        for (other, from, places) in self.holders() {
            all += places;
            of_user += if other == holder { places } else { 0 };
            of_source += if network(from) == source { places } else { 0 };
        }
        if of_user > limits.allocations_per_user {
            Err(CODE_ALLOC_QUOTA_REACHED)
        } else if of_source > limits.allocations_per_source || all > limits.allocations {
            Err(CODE_INSUFFICIENT_CAPACITY)
        } else {
            Ok(())
        }
    }

    /// Who holds how many relay sockets, from which address.
    fn holders(&self) -> impl Iterator<Item = (Holder, IpAddr, usize)> {
        let open = self.open.values().map(|open| (open.holder, open.client.remote.ip(), open.relays.len()));
        let opening = self.opening.iter().map(|(client, opening)| (opening.holder, client.remote.ip(), opening.places()));
        let reserved = self.reserved.values().map(|reserved| (reserved.holder, reserved.source, 1));
        open.chain(opening).chain(reserved).filter(|(holder, ..)| self.exempt != Some(*holder))
    }

    /// The clients for which `holder` holds or is getting an allocation, in a fixed order.
    pub(super) fn clients_of(&self, holder: Holder) -> Vec<ClientSocket> {
        let open = self.open.values().filter(|open| open.holder == holder).map(|open| open.client);
        let opening = self.opening.iter().filter(|(_, opening)| opening.holder == holder);
        let mut clients: Vec<ClientSocket> = open.chain(opening.map(|(client, _)| *client)).collect();
        clients.sort_unstable();
        clients
    }

    /// The tokens of the ports that `holder` has in reserve.
    pub(super) fn tokens_of(&self, holder: Holder) -> Vec<Token> {
        let held = self.reserved.iter().filter(|(_, reserved)| reserved.holder == holder);
        held.map(|(token, _)| *token).collect()
    }

    /// What `holder` may move by all of its allocations together.
    pub(super) fn share_of(&mut self, holder: Holder, bytes_per_second: u64, now: Tick) -> Arc<Share> {
        self.shares.retain(|_, share| Arc::strong_count(share) > 1 || !share.is_whole(now));
        Arc::clone(self.shares.entry(holder).or_insert_with(|| Arc::new(Share::new(bytes_per_second))))
    }

    /// Looks at the allocation of `client` again when something of it ends.
    pub(super) fn watch(&mut self, client: ClientSocket) {
        if let Some(end) = self.open.get(&client).and_then(Allocation::next_end) {
            self.timers.set(Ends::Allocation(client), end);
        }
    }

    /// Refuses the participant's names from now on.
    pub(super) fn revoke(&mut self, participant: ParticipantId, now: Timestamp) {
        self.revoked.retain(|_, until| *until > now);
        if self.revoked.len() >= MAX_REVOKED {
            let first = self.revoked.iter().min_by_key(|(holder, until)| (**until, **holder)).map(|(holder, _)| *holder);
            first.and_then(|first| self.revoked.remove(&first));
        }
        self.revoked.insert(participant, now.plus(MAX_TTL));
    }

    /// Takes a revocation back.
    pub(super) fn readmit(&mut self, participant: ParticipantId) {
        self.revoked.remove(&participant);
    }

    /// Whether the holder's names are refused. Those of other software are not ours to refuse before they expire.
    pub(super) fn is_revoked(&self, holder: Holder, now: Now) -> bool {
        holder.participant().and_then(|participant| self.revoked.get(&participant)).is_some_and(|until| *until > now.wall)
    }

    /// When something ends next.
    pub(super) fn next_end(&self) -> Option<Tick> {
        self.timers.first()
    }
}
