//! The listening sockets and the accept loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::connection::Accepted;
use super::neighbour::Neighbour;
use super::places::Places;
use crate::lifecycle::Tasks;
use crate::lifecycle::sockets::stream_listener;

/// Pause after the system refuses to accept, so that a full descriptor table doesn't spin the loop (attack D6).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound socket for HTTPS, or for plain HTTP, that doesn't serve yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds `address`. An IPv6 one takes IPv6 only, so that both families can be bound side by side on any system.
    ///
    /// # Errors
    /// The system's, for example when the port is taken.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::of(stream_listener(address, BACKLOG)?)
    }

    /// Takes a socket that is bound and listens already.
    ///
    /// # Errors
    /// When the system can't watch it.
    pub fn of(socket: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::from_std(socket)? })
    }

    /// Where it listens; tells the port when it was bound to port 0.
    ///
    /// # Errors
    /// When the system doesn't know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the program stops; then finishes the requests that are under way. Clients of `neighbour`'s protocol are handed
    /// to it. `places` is shared by all listeners.
    pub async fn serve(
        self,
        router: Router,
        tls: Arc<ServerConfig>,
        neighbour: Option<Arc<dyn Neighbour>>,
        places: Places,
        tasks: Tasks,
    ) {
        let acceptor = TlsAcceptor::from(tls);
        let serve = |accepted: Accepted| {
            tasks.spawn(accepted.serve(acceptor.clone(), router.clone(), neighbour.clone(), tasks.clone()));
        };
        self.accept_all(&places, &tasks, serve).await;
    }

    /// Accepts until the program stops, and gives every connection that has a place to `serve`.
    pub(super) async fn accept_all(self, places: &Places, tasks: &Tasks, serve: impl Fn(Accepted)) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = tasks.stopping() => break,
            };
            let (stream, client) = match accepted {
                Ok((stream, client)) => (stream, client.ip().to_canonical()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Beyond the bound the connection is dropped at once: that costs less than telling why.
            let Some(place) = places.take(client) else { continue };
            serve(Accepted { stream, client, place });
        }
    }
}
