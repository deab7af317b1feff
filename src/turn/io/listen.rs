//! The sockets that clients send to.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// How many pairs of ports are tried for two listeners that want the same free one.
const LISTEN_TRIES: usize = 16;

/// How much the kernel may queue for a listener while the program is busy.
const LISTEN_BUFFER_BYTES: usize = 1 << 21;

/// Binds all addresses. Those with port 0 share the port that the system gave the first of them, which may be taken in the other
/// family; then another one is tried.
pub(super) fn listen(addresses: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    let mut outcome: io::Result<Vec<UdpSocket>> = Ok(Vec::new());
    for _ in 0..LISTEN_TRIES {
        let mut chosen = 0;
        outcome = addresses
            .iter()
            .map(|address| {
                let port = if address.port() == 0 { chosen } else { address.port() };
                let socket = listen_at(SocketAddr::new(address.ip(), port))?;
                if address.port() == 0 {
                    chosen = socket.local_addr()?.port();
                }
                Ok(socket)
            })
            .collect();
        let taken = matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        if !taken || chosen == 0 {
            break;
        }
    }
    outcome
}

fn listen_at(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Some systems refuse; the relay then works with what it gets.
    let _ = socket.set_recv_buffer_size(LISTEN_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_of_both_families_share_a_free_port() {
        let sockets = listen(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]);
        let Ok(sockets) = sockets else {
            // A machine without IPv6 can't show this.
            assert!(std::net::UdpSocket::bind("[::1]:0").is_err());
            return;
        };
        assert_eq!(sockets[0].local_addr().unwrap().port(), sockets[1].local_addr().unwrap().port());
    }
}
