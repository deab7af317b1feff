//! One accepted connection: the TLS handshake, then HTTP/1.1, HTTP/2 or a neighbour's protocol, each step with a deadline.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::extract::ClientAddress;
use super::neighbour::Neighbour;
use super::places::{ConnectionPlace, Place};
use super::stall::Unstalled;
use crate::lifecycle::Tasks;
use crate::tls::ACME_TLS;

/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client that was shaking hands when the program began to stop may take for that, and then for a request. It came while the
/// server took connections, and nothing has told it otherwise.
const LATE_GRACE: Duration = Duration::from_secs(2);
/// How long a client may take to send its first byte, and then a request's headers. HTTP/1.1 counts the wait for the next request as well: hyper has one
/// deadline for both.
const HEADERS_DEADLINE: Duration = Duration::from_secs(10);
/// How long an HTTP/2 connection may go without a request.
const H2_IDLE: Duration = Duration::from_secs(75);
/// How long an HTTP/2 connection that was told to end may take to deliver what is under way.
const H2_LINGER: Duration = Duration::from_secs(30);
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const H2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A client that takes nothing of an answer for so long is given up.
const STALL_DEADLINE: Duration = Duration::from_secs(30);
/// Largest headers of a request, in bytes.
pub(super) const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Streams at once on one HTTP/2 connection.
const MAX_H2_STREAMS: u32 = 100;
/// Streams that a client may open and reset before they were dealt with (CVE-2023-44487), and that may be reset for its faults
/// (CVE-2024-27919 and the like), until the connection is closed.
const MAX_H2_PENDING_RESETS: usize = 20;
const MAX_H2_FAULTY_RESETS: usize = 1024;

/// The protocol name that TLS agrees on for HTTP/2 (RFC 9113 §3.2).
const H2: &[u8] = b"h2";

type Stream = TlsStream<Unstalled<TcpStream>>;

/// What a client speaks.
enum Protocol {
    Http1,
    Http2,
    Other(Arc<dyn Neighbour>),
}

/// A connection that was accepted and has a place in the count.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) client: IpAddr,
    pub(super) place: Place,
}

impl Accepted {
    /// Serves the connection until either side is done with it or the program stops.
    pub(super) async fn serve(self, acceptor: TlsAcceptor, router: Router, neighbour: Option<Arc<dyn Neighbour>>, tasks: Tasks) {
        let Self { stream, client, place } = self;
        // Without it, small answers wait for the other side's delayed acknowledgement. A socket that refuses works all the same.
        let _ = stream.set_nodelay(true);
        // Whoever fails to shake hands is not told why, and not logged: scanners do it all day.
        let handshake = timeout(HANDSHAKE_DEADLINE, acceptor.accept(Unstalled::new(stream, STALL_DEADLINE)));
        let Some(Ok(Ok(mut stream))) = finish_within(LATE_GRACE, &tasks, handshake).await else { return };
        // Whoever has not said a word since an earlier handshake has nothing under way that stopping should wait for.
        let grace = if tasks.is_stopping() { LATE_GRACE } else { Duration::ZERO };
        let Some(Some(protocol)) = finish_within(grace, &tasks, protocol(&mut stream, neighbour)).await else { return };
        let answers = Answers { router, client, place: ConnectionPlace(Arc::new(place)), under_way: Arc::default() };
        let served = match protocol {
            Protocol::Http1 => serve_h1(TokioIo::new(stream), answers, &tasks, grace).await,
            Protocol::Http2 => serve_h2(TokioIo::new(stream), answers, &tasks, grace).await,
            Protocol::Other(neighbour) => {
                let (socket, connection) = stream.into_inner();
                return neighbour.take_over(socket.into_inner(), connection);
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Finds out what the client speaks. `None` when it says nothing.
async fn protocol(stream: &mut Stream, neighbour: Option<Arc<dyn Neighbour>>) -> Option<Protocol> {
    let agreed = stream.get_ref().1.alpn_protocol();
    // The handshake was all that a certificate authority came for (RFC 8737 §3).
    if agreed == Some(ACME_TLS) {
        return None;
    }
    // Who shakes hands for HTTP/2 has no other choice then, so there is no first byte to wait for and to guess from.
    if agreed == Some(H2) {
        return Some(Protocol::Http2);
    }
    let Some(neighbour) = neighbour else { return Some(Protocol::Http1) };
    if agreed == Some(neighbour.alpn()) {
        return Some(Protocol::Other(neighbour));
    }
    // It stays where it is, for whoever serves the client.
    let [first, ..] = timeout(HEADERS_DEADLINE, stream.fill_buf()).await.ok()?.ok()? else { return None };
    Some(if neighbour.knows(*first) { Protocol::Other(neighbour) } else { Protocol::Http1 })
}

/// Waits for `work`, but no longer than `grace` once the program stops.
async fn finish_within<T>(grace: Duration, tasks: &Tasks, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    tokio::select! {
        done = work.as_mut() => Some(done),
        () = tasks.stopping() => timeout(grace, work).await.ok(),
    }
}

async fn serve_h1(stream: TokioIo<Stream>, answers: Answers, tasks: &Tasks, grace: Duration) -> hyper::Result<()> {
    let first = answers.under_way.subscribe();
    let service = service_fn(move |request| answers.answer(request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_DEADLINE).max_buf_size(MAX_HEADER_BYTES).half_close(false);
    let mut connection = pin!(builder.serve_connection(stream, service).with_upgrades());
    tokio::select! {
        served = connection.as_mut() => return served,
        _ = stopping(tasks, first, grace) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

async fn serve_h2(stream: TokioIo<Stream>, answers: Answers, tasks: &Tasks, grace: Duration) -> hyper::Result<()> {
    let (under_way, first) = (answers.under_way.subscribe(), answers.under_way.subscribe());
    let service = service_fn(move |request| answers.answer(request));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_KEEP_ALIVE)
        .keep_alive_timeout(H2_KEEP_ALIVE)
        .max_concurrent_streams(MAX_H2_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).expect("16 KiB fit"))
        .max_pending_accept_reset_streams(MAX_H2_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_H2_FAULTY_RESETS);
    let mut connection = pin!(builder.serve_connection(stream, service));
    let unused = tokio::select! {
        served = connection.as_mut() => return served,
        unused = unused(under_way) => unused,
        unused = stopping(tasks, first, grace) => unused,
    };
    if unused == Unused::Ever {
        return Ok(());
    }
    // The client is told to open another connection for what is next. An answer that a client takes its time to read is not
    // counted as under way above: this is the end of its time.
    connection.as_mut().graceful_shutdown();
    timeout(H2_LINGER, connection).await.unwrap_or(Ok(()))
}

/// Resolves when the program stops, and there was a request or none within `grace` from then on.
async fn stopping(tasks: &Tasks, mut first: watch::Receiver<usize>, grace: Duration) -> Unused {
    tasks.stopping().await;
    match timeout(grace, first.changed()).await {
        Ok(Ok(())) => Unused::ForNow,
        Ok(Err(_)) | Err(_) => Unused::Ever,
    }
}

/// Since when an HTTP/2 connection has been without a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unused {
    Ever,
    ForNow,
}

/// Resolves when there was no first request within [`HEADERS_DEADLINE`], or no further one within [`H2_IDLE`].
async fn unused(mut under_way: watch::Receiver<usize>) -> Unused {
    let (mut patience, mut unused) = (HEADERS_DEADLINE, Unused::Ever);
    loop {
        let idle = *under_way.borrow_and_update() == 0;
        let change = under_way.changed();
        let changed = if idle { timeout(patience, change).await } else { Ok(change.await) };
        match changed {
            Ok(Ok(())) => (patience, unused) = (H2_IDLE, Unused::ForNow),
            // The connection, which counts, is gone or has nothing to do.
            Ok(Err(_)) | Err(_) => return unused,
        }
    }
}

/// What answers the requests of one connection.
struct Answers {
    router: Router,
    client: IpAddr,
    place: ConnectionPlace,
    /// How many requests are being answered.
    under_way: Arc<watch::Sender<usize>>,
}

impl Answers {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ClientAddress(self.client));
        request.extensions_mut().insert(self.place.clone());
        let counted = UnderWay::begin(&self.under_way);
        let answer = self.router.clone().oneshot(request);
        async move {
            let _counted = counted;
            Ok(answer.await.unwrap_or_else(|never| match never {}))
        }
    }
}

/// One request that is being answered.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn begin(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
