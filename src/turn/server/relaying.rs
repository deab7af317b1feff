//! Payloads between clients and peers (RFC 8656 §11, §12.6, §12.7). What may not pass is dropped without a word and counted.

use std::net::SocketAddr;
use std::ops::Range;

use stun::agent::TransactionId;
use stun::attributes::ATTR_DONT_FRAGMENT;
use stun::message::Message;

use super::Server;
use super::allocation::Relay;
use super::message;
use super::output::{ClientSocket, Family, Head, Output, PeerSocket, RelayId, Transport};
use crate::clock::{Now, Tick};
use crate::turn::channel_data;
use crate::turn::meter::Charge;

/// Why a packet may not leave for its peer.
pub(super) enum Denial {
    /// Nothing covers it.
    Unpermitted,
    /// The peer policy forbids the peer.
    Forbidden,
}

impl Server {
    /// Takes what came to a relay socket from a peer.
    pub fn handle_peer(&mut self, relay: RelayId, peer: PeerSocket, bytes: &[u8], now: Now) {
        self.handle_timeout(now);
        // A packet may still be on its way from the edge when its allocation has ended.
        let Some(client) = self.table.relays.get(&relay).copied() else { return self.counters.unpermitted += 1 };
        if !self.peers.allows(peer.0) {
            self.counters.forbidden_packets += 1;
            return;
        }
        self.deliver((None, client), self.peers.known(peer.0), 0..bytes.len(), now);
    }

    pub(super) fn send_indication(&mut self, client: ClientSocket, message: &Message, now: Now) {
        let (data, peers) = (message::data(message), message::peers(message).unwrap_or_default());
        let (Some(data), [peer], []) = (data, &*peers, &*message::unknown(message, self.keeps_whole)) else {
            self.counters.malformed += 1;
            return;
        };
        self.send(client, *peer, (data, message.contains(ATTR_DONT_FRAGMENT)), now);
    }

    pub(super) fn channel_data(&mut self, client: ClientSocket, packet: &[u8], now: Now) {
        let Some((number, payload)) = channel_data::read(packet) else { return self.counters.malformed += 1 };
        match self.table.open.get(&client).and_then(|open| open.bound_to(number, now.tick)) {
            Some((peer, _)) => self.send(client, peer, (payload, false), now),
            None => self.counters.unpermitted += 1,
        }
    }

    /// Sends a payload of `client` to `peer`, in fragments only where `whole` is not said.
    fn send(&mut self, client: ClientSocket, peer: SocketAddr, (payload, whole): (Range<usize>, bool), now: Now) {
        let relay = match self.leaves_by(client, peer, now) {
            Ok((relay, _)) => relay,
            Err(Denial::Unpermitted) => return self.counters.unpermitted += 1,
            Err(Denial::Forbidden) => return self.counters.forbidden_packets += 1,
        };
        match self.peers.owner(peer) {
            // Two relayed clients meet here, without a socket between them.
            Some(other) => self.deliver((Some(client), other), self.peers.known(relay.address), payload, now),
            None if !self.charge(Some(client), None, payload.len(), now) => {}
            None => self.outputs.push_back(Output::ToPeer { relay: relay.id, peer: PeerSocket(peer), payload, whole }),
        }
    }

    /// The relay socket by which packets of `client` may leave for `peer` now, and until when.
    pub(super) fn leaves_by(&self, client: ClientSocket, peer: SocketAddr, now: Now) -> Result<(Relay, Tick), Denial> {
        let open = self.table.open.get(&client).ok_or(Denial::Unpermitted)?;
        let permitted_until = open.permitted_until(peer.ip(), now.tick).ok_or(Denial::Unpermitted)?;
        let relay = open.relay(Family::of(peer.ip())).copied().filter(|relay| relay.until > now.tick);
        let relay = relay.ok_or(Denial::Unpermitted)?;
        if self.peers.allows(peer) { Ok((relay, permitted_until.min(relay.until))) } else { Err(Denial::Forbidden) }
    }

    /// Brings `client` a payload from `peer`, written as the client knows it; `sender` is who sends it by this relay, if anybody.
    fn deliver(
        &mut self,
        (sender, client): (Option<ClientSocket>, ClientSocket),
        peer: SocketAddr,
        payload: Range<usize>,
        now: Now,
    ) {
        let open = self.table.open.get(&client).filter(|open| open.permits(peer.ip(), now.tick));
        let Some(open) = open else { return self.counters.unpermitted += 1 };
        if !self.charge(sender, Some(client), payload.len(), now) {
            return;
        }
        let channel = open.channel_to(peer, now.tick).map(|(number, _)| number);
        let (head, padding) = match channel {
            Some(number) => {
                let padding = match client.transport {
                    Transport::Udp => 0,
                    Transport::Tcp | Transport::Tls => channel_data::padding(payload.len()),
                };
                (Head::channel(number, payload.len()), padding)
            }
            None => {
                let id = self.indication_id();
                message::data_indication(id, peer, payload.len())
            }
        };
        self.outputs.push_back(Output::ToClient { client, head, payload, padding });
    }

    /// Charges a packet to all whose shares it takes from. False when it is to be dropped, and was counted.
    fn charge(&self, sender: Option<ClientSocket>, receiver: Option<ClientSocket>, bytes: usize, now: Now) -> bool {
        let meter = |client: Option<ClientSocket>| Some(&*self.table.open.get(&client?)?.meter);
        let charge = Charge { sender: meter(sender), line: self.line.as_deref(), receiver: meter(receiver) };
        charge.take(1, bytes, now.tick, true)
    }

    /// An indication has no answer that its id would have to be safe from, so that it need only be new.
    fn indication_id(&mut self) -> TransactionId {
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.name().to_be_bytes());
        TransactionId(id)
    }
}
