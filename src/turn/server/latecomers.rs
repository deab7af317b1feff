//! Allocate requests that come when their allocation is over.
//!
//! A client resends what it got no answer to in time, and a network may deliver that after the Refresh request by which the client gave
//! its allocation back. To make another would leave one that nobody knows of, in the way of whoever has the client's port next.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use stun::agent::TransactionId;

use super::output::ClientSocket;
use crate::clock::Tick;

/// How long a request may be on its way: a client gives one up after 39.5 seconds (RFC 8489 §6.2.1).
const LATEST: Duration = Duration::from_secs(40);

/// How many requests are remembered: as many as 100 clients a second give back meanwhile.
const MAX_REMEMBERED: usize = 4096;

/// The requests whose allocations were given back a short while ago.
#[derive(Default)]
pub(super) struct Latecomers {
    requests: HashMap<(ClientSocket, TransactionId), Tick>,
    /// In the order in which they are forgotten.
    order: VecDeque<(ClientSocket, TransactionId)>,
}

impl Latecomers {
    /// Remembers the request that made an allocation which its client has given back.
    pub(super) fn expect(&mut self, client: ClientSocket, made_by: TransactionId, now: Tick) {
        while let Some(first) = self.order.front()
            && (self.order.len() >= MAX_REMEMBERED || self.requests.get(first).is_none_or(|until| *until <= now))
        {
            self.requests.remove(first);
            self.order.pop_front();
        }
        if self.requests.insert((client, made_by), now.plus(LATEST)).is_none() {
            self.order.push_back((client, made_by));
        }
    }

    /// Whether a request made an allocation that has been given back.
    pub(super) fn knows(&self, client: ClientSocket, request: TransactionId, now: Tick) -> bool {
        self.requests.get(&(client, request)).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;

    fn client() -> ClientSocket {
        let address = "192.0.2.1:3478".parse().unwrap();
        ClientSocket { transport: Transport::Udp, local: address, remote: address }
    }

    fn request(number: usize) -> TransactionId {
        let mut id = [0; 12];
        id[4..].copy_from_slice(&number.to_be_bytes());
        TransactionId(id)
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut late = Latecomers::default();
        let now = Tick::default();
        (0..MAX_REMEMBERED + 10).for_each(|number| late.expect(client(), request(number), now));
        assert_eq!((late.requests.len(), late.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!late.knows(client(), request(9), now) && late.knows(client(), request(10), now));
    }

    #[test]
    fn those_that_can_come_no_more_are_forgotten() {
        let mut late = Latecomers::default();
        late.expect(client(), request(1), Tick::default());
        let later = Tick::default().plus(LATEST);
        assert!(!late.knows(client(), request(1), later));
        late.expect(client(), request(2), later);
        assert_eq!((late.requests.len(), late.order.len()), (1, 1));
    }
}
