//! How many may be here at once, in all and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::throttle::ClientNet;

/// A bound on something that lasts, such as a connection. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
}

struct Taken {
    in_all: usize,
    per_network: usize,
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
    /// For sockets that have not taken a seat yet: 1,000 in all, 10 from one network (attack W12). Ours take it at once.
    pub(super) fn for_sockets_without_a_seat() -> Self {
        Self::new(1_000, 10)
    }

    /// So many in all, and so many from one IPv4 address or one IPv6 /64.
    pub fn new(in_all: usize, per_network: usize) -> Self {
        let taken = Taken { in_all, per_network, total: 0, by_network: HashMap::new() };
        Self { taken: Arc::new(Mutex::new(taken)) }
    }

    /// So many from now on. Whoever has a place keeps it.
    pub fn reconfigure(&self, in_all: usize, per_network: usize) {
        let mut taken = self.taken();
        (taken.in_all, taken.per_network) = (in_all, per_network);
    }

    /// A place for `client`, or `None` when there is none left for it.
    pub(super) fn take(&self, client: IpAddr) -> Option<Place> {
        let network = ClientNet::from(client);
        let mut taken = self.taken();
        let from_there = taken.by_network.get(&network).copied().unwrap_or(0);
        if taken.total >= taken.in_all || from_there >= taken.per_network {
            return None;
        }
        taken.total += 1;
        taken.by_network.insert(network, from_there + 1);
        Some(Place { network, places: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
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

    #[test]
    fn other_numbers_hold_at_once_and_nobody_loses_a_place_by_them() {
        let places = Places::new(3, 3);
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let held = [places.take(client), places.take(client), places.take(client)];
        places.reconfigure(2, 2);
        assert!(held.iter().all(Option::is_some) && places.take(client).is_none());
        drop(held);
        let held = [places.take(client), places.take(client)];
        assert!(held.iter().all(Option::is_some) && places.take(client).is_none());
    }
}
