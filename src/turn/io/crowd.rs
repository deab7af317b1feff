//! The streams that are open: how many there are, from which networks, and which of them has been here longest.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::streams::Stream;
use crate::turn::Limits;
use crate::turn::rate::network;
use crate::turn::server::ClientSocket;

/// How many of the oldest streams are looked at to find one that can go.
const CANDIDATES: usize = 64;

/// The open streams, each under the addresses that tell it from all others.
pub(super) struct Crowd {
    most: usize,
    most_per_network: usize,
    members: HashMap<ClientSocket, Member>,
    /// By when they came, or were last passed over.
    queue: BTreeMap<u64, ClientSocket>,
    by_network: HashMap<IpAddr, usize>,
    numbered: u64,
}

struct Member {
    stream: Arc<Stream>,
    number: u64,
}

impl Crowd {
    /// As many as there may be allocations, in all and from one network. Six people of one office need 60 to meet by streams alone:
    /// browsers prepare one by TCP and one by TLS for each of the other five.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.allocations,
            most_per_network: limits.allocations_per_source,
            members: HashMap::new(),
            queue: BTreeMap::new(),
            by_network: HashMap::new(),
            numbered: 0,
        }
    }

    /// As many as that from now on. Those who are there stay.
    pub(super) const fn set_limits(&mut self, limits: &Limits) {
        (self.most, self.most_per_network) = (limits.allocations, limits.allocations_per_source);
    }

    /// Whether a client at `source` may have another stream, as far as its own network goes.
    pub(super) fn may_have_more(&self, source: IpAddr) -> bool {
        self.by_network.get(&network(source)).copied().unwrap_or(0) < self.most_per_network
    }

    /// Makes room for one more, where there is none, by taking out the oldest stream that is not `needed`; it is to be closed.
    /// Few are looked at for each newcomer. Those that are needed stand at the end of the queue afterwards.
    ///
    /// # Errors
    /// When all that were looked at are needed.
    pub(super) fn make_room(&mut self, needed: impl Fn(ClientSocket) -> bool) -> Result<Option<Arc<Stream>>, Full> {
        if self.members.len() < self.most {
            return Ok(None);
        }
        for _ in 0..CANDIDATES.min(self.members.len()) {
            let Some((_, client)) = self.queue.pop_first() else { break };
            if !needed(client) {
                return Ok(self.take_out(client));
            }
            let number = self.number();
            self.queue.insert(number, client);
            if let Some(member) = self.members.get_mut(&client) {
                member.number = number;
            }
        }
        Err(Full)
    }

    /// Adds a stream. Returns the one that had the same addresses.
    pub(super) fn insert(&mut self, client: ClientSocket, stream: Arc<Stream>) -> Option<Arc<Stream>> {
        let earlier = self.take_out(client);
        let number = self.number();
        self.queue.insert(number, client);
        *self.by_network.entry(network(client.remote.ip())).or_default() += 1;
        self.members.insert(client, Member { stream, number });
        earlier
    }

    pub(super) fn get(&self, client: &ClientSocket) -> Option<&Arc<Stream>> {
        self.members.get(client).map(|member| &member.stream)
    }

    /// Takes `stream` out. False when another one has its addresses.
    pub(super) fn remove(&mut self, client: ClientSocket, stream: &Arc<Stream>) -> bool {
        let own = self.get(&client).is_none_or(|current| Arc::ptr_eq(current, stream));
        if own {
            self.take_out(client);
        }
        own
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.queue.clear();
        self.by_network.clear();
    }

    fn take_out(&mut self, client: ClientSocket) -> Option<Arc<Stream>> {
        let Member { stream, number } = self.members.remove(&client)?;
        self.queue.remove(&number);
        let network = network(client.remote.ip());
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
        Some(stream)
    }

    const fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }
}

/// There is no room for another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every stream that could make room has an allocation")]
pub(super) struct Full;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::turn::server::Transport;

    fn client(network: u8, port: u16) -> ClientSocket {
        let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, network), port));
        ClientSocket { transport: Transport::Tcp, local: SocketAddr::from((Ipv4Addr::LOCALHOST, 3478)), remote }
    }

    fn crowd(allocations: usize, allocations_per_source: usize) -> Crowd {
        Crowd::new(&Limits { allocations, allocations_per_source, ..Limits::default() })
    }

    async fn stream() -> Arc<Stream> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Stream::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap(), None)
    }

    #[tokio::test]
    async fn t25_a_network_has_its_share_and_gets_it_back() {
        let mut crowd = crowd(10, 2);
        let (one, other) = (stream().await, stream().await);
        assert!(crowd.insert(client(1, 1), Arc::clone(&one)).is_none());
        assert!(crowd.insert(client(1, 2), Arc::clone(&one)).is_none());
        assert!(!crowd.may_have_more(client(1, 3).remote.ip()));
        assert!(crowd.may_have_more(client(2, 3).remote.ip()));
        assert!(crowd.insert(client(1, 2), Arc::clone(&other)).is_some_and(|earlier| Arc::ptr_eq(&earlier, &one)));
        assert!(!crowd.remove(client(1, 2), &one), "another stream has its addresses");
        assert!(crowd.remove(client(1, 2), &other));
        assert!(crowd.remove(client(1, 2), &other), "nobody has its addresses");
        assert!(crowd.may_have_more(client(1, 3).remote.ip()));
        assert!(crowd.remove(client(1, 1), &one));
        assert!(crowd.by_network.is_empty() && crowd.queue.is_empty() && crowd.members.is_empty());
    }

    #[tokio::test]
    async fn t25_when_it_is_full_the_oldest_that_nobody_needs_makes_room() {
        let (mut crowd, stream) = (crowd(3, 3), stream().await);
        assert!(crowd.make_room(|_| false).unwrap().is_none(), "there is room");
        for port in 1..=3 {
            crowd.insert(client(1, port), Arc::clone(&stream));
        }
        assert!(crowd.make_room(|client| client.remote.port() == 1).unwrap().is_some());
        let left: Vec<u16> = crowd.queue.values().map(|client| client.remote.port()).collect();
        assert_eq!(left, [3, 1]);
        crowd.insert(client(1, 4), Arc::clone(&stream));
        assert!(crowd.make_room(|_| true).is_err());
        assert_eq!((crowd.members.len(), crowd.queue.len()), (3, 3));
        assert!(crowd.queue.iter().all(|(number, client)| crowd.members[client].number == *number));
    }

    #[tokio::test]
    async fn t25_however_many_are_needed_few_are_looked_at_for_a_newcomer() {
        let most = CANDIDATES * 2;
        let (mut crowd, stream) = (crowd(most, most), stream().await);
        for port in 1..=u16::try_from(most).unwrap() {
            crowd.insert(client(1, port), Arc::clone(&stream));
        }
        let needed = |client: ClientSocket| usize::from(client.remote.port()) != most;
        assert!(crowd.make_room(needed).is_err());
        assert!(crowd.make_room(needed).unwrap().is_some(), "the next newcomer looks on where the last one stopped");
    }
}
