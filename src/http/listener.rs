//! The accept loop: TCP, TLS, HTTP, each with a deadline, and a bound on connections in all and from one network.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::extract::ClientAddress;
use crate::auth::throttle::ClientNet;
use crate::lifecycle::Tasks;

/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's headers.
const HEADERS_DEADLINE: Duration = Duration::from_secs(10);
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const H2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Largest headers of a request, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Streams at once on one HTTP/2 connection.
const MAX_H2_STREAMS: u32 = 100;
/// Pause after the system refuses to accept, so that a full descriptor table doesn't spin the loop (attack D6).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// In all.
    pub max_connections: usize,
    /// From one IPv4 address or one IPv6 /64.
    pub max_per_network: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_connections: 10_000, max_per_network: 256 }
    }
}

/// A bound HTTPS socket that doesn't serve yet.
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
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A restarted server takes its port back although old connections linger in TIME_WAIT.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { socket: TcpListener::from_std(socket.into())? })
    }

    /// Where it listens; tells the port when it was bound to port 0.
    ///
    /// # Errors
    /// When the system doesn't know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the program stops; then finishes the requests that are under way.
    pub async fn serve(self, router: Router, tls: Arc<ServerConfig>, settings: Settings, tasks: Tasks) {
        let acceptor = TlsAcceptor::from(tls);
        let connections = Connections::new(settings);
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
            let Some(place) = connections.take(client) else { continue };
            let connection = serve_connection(stream, client, acceptor.clone(), router.clone(), tasks.clone());
            tasks.spawn(async move {
                connection.await;
                drop(place);
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, client: IpAddr, acceptor: TlsAcceptor, router: Router, tasks: Tasks) {
    // Without it, small answers wait for the other side's delayed acknowledgement. A socket that refuses works all the same.
    let _ = stream.set_nodelay(true);
    // Whoever fails to shake hands is not told why, and not logged: scanners do it all day.
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(client));
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let builder = http_builder();
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = tasks.stopping() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn http_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_DEADLINE).max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_KEEP_ALIVE)
        .keep_alive_timeout(H2_KEEP_ALIVE)
        .max_concurrent_streams(MAX_H2_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).expect("16 KiB fit"));
    builder
}

/// Counts connections, in all and by network.
#[derive(Clone)]
struct Connections {
    settings: Settings,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_network: HashMap<ClientNet, usize>,
}

/// One connection's place in the count, given back when dropped.
struct Place {
    network: ClientNet,
    connections: Connections,
}

impl Connections {
    fn new(settings: Settings) -> Self {
        Self { settings, taken: Arc::default() }
    }

    fn take(&self, client: IpAddr) -> Option<Place> {
        let network = ClientNet::from(client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = taken.by_network.get(&network).copied().unwrap_or(0);
        if taken.total >= self.settings.max_connections || from_there >= self.settings.max_per_network {
            return None;
        }
        taken.total += 1;
        taken.by_network.insert(network, from_there + 1);
        Some(Place { network, connections: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.connections.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
        let connections = Connections::new(Settings { max_connections: 3, max_per_network: 2 });
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = connections.take(one);
        let second = connections.take(one);
        assert!(first.is_some() && second.is_some());
        assert!(connections.take(one).is_none());
        let third = connections.take(other);
        assert!(third.is_some());
        assert!(connections.take("192.0.2.3".parse().unwrap()).is_none());
        drop((first, second, third));
        assert!(connections.taken.lock().unwrap().by_network.is_empty());
        assert!(connections.take(one).is_some());
    }
}
