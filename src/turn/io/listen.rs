//! The sockets that clients send and connect to. On a machine without IPv6 those of that family are passed over.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;

use super::system;
use crate::lifecycle::sockets::{self, Passed, stream_listener};

/// How many ports are tried for listeners that all want the same free one.
const LISTEN_TRIES: usize = 16;

/// How much the kernel may queue for a listener while the program is busy.
const LISTEN_BUFFER_BYTES: usize = 1 << 21;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 256;

/// One address that is served, with the same port for datagrams and for streams.
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    /// One socket for each thread; the system keeps a client with one of them. Of passed ones there are as many as were passed, and
    /// the threads share them out.
    pub(super) datagrams: Vec<Arc<UdpSocket>>,
    pub(super) streams: TcpListener,
}

/// Takes those of `passed` that are bound to one of the addresses, and binds the others. Both for datagrams and for streams; where only
/// one of the two was passed, the other is bound beside it.
pub(super) fn listen(addresses: &[SocketAddr], passed: &mut Passed, threads: usize) -> io::Result<Vec<Listener>> {
    let (mut listeners, mut unbound) = (Vec::new(), Vec::new());
    for &local in addresses {
        let (datagrams, streams) = (passed.datagrams_at(local), passed.stream_at(local));
        if datagrams.is_empty() && streams.is_none() {
            unbound.push(local);
            continue;
        }
        let streams = streams.map_or_else(|| streams_at(local), TcpListener::from_std)?;
        let datagrams = if datagrams.is_empty() {
            (0..threads).map(|_| datagrams_at(local, threads > 1)).collect::<io::Result<_>>()?
        } else {
            datagrams.into_iter().map(made_ready).collect()
        };
        listeners.push(Listener { local, datagrams, streams });
    }
    if !unbound.is_empty() {
        listeners.extend(bind(&unbound, threads)?);
    }
    Ok(listeners)
}

/// Binds all addresses. Those with port 0 share the port that the system gave the first of them, which may be taken for streams or
/// in the other family; then another one is tried.
fn bind(addresses: &[SocketAddr], threads: usize) -> io::Result<Vec<Listener>> {
    let mut outcome: io::Result<Vec<Listener>> = Ok(Vec::new());
    for _ in 0..LISTEN_TRIES {
        let mut chosen = 0;
        outcome = bind_each(addresses, |address| {
            let port = if address.port() == 0 { chosen } else { address.port() };
            // Streams first: their port can be shared with no other program, so that nobody listens in on the datagrams.
            let streams = streams_at(SocketAddr::new(address.ip(), port))?;
            let local = streams.local_addr()?;
            if address.port() == 0 {
                chosen = local.port();
            }
            let datagrams = (0..threads).map(|_| datagrams_at(local, threads > 1)).collect::<io::Result<_>>()?;
            Ok(Listener { local, datagrams, streams })
        });
        let taken = matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        if !taken || chosen == 0 {
            break;
        }
    }
    outcome
}

/// The same for streams by TLS alone. The relay can do without them, so what another program has is passed over, and told in the log.
pub(super) fn listen_for_tls(addresses: &[SocketAddr], passed: &mut Passed) -> io::Result<Vec<TcpListener>> {
    let listeners = bind_each(addresses, |address| {
        match passed.stream_at(address).map_or_else(|| streams_at(address), TcpListener::from_std) {
            Err(error) if sockets::is_taken(&error) => {
                sockets::warn_of_taken(address, "relay.listen_tls", &error);
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    })?;
    Ok(listeners.into_iter().flatten().collect())
}

fn bind_each<T>(addresses: &[SocketAddr], mut bind: impl FnMut(SocketAddr) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut bound = Vec::with_capacity(addresses.len());
    for &address in addresses {
        match bind(address) {
            Ok(socket) => bound.push(socket),
            Err(error) if address.is_ipv6() && addresses.len() > 1 && is_without_family(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}

/// Whether an address could not be bound because this machine has none of its family, as where IPv6 is turned off.
pub fn is_without_family(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own; it reads as unsupported or uncategorised.
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn datagrams_at(address: SocketAddr, shared: bool) -> io::Result<Arc<UdpSocket>> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(made_ready(socket.into()))
}

/// A bound socket as the threads need it.
fn made_ready(socket: UdpSocket) -> Arc<UdpSocket> {
    let options = SockRef::from(&socket);
    // Some systems refuse; the relay then works with what it gets.
    let _ = options.set_recv_buffer_size(LISTEN_BUFFER_BYTES);
    let _ = options.set_send_buffer_size(LISTEN_BUFFER_BYTES);
    system::prepare(&socket);
    Arc::new(socket)
}

fn streams_at(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(stream_listener(address, BACKLOG)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_of_both_families_share_a_free_port() {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()], 2);
        let Ok(listeners) = listeners else {
            // A machine without IPv6 can't show this.
            assert!(UdpSocket::bind("[::1]:0").is_err());
            return;
        };
        let ports: Vec<u16> = listeners.iter().map(|at| at.local.port()).collect();
        assert_eq!(ports[0], ports[1]);
        assert!(listeners.iter().all(|at| at.streams.local_addr().unwrap() == at.local));
    }

    #[test]
    fn only_addresses_of_a_family_that_is_missing_are_passed_over() {
        let both: [SocketAddr; 2] = ["127.0.0.1:1".parse().unwrap(), "[::]:1".parse().unwrap()];
        let failing =
            |missing: io::ErrorKind| move |address: SocketAddr| if address.is_ipv6() { Err(missing.into()) } else { Ok(address) };
        assert_eq!(bind_each(&both, failing(io::ErrorKind::AddrNotAvailable)).unwrap(), both[..1]);
        assert!(bind_each(&both, failing(io::ErrorKind::AddrInUse)).is_err());
        assert!(bind_each(&both[1..], failing(io::ErrorKind::AddrNotAvailable)).is_err(), "nothing would be served");
        assert!(bind_each(&both, |_| Err::<(), _>(io::ErrorKind::AddrNotAvailable.into())).is_err());
    }

    #[test]
    fn a_family_that_the_system_does_not_know_is_told_from_other_errors() {
        assert!(is_without_family(&io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
        assert!(is_without_family(&io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)));
        assert!(!is_without_family(&io::Error::from_raw_os_error(libc::EACCES)));
    }

    #[tokio::test]
    async fn passed_sockets_are_taken_as_they_are_and_what_is_missing_beside_them_is_bound() {
        let passed_udp = datagrams_at("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let local = passed_udp.local_addr().unwrap();
        let twin = datagrams_at(local, true).unwrap();
        let mut passed = Passed::default();
        for socket in [passed_udp, twin] {
            passed.add_datagrams("relay", Arc::into_inner(socket).unwrap()).unwrap();
        }
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        other.set_nonblocking(true).unwrap();
        let elsewhere = other.local_addr().unwrap();
        passed.add_stream("relay", other).unwrap();
        let listeners = listen(&[local, elsewhere, "127.0.0.1:0".parse().unwrap()], &mut passed, 3).unwrap();
        let datagrams: Vec<usize> = listeners.iter().map(|at| at.datagrams.len()).collect();
        assert_eq!(datagrams, [2, 3, 3], "two were passed for the first, none for the others");
        assert_eq!((listeners[0].local, listeners[1].local), (local, elsewhere));
        assert!(listeners.iter().all(|at| at.streams.local_addr().unwrap() == at.local));
        assert!(passed.left().is_empty());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_for_streams_is_an_error() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let outcome = listen(&[other.local_addr().unwrap()], &mut Passed::default(), 1);
        assert!(outcome.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    }
}
