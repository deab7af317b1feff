//! The addresses of this machine, and how a program on it reaches who listens there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use webrtc_util::ifaces::ifaces;

/// The addresses of all interfaces, loopback included. It asks the kernel, and on some systems that takes a while.
///
/// # Errors
/// The system's, as in a sandbox without netlink.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let addresses = ifaces()?.into_iter().filter_map(|interface| interface.addr).map(|address| address.ip());
    Ok(addresses.filter(|address| !address.is_unspecified()).collect())
}

/// Where a program on this machine reaches who listens at `address`: a wildcard address is no place to go.
pub fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_the_addresses_and_no_wildcard_is() {
        let addresses = addresses().unwrap();
        assert!(addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{addresses:?}");
        assert!(!addresses.iter().any(IpAddr::is_unspecified), "{addresses:?}");
    }

    #[test]
    fn wildcard_addresses_are_reached_by_loopback_and_others_where_they_are() {
        for (listened, reached) in [
            ("0.0.0.0:443", "127.0.0.1:443"),
            ("[::]:8443", "[::1]:8443"),
            ("192.0.2.7:443", "192.0.2.7:443"),
            ("[2001:db8::7]:443", "[2001:db8::7]:443"),
        ] {
            assert_eq!(near(listened.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
