//! Sockets that the service manager has bound for us and keeps while we are away (`sd_listen_fds(3)`): who connects during a restart
//! waits a moment instead of being refused.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Listens on `address` by TCP, with room for so many connections that nobody has accepted yet. An IPv6 address takes IPv6 only, so that
/// both families can be bound side by side on any system. The socket never blocks.
///
/// # Errors
///
/// The system's, for example when the port is taken.
pub fn stream_listener(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restarted server takes its port back although old connections linger in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The sockets that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Passed {
    streams: Vec<(Label, TcpListener)>,
    datagrams: Vec<(Label, UdpSocket)>,
}

/// How one of them is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// `FileDescriptorName=` of the unit, or the name of the unit itself; empty where there is none.
    pub name: String,
    /// Where it is bound.
    pub local: SocketAddr,
    /// Whether it takes IPv4 beside IPv6.
    pub takes_both: bool,
}

/// Something was passed that can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "socket {number} that the service manager passed is neither TCP nor UDP ({source}); give ListenStream= and ListenDatagram= an address and a port"
)]
pub struct Unusable {
    number: usize,
    source: io::Error,
}

impl Passed {
    /// Takes the sockets over. To be called once, before anything else is opened and before there is a second thread: it clears the
    /// variables that announce them.
    ///
    /// # Errors
    /// When one of them is no IP socket.
    pub fn take() -> Result<Self, Unusable> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let (mut descriptors, mut passed) = (ListenFd::from_env(), Self::default());
        for number in 0..descriptors.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let unusable = |source| Unusable { number: number + 1, source };
            if let Ok(Some(socket)) = descriptors.take_tcp_listener(number) {
                passed.add_stream(name, socket).map_err(unusable)?;
            } else if let Some(socket) = descriptors.take_udp_socket(number).map_err(unusable)? {
                passed.add_datagrams(name, socket).map_err(unusable)?;
            }
        }
        Ok(passed)
    }

    /// Adds a socket that takes connections.
    ///
    /// # Errors
    /// When the system can't say where it is bound.
    pub fn add_stream(&mut self, name: impl Into<String>, socket: TcpListener) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let label = Label::of(name.into(), socket.local_addr()?, &SockRef::from(&socket))?;
        self.streams.push((label, socket));
        Ok(())
    }

    /// Adds a socket that takes datagrams.
    ///
    /// # Errors
    /// As [`Passed::add_stream`].
    pub fn add_datagrams(&mut self, name: impl Into<String>, socket: UdpSocket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let label = Label::of(name.into(), socket.local_addr()?, &SockRef::from(&socket))?;
        self.datagrams.push((label, socket));
        Ok(())
    }

    /// How those that take connections are known.
    pub fn streams(&self) -> impl Iterator<Item = &Label> {
        self.streams.iter().map(|(label, _)| label)
    }

    /// How those that take datagrams are known.
    pub fn datagrams(&self) -> impl Iterator<Item = &Label> {
        self.datagrams.iter().map(|(label, _)| label)
    }

    /// Takes the one that takes connections at `local`.
    pub fn stream_at(&mut self, local: SocketAddr) -> Option<TcpListener> {
        let index = self.streams.iter().position(|(label, _)| label.local == local)?;
        Some(self.streams.swap_remove(index).1)
    }

    /// Takes all that take datagrams at `local`; with `ReusePort=` there may be several.
    pub fn datagrams_at(&mut self, local: SocketAddr) -> Vec<UdpSocket> {
        self.datagrams.extract_if(.., |(label, _)| label.local == local).map(|(_, socket)| socket).collect()
    }

    /// Where those are bound that nobody took.
    pub fn left(&self) -> Vec<SocketAddr> {
        self.streams().chain(self.datagrams()).map(|label| label.local).collect()
    }
}

/// Whether an address can't be had because of another program: it has the port, or this user would need a socket of the service
/// manager's, which did not get it either.
pub fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Says in the log that the server goes on without an address that it can do without. `key` is the setting that names it.
pub fn warn_of_taken(address: SocketAddr, key: &str, error: &io::Error) {
    tracing::warn!(%address, %error, "{}", told_of_taken(address.port(), key, error.kind()));
}

fn told_of_taken(port: u16, key: &str, kind: io::ErrorKind) -> String {
    if kind == io::ErrorKind::PermissionDenied {
        return format!(
            "port {port} is not ours, and Hearth goes on without it: here it needs a socket of systemd's, or the right \
             CAP_NET_BIND_SERVICE. `systemctl status hearth-http.socket hearth-turns.socket` tells why there is none, which may be that \
             another program has the port. Mend that and restart Hearth, or take the address out of {key}"
        );
    }
    format!(
        "port {port} is not ours, and Hearth goes on without it; `sudo ss -lptn 'sport = :{port}'` tells which program has it. Stop that \
         one and restart Hearth, or take the address out of {key}"
    )
}

impl Label {
    fn of(name: String, local: SocketAddr, socket: &SockRef<'_>) -> io::Result<Self> {
        let takes_both = local.is_ipv6() && !socket.only_v6()?;
        Ok(Self { name, local, takes_both })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_and_one_that_needs_a_right_are_told_apart() {
        let told = |kind| told_of_taken(80, "server.listen_http", kind);
        let (taken, forbidden) = (told(io::ErrorKind::AddrInUse), told(io::ErrorKind::PermissionDenied));
        assert!(taken.contains("ss -lptn 'sport = :80'") && !taken.contains("CAP_NET_BIND_SERVICE"), "{taken}");
        assert!(forbidden.contains("CAP_NET_BIND_SERVICE") && !forbidden.contains("ss -lptn"), "{forbidden}");
        assert!(
            [taken, forbidden].iter().all(|told| told.contains("port 80 is not ours") && told.contains("server.listen_http"))
        );
    }

    #[test]
    fn each_socket_is_taken_once_and_by_its_address() {
        let mut passed = Passed::default();
        let stream = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = stream.local_addr().unwrap();
        passed.add_stream("https", stream).unwrap();
        passed.add_datagrams("relay", UdpSocket::bind(local).unwrap()).unwrap();
        assert_eq!(passed.streams().map(|label| label.name.as_str()).collect::<Vec<_>>(), ["https"]);
        assert!(passed.datagrams().all(|label| label.local == local && !label.takes_both));
        let elsewhere = SocketAddr::new(local.ip(), local.port() ^ 1);
        assert!(passed.stream_at(elsewhere).is_none() && passed.datagrams_at(elsewhere).is_empty());
        assert_eq!(passed.left(), [local, local]);
        assert_eq!(passed.stream_at(local).unwrap().local_addr().unwrap(), local);
        assert_eq!(passed.datagrams_at(local).len(), 1);
        assert!(passed.stream_at(local).is_none() && passed.datagrams_at(local).is_empty() && passed.left().is_empty());
    }

    #[test]
    fn a_socket_that_takes_both_families_says_so() {
        let Ok(both) = UdpSocket::bind("[::]:0") else { return };
        let mut passed = Passed::default();
        passed.add_datagrams("", both).unwrap();
        // What a fresh socket does is the machine's choice; the label must agree with it.
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
        assert_eq!(passed.datagrams().all(|label| label.takes_both), !socket.only_v6().unwrap());
    }
}
