//! Asks the authority over HTTPS.
//!
//! One connection for each request, HTTP/1.1, and roots of our own: the program runs where the system has none. Everything is bounded,
//! because the authority may be anybody whom the administrator names.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http_body::Body as _;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::super::acceptor::provider;

/// How long a request may take from looking the name up to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes. A chain of certificates has a few thousand.
const LARGEST_ANSWER: usize = 256 * 1024;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("its address is not one that begins with https://")]
    Address,
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("the connection is not to be trusted: {0}")]
    Handshake(#[source] io::Error),
    #[error("it does not speak HTTP as it should: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is too long")]
    TooLong,
    #[error("it took too long to answer")]
    TimedOut,
}

/// A client that trusts these roots. Cheap to clone.
#[derive(Clone)]
pub(super) struct HttpsClient(TlsConnector);

impl HttpsClient {
    pub(super) fn new(roots: RootCertStore) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .expect("ring's provider has suites for TLS 1.2 and 1.3");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(TlsConnector::from(Arc::new(config)))
    }
}

impl HttpClient for HttpsClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let tls = self.0.clone();
        Box::pin(async move {
            let answer = timeout(DEADLINE, ask(tls, request)).await.unwrap_or(Err(Unanswered::TimedOut));
            answer.map_err(|error| instant_acme::Error::Other(error.into()))
        })
    }
}

async fn ask(tls: TlsConnector, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Unanswered> {
    let uri = request.uri().clone();
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or(Unanswered::Address)?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|_| Unanswered::Address)?;
    let request = addressed(request, &uri)?;
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await.map_err(Unanswered::Connect)?;
    let stream = tls.connect(name, stream).await.map_err(Unanswered::Handshake)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        Ok::<_, Unanswered>((parts, whole(body).await?))
    });
    let (parts, body) = tokio::select! {
        biased;
        answer = answer.as_mut() => answer,
        // It may be over before all that it brought has been read.
        _ = connection => answer.await,
    }?;
    Ok(Response::from_parts(parts, BodyWrapper::from(body)).into())
}

/// The request as HTTP/1.1 wants it: the host in a header, the path alone in the first line.
fn addressed(mut request: Request<BodyWrapper<Bytes>>, uri: &Uri) -> Result<Request<BodyWrapper<Bytes>>, Unanswered> {
    let authority = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    request.headers_mut().insert(HOST, authority.ok_or(Unanswered::Address)?);
    *request.uri_mut() = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    Ok(request)
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, Unanswered> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if all.len() + data.len() > LARGEST_ANSWER {
            return Err(Unanswered::TooLong);
        }
        all.extend_from_slice(&data);
    }
    Ok(all)
}
