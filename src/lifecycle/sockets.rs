//! Sockets that the service manager has bound for us and keeps while we are away (`sd_listen_fds(3)`): who connects during a restart
//! waits a moment instead of being refused.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;

/// The sockets, each with what the unit calls it.
#[derive(Debug, Default)]
pub struct Passed {
    /// Those that take connections.
    pub streams: Vec<Named<TcpListener>>,
    /// Those that take datagrams.
    pub datagrams: Vec<Named<UdpSocket>>,
}

/// A socket with a name.
#[derive(Debug)]
pub struct Named<T> {
    /// `FileDescriptorName=` of the unit, or the name of the unit itself; empty where there is none.
    pub name: String,
    /// Where it is bound.
    pub local: SocketAddr,
    /// The socket; it doesn't block.
    pub socket: T,
}

/// Something was passed that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("socket {number} that the service manager passed is neither TCP nor UDP ({source}); give ListenStream= and ListenDatagram= an address and a port")]
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
                socket.set_nonblocking(true).map_err(unusable)?;
                let local = socket.local_addr().map_err(unusable)?;
                passed.streams.push(Named { name, local, socket });
            } else if let Some(socket) = descriptors.take_udp_socket(number).map_err(unusable)? {
                socket.set_nonblocking(true).map_err(unusable)?;
                let local = socket.local_addr().map_err(unusable)?;
                passed.datagrams.push(Named { name, local, socket });
            }
        }
        Ok(passed)
    }
}
