//! How many may be here at once, in all and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::throttle::ClientNet;

/// A bound on something that lasts, such as a connection. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Places {
    in_all: usize,
    per_network: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_network: HashMap<ClientNet, usize>,
}

/// One place in the count, given back when dropped.
pub struct Place {
    network: ClientNet,
    places: Places,
}

/// The place of the connection that a request came over, in the request's extensions. Who takes the connection over, as a socket
/// does, keeps it as long as the connection.
#[derive(Clone)]
pub(super) struct ConnectionPlace(#[expect(dead_code, reason = "it is held, not read")] pub(super) Arc<Place>);

impl Places {
    /// For connections: 10,000 in all, 256 from one network. All listeners share them.
    pub fn for_connections() -> Self {
        Self::new(10_000, 256)
    }

    /// For sockets that have not taken a seat yet: 1,000 in all, 10 from one network (attack W12). Ours take it at once.
    pub(super) fn for_sockets_without_a_seat() -> Self {
        Self::new(1_000, 10)
    }

    /// So many in all, and so many from one IPv4 address or one IPv6 /64.
    fn new(in_all: usize, per_network: usize) -> Self {
        Self { in_all, per_network, taken: Arc::default() }
    }

    /// A place for `client`, or `None` when there is none left for it.
    pub(super) fn take(&self, client: IpAddr) -> Option<Place> {
        let network = ClientNet::from(client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = taken.by_network.get(&network).copied().unwrap_or(0);
        if taken.total >= self.in_all || from_there >= self.per_network {
            return None;
        }
        taken.total += 1;
        taken.by_network.insert(network, from_there + 1);
        Some(Place { network, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_one_network_can_not_take_all_places_and_gives_its_own_back() {
        let places = Places::new(3, 2);
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = places.take(one);
        let second = places.clone().take(one);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(one).is_none());
        let third = places.take(other);
        assert!(third.is_some());
        assert!(places.take("192.0.2.3".parse().unwrap()).is_none());
        drop((first, second, third));
        assert!(places.taken.lock().unwrap().by_network.is_empty());
        assert!(places.take(one).is_some());
    }
}
