//! The ports to relay at: random ones of a range, so that nobody can guess the next one.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use socket2::SockRef;

use crate::ids::random_bytes;
use crate::turn::server::{Family, NoPort};

/// How much the kernel may queue for a relay socket while the program is busy: some pictures of those who send it the most.
const RELAY_BUFFER_BYTES: usize = 1 << 20;

/// How many random ports are tried before the range is searched one by one.
const RANDOM_TRIES: u32 = 32;

/// Where relay sockets are bound.
pub(super) struct Ports {
    addresses: Vec<IpAddr>,
    range: RangeInclusive<u16>,
}

impl Ports {
    /// Ports of `range` at `addresses`, at most one of each family.
    pub(super) const fn new(addresses: Vec<IpAddr>, range: RangeInclusive<u16>) -> Self {
        Self { addresses, range }
    }

    /// Other addresses from now on.
    pub(super) fn move_to(&mut self, addresses: Vec<IpAddr>) {
        self.addresses = addresses;
    }

    /// A socket on any port.
    pub(super) fn any(&self, family: Family) -> Result<UdpSocket, NoPort> {
        let ip = self.address(family)?;
        self.first(|port| bind(ip, port))
    }

    /// A socket on an even port.
    pub(super) fn even(&self, family: Family) -> Result<UdpSocket, NoPort> {
        let ip = self.address(family)?;
        self.first(|port| if port % 2 == 0 { bind(ip, port) } else { Err(taken()) })
    }

    /// A socket on an even port and one on the port above.
    pub(super) fn pair(&self, family: Family) -> Result<(UdpSocket, UdpSocket), NoPort> {
        let ip = self.address(family)?;
        self.first(|port| match port.checked_add(1).filter(|next| port % 2 == 0 && self.range.contains(next)) {
            Some(next) => Ok((bind(ip, port)?, bind(ip, next)?)),
            None => Err(taken()),
        })
    }

    fn address(&self, family: Family) -> Result<IpAddr, NoPort> {
        self.addresses.iter().copied().find(|address| Family::of(*address) == family).ok_or(NoPort)
    }

    /// What `bind` makes of the first port, in random order, that is not taken.
    fn first<T>(&self, bind: impl Fn(u16) -> io::Result<T>) -> Result<T, NoPort> {
        let first = u32::from(*self.range.start());
        let count = u32::from(*self.range.end()).saturating_sub(first) + 1;
        let random = || u32::from_be_bytes(random_bytes()) % count;
        let start = random();
        let tries = (0..RANDOM_TRIES).map(|_| random()).chain((0..count).map(|offset| (start + offset) % count));
        for offset in tries {
            let port = u16::try_from(first + offset).expect("the offset stays within a range of ports");
            match bind(port) {
                Ok(bound) => return Ok(bound),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                // Out of descriptors, or the address is gone: no other port will do either.
                Err(_) => return Err(NoPort),
            }
        }
        Err(NoPort)
    }
}

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(ip, port))?;
    socket.set_nonblocking(true)?;
    // Some systems refuse; the relay then works with what it gets.
    let _ = SockRef::from(&socket).set_recv_buffer_size(RELAY_BUFFER_BYTES);
    Ok(socket)
}

fn taken() -> io::Error {
    io::ErrorKind::AddrInUse.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn ports(range: RangeInclusive<u16>) -> Ports {
        Ports::new(vec![LOOPBACK], range)
    }

    fn port(socket: &UdpSocket) -> u16 {
        socket.local_addr().unwrap().port()
    }

    #[test]
    fn t19_relay_ports_are_spread_over_the_range() {
        let ports = ports(20_000..=29_999);
        let bound: Vec<u16> = (0..400).map(|_| port(&ports.any(Family::V4).unwrap())).collect();
        let tenths: HashSet<u16> = bound.iter().map(|port| (port - 20_000) / 1000).collect();
        assert_eq!(tenths.len(), 10, "some tenth of the range was never used");
        let neighbours = bound.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
        assert!(neighbours < 20, "{neighbours} of 400 ports follow on the one before");
    }

    #[test]
    fn even_ports_are_even_and_pairs_are_neighbours() {
        let (wide, odd) = (ports(20_000..=29_999), ports(20_001..=20_001));
        for _ in 0..20 {
            assert_eq!(port(&wide.even(Family::V4).unwrap()) % 2, 0);
            let (first, second) = wide.pair(Family::V4).unwrap();
            assert_eq!((port(&first) % 2, port(&second)), (0, port(&first) + 1));
        }
        assert!(odd.even(Family::V4).is_err());
        assert!(ports(20_000..=20_000).pair(Family::V4).is_err(), "the second port would be outside of the range");
        assert!(wide.any(Family::V6).is_err(), "there is no address of this family");
    }

    #[test]
    fn a_full_range_is_used_to_its_last_port_and_then_refused() {
        // Below the ports that systems give away by themselves, so that nobody takes it while it is free for a moment.
        let anchor = ports(10_000..=19_999).any(Family::V4).unwrap();
        let only = port(&anchor);
        assert!(ports(only..=only).any(Family::V4).is_err());
        drop(anchor);
        assert_eq!(port(&ports(only..=only).any(Family::V4).unwrap()), only);
    }
}
