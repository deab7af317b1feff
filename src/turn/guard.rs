//! A relay socket behind the peer policy: nothing passes it in either direction that the policy forbids.
//!
//! It is also where errors end. The crate takes an error of a relay socket for the end of the allocation, but to the sender of a
//! datagram an unreachable peer is news about one peer and nothing else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::turn::allocation::five_tuple::FiveTuple;
use ::turn::relay::RelayAddressGenerator;
use async_trait::async_trait;
use tokio::net::UdpSocket;
use webrtc_util::Conn;

use super::counters::Tally;
use super::policy::Peers;
use super::sessions::Sessions;
use crate::ids::random_bytes;

/// How many random ports are tried before the range is searched one by one.
const RANDOM_TRIES: u32 = 32;

/// How long to wait after a failed receive, so that an error that stays doesn't spin.
pub(super) const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

/// Which ports will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parity {
    Any,
    Even,
}

/// The socket of one allocation.
pub(super) struct Guard {
    socket: UdpSocket,
    address: SocketAddr,
    owner: FiveTuple,
    cut: AtomicBool,
    peers: Arc<Peers>,
    tally: Arc<Tally>,
    sessions: Weak<Sessions>,
}

impl Guard {
    /// Binds a socket for `owner` at `ip` to a random free port of `ports`.
    ///
    /// # Errors
    /// When every port is taken, or `ip` is not an address of this machine.
    pub(super) fn bind(
        owner: FiveTuple,
        (ip, parity): (IpAddr, Parity),
        ports: &RangeInclusive<u16>,
        peers: &Arc<Peers>,
        tally: &Arc<Tally>,
        sessions: &Arc<Sessions>,
    ) -> io::Result<Arc<Self>> {
        let socket = bind_in(ip, ports, parity)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let address = socket.local_addr()?;
        peers.opened(address);
        let (peers, tally, sessions) = (Arc::clone(peers), Arc::clone(tally), Arc::downgrade(sessions));
        Ok(Arc::new(Self { socket, address, owner, cut: AtomicBool::new(false), peers, tally, sessions }))
    }

    /// The address that the socket is bound to.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops all traffic at once and gives up the address as a peer's. The socket itself goes with the allocation.
    pub(super) fn cut(&self) {
        if !self.cut.swap(true, Ordering::AcqRel) {
            self.peers.closed(self.address);
        }
    }

    /// Sends `data` to `peer` if the policy allows it. What can't be sent is counted and dropped, as networks do.
    pub(super) async fn send(&self, data: &[u8], peer: SocketAddr) {
        if self.cut.load(Ordering::Acquire) || !self.peers.allows(peer) || peer.is_ipv4() != self.address.is_ipv4() {
            self.tally.forbidden.one();
            return;
        }
        match self.socket.send_to(data, self.peers.bound(peer)).await {
            Ok(_) => {
                self.tally.packets_out.one();
                self.tally.bytes_out.more(data.len());
            }
            Err(_) => self.tally.send_errors.one(),
        }
    }

    /// The next datagram from an allowed peer, with the address that the client knows that peer by.
    async fn receive(&self, buffer: &mut [u8]) -> (usize, SocketAddr) {
        loop {
            match self.socket.recv_from(buffer).await {
                Err(_) => {
                    self.tally.receive_errors.one();
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                }
                // One that fills the crate's buffer has probably lost its end.
                Ok((length, _)) if length == buffer.len() => self.tally.receive_errors.one(),
                Ok((_, source)) if self.cut.load(Ordering::Acquire) || !self.peers.allows(source) => self.tally.forbidden.one(),
                Ok((length, source)) => {
                    self.tally.packets_in.one();
                    self.tally.bytes_in.more(length);
                    return (length, self.peers.known(source));
                }
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.cut();
    }
}

#[async_trait]
impl Conn for Guard {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn recv(&self, buffer: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.receive(buffer).await.0)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        Ok(self.receive(buffer).await)
    }

    async fn send(&self, _: &[u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(io::ErrorKind::NotConnected).into())
    }

    async fn send_to(&self, data: &[u8], peer: SocketAddr) -> webrtc_util::Result<usize> {
        self.send(data, peer).await;
        Ok(data.len())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.address)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        self.cut();
        if let Some(sessions) = self.sessions.upgrade() {
            sessions.forget(&self.owner, self.address);
        }
        Ok(())
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}

/// Hands the crate's manager the socket that was already bound for a client: it asks by the port.
pub(super) struct BoundSockets {
    pub(super) sessions: Arc<Sessions>,
    pub(super) peers: Arc<Peers>,
}

#[async_trait]
impl RelayAddressGenerator for BoundSockets {
    fn validate(&self) -> Result<(), ::turn::Error> {
        Ok(())
    }

    async fn allocate_conn(&self, ipv4: bool, port: u16) -> Result<(Arc<dyn Conn + Send + Sync>, SocketAddr), ::turn::Error> {
        let guard = self.sessions.bound_to(ipv4, port).ok_or(::turn::Error::ErrRelayAddressInvalid)?;
        let known = self.peers.known(guard.address);
        Ok((guard, known))
    }
}

/// A socket at `ip` on a port of `ports`, random so that nobody can guess the next one.
fn bind_in(ip: IpAddr, ports: &RangeInclusive<u16>, parity: Parity) -> io::Result<std::net::UdpSocket> {
    let first = u32::from(*ports.start());
    let count = u32::from(*ports.end()).saturating_sub(first) + 1;
    let random = || u32::from_be_bytes(random_bytes()) % count;
    let start = random();
    let tries = (0..RANDOM_TRIES).map(|_| random()).chain((0..count).map(|offset| (start + offset) % count));
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    let ports = tries.map(|offset| u16::try_from(first + offset).expect("the offset stays within a range of ports"));
    for port in ports.filter(|port| parity == Parity::Any || port % 2 == 0) {
        match std::net::UdpSocket::bind(SocketAddr::new(ip, port)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn t19_relay_ports_are_spread_over_the_range() {
        let ports = 20_000..=29_999;
        let bound: Vec<u16> =
            (0..400).map(|_| bind_in(LOOPBACK, &ports, Parity::Any).unwrap().local_addr().unwrap().port()).collect();
        let tenths: HashSet<u16> = bound.iter().map(|port| (port - 20_000) / 1000).collect();
        assert_eq!(tenths.len(), 10, "some tenth of the range was never used");
        let neighbours = bound.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
        assert!(neighbours < 20, "{neighbours} of 400 ports follow on the one before");
    }

    #[test]
    fn even_ports_are_even() {
        for _ in 0..20 {
            let socket = bind_in(LOOPBACK, &(20_000..=29_999), Parity::Even).unwrap();
            assert_eq!(socket.local_addr().unwrap().port() % 2, 0);
        }
        assert!(bind_in(LOOPBACK, &(20_001..=20_001), Parity::Even).is_err());
    }

    #[test]
    fn a_full_range_is_used_to_its_last_port_and_then_refused() {
        let anchor = std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let port = anchor.local_addr().unwrap().port();
        assert_eq!(bind_in(LOOPBACK, &(port..=port), Parity::Any).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(anchor);
        assert_eq!(bind_in(LOOPBACK, &(port..=port), Parity::Any).unwrap().local_addr().unwrap().port(), port);
    }
}
