//! What Pebble can't do: an authority that has several kinds of certificates, and says when it would like to renew them (RFC 9773).
//! This one hands out whatever is asked for, and remembers how it was asked.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use data_encoding::BASE64URL_NOPAD;
use hearth::clock::Timestamp;
use hearth::tls::{Identity, server_config};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use crate::harness::{Options, Port, TestServer};
use crate::site::{NAME, PATIENCE, shake_hands};

/// How long its certificates are good. Without a suggestion they are renewed after 80 seconds, and in no case before 12.
const LIFETIME: time::Duration = time::Duration::seconds(120);
/// When it would like to see the renewal, counted from the order.
const SUGGESTED: (u64, u64) = (12, 14);

struct Obliging {
    /// The address of everything.
    base: String,
    issuer: Issuer<'static, KeyPair>,
    /// What was sent for each order.
    orders: Mutex<Vec<Value>>,
    /// What was sent for each account.
    accounts: Mutex<Vec<Value>>,
    /// The last certificate.
    certificate: Mutex<Option<String>>,
    /// What accounts were changed to.
    changes: Mutex<Vec<Value>>,
    /// How many orders it refuses first, because there were too many.
    busy: AtomicUsize,
    /// How many of its first accounts may order nothing, and why.
    unwelcome: Mutex<(usize, &'static str)>,
    /// Which certificates it was asked about.
    asked: Mutex<Vec<String>>,
}

type Shared = State<Arc<Obliging>>;

/// An authority that is served on a port of its own, and where it keeps what clients must trust.
async fn start() -> (Arc<Obliging>, TempDir) {
    let port = Port::reserve();
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    fs::write(dir.path().join("ca.pem"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let shown = CertificateParams::new(vec![String::from("localhost")]).unwrap().signed_by(&key, &issuer).unwrap();
    let identity = Identity::from_pem(shown.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let authority = Arc::new(Obliging {
        base: format!("https://localhost:{}", port.number),
        issuer,
        orders: Mutex::default(),
        accounts: Mutex::default(),
        certificate: Mutex::default(),
        changes: Mutex::default(),
        busy: AtomicUsize::new(0),
        unwelcome: Mutex::default(),
        asked: Mutex::default(),
    });
    let listener = TcpListener::bind(("127.0.0.1", port.number)).await.unwrap();
    let (acceptor, router) = (TlsAcceptor::from(server_config(&identity)), routes(Arc::clone(&authority)));
    tokio::spawn(async move {
        let _port = port;
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                // Whether the client hangs up first is its own business.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
            });
        }
    });
    (authority, dir)
}

fn routes(authority: Arc<Obliging>) -> Router {
    Router::new()
        .route("/dir", get(directory))
        .route("/nonce", get(|| async { with_nonce(StatusCode::OK, "", "") }))
        .route("/account", post(account))
        .route("/account/1", post(changed))
        .route("/order", post(order))
        .route("/order/1", post(state))
        .route("/finalize/1", post(finalize))
        .route("/authorization/1", post(authorization))
        .route("/certificate/1", post(certificate))
        .route("/renewal/{id}", get(renewal))
        .with_state(authority)
}

fn with_nonce(status: StatusCode, location: &str, body: &str) -> Response {
    let headers = [
        (HeaderName::from_static("replay-nonce"), String::from("nonce")),
        (HeaderName::from_static("location"), location.to_owned()),
    ];
    (status, AppendHeaders(headers), body.to_owned()).into_response()
}

/// What stands in a signed request. Who signed it is not looked at.
fn payload(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).unwrap();
    let text = BASE64URL_NOPAD.decode(body["payload"].as_str().unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&text).unwrap_or(Value::Null)
}

async fn directory(State(authority): Shared) -> String {
    let at = |path: &str| format!("{}/{path}", authority.base);
    json!({
        "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order"), "renewalInfo": at("renewal"),
        "meta": {"profiles": {"classic": "usual", "shortlived": "days"}},
    })
    .to_string()
}

async fn account(State(authority): Shared, body: String) -> Response {
    authority.accounts.lock().unwrap().push(payload(&body));
    with_nonce(StatusCode::CREATED, &format!("{}/account/1", authority.base), "{}")
}

async fn changed(State(authority): Shared, body: String) -> Response {
    authority.changes.lock().unwrap().push(payload(&body));
    with_nonce(StatusCode::OK, "", "{\"status\": \"valid\"}")
}

fn refused(status: StatusCode, kind: &str, detail: &str) -> Response {
    let problem = json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail});
    let mut refused = with_nonce(status, "", &problem.to_string());
    refused.headers_mut().insert("content-type", HeaderValue::from_static("application/problem+json"));
    refused
}

async fn order(State(authority): Shared, body: String) -> Response {
    let busy = authority.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if busy.is_ok() {
        return refused(StatusCode::TOO_MANY_REQUESTS, "rateLimited", "too many certificates for one name");
    }
    let (unwelcome, why) = *authority.unwelcome.lock().unwrap();
    if authority.accounts.lock().unwrap().len() <= unwelcome {
        return refused(StatusCode::FORBIDDEN, "unauthorized", why);
    }
    authority.orders.lock().unwrap().push(payload(&body));
    *authority.certificate.lock().unwrap() = None;
    with_nonce(StatusCode::CREATED, &format!("{}/order/1", authority.base), &told(&authority))
}

fn told(authority: &Obliging) -> String {
    let ordered = authority.orders.lock().unwrap().last().unwrap().clone();
    let at = |path: &str| format!("{}/{path}", authority.base);
    let is_issued = authority.certificate.lock().unwrap().is_some();
    let mut told = json!({
        "status": if is_issued { "valid" } else { "ready" },
        "identifiers": ordered["identifiers"], "authorizations": [at("authorization/1")], "finalize": at("finalize/1"),
    });
    for key in ["replaces", "profile"] {
        if let Some(value) = ordered.get(key) {
            told[key] = value.clone();
        }
    }
    if is_issued {
        told["certificate"] = at("certificate/1").into();
    }
    told.to_string()
}

async fn state(State(authority): Shared) -> Response {
    with_nonce(StatusCode::OK, "", &told(&authority))
}

async fn authorization(State(authority): Shared) -> Response {
    let ordered = authority.orders.lock().unwrap().last().unwrap().clone();
    let told = json!({"identifier": ordered["identifiers"][0], "status": "valid", "challenges": []});
    with_nonce(StatusCode::OK, "", &told.to_string())
}

/// The key that is to be certified.
struct Key(Vec<u8>);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

async fn finalize(State(authority): Shared, body: String) -> Response {
    let request = BASE64URL_NOPAD.decode(payload(&body)["csr"].as_str().unwrap().as_bytes()).unwrap();
    let (_, request) = X509CertificationRequest::from_der(&request).unwrap();
    let key = Key(request.certification_request_info.subject_pki.subject_public_key.data.to_vec());
    let mut parameters = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    parameters.use_authority_key_identifier_extension = true;
    parameters.not_before = OffsetDateTime::from_unix_timestamp(i64::try_from(Timestamp::now().as_secs()).unwrap()).unwrap();
    parameters.not_after = parameters.not_before + LIFETIME;
    let signed = parameters.signed_by(&key, &authority.issuer).unwrap();
    *authority.certificate.lock().unwrap() = Some(signed.pem());
    with_nonce(StatusCode::OK, "", &told(&authority))
}

async fn certificate(State(authority): Shared) -> Response {
    let pem = authority.certificate.lock().unwrap().clone().unwrap();
    with_nonce(StatusCode::OK, "", &pem)
}

async fn renewal(State(authority): Shared, Path(id): Path<String>) -> impl IntoResponse {
    authority.asked.lock().unwrap().push(id);
    let at = |seconds| Timestamp::now().plus(Duration::from_secs(seconds)).to_rfc3339();
    let told = json!({"suggestedWindow": {"start": at(SUGGESTED.0), "end": at(SUGGESTED.1)}});
    ([("retry-after", "21600")], told.to_string())
}

/// A server that asks the authority for a certificate for `name`, with more lines about it.
fn served(authority: &Obliging, dir: &TempDir, name: &str, more: &str) -> TestServer {
    let mut server = TestServer::prepare();
    server.configure(&asking(authority, dir, &format!("{name}:{}", server.port()), more));
    server.launch();
    server
}

fn asking(authority: &Obliging, dir: &TempDir, place: &str, more: &str) -> Options {
    let (base, root) = (&authority.base, dir.path().join("ca.pem"));
    let tls = format!("[tls]\nmode = \"acme\"\nacme_directory = \"{base}/dir\"\nacme_root_file = {root:?}\n{more}\n");
    Options { config: tls, server: format!("public_url = \"https://{place}\""), ..Options::default() }
}

/// Waits until the condition holds, or fails with what did not come about.
async fn until(otherwise: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("{otherwise}"));
}

#[tokio::test]
async fn o2_the_authority_is_told_the_kind_and_the_contact_and_renewed_at_when_it_suggests() {
    let (authority, dir) = start().await;
    let _server = served(&authority, &dir, NAME, "acme_profile = \"classic\"\nacme_contact = \"ada@example.org\"");
    until("it was not renewed when the authority suggested it", || authority.orders.lock().unwrap().len() >= 2).await;
    let (orders, accounts) = (authority.orders.lock().unwrap().clone(), authority.accounts.lock().unwrap().clone());
    let asked = authority.asked.lock().unwrap().clone();
    assert_eq!(accounts, [json!({"contact": ["mailto:ada@example.org"], "termsOfServiceAgreed": true})]);
    let identifiers = json!([{"type": "dns", "value": NAME}]);
    assert_eq!(orders[0], json!({"identifiers": identifiers, "profile": "classic"}));
    assert_eq!(orders[1], json!({"identifiers": identifiers, "profile": "classic", "replaces": asked[0]}));
}

#[tokio::test]
async fn r25_an_authority_that_has_enough_of_us_is_asked_again_later_and_until_then_the_own_one_stands_in() {
    let (authority, dir) = start().await;
    authority.busy.store(2, Ordering::Relaxed);
    // Long enough to look at what stands in, before it is asked for the third time.
    let server = served(&authority, &dir, NAME, "acme_retry_seconds = 2");
    let refusals = || server.log().matches("too many certificates for one name. There is nothing to do").count();
    until("the refusal was not told", || refusals() > 0).await;
    assert!(connect_by_own_authority(&server).await, "nothing stands in");
    until("it was not asked again", || authority.certificate.lock().unwrap().is_some()).await;
    assert_eq!((refusals(), authority.orders.lock().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn o2_an_account_that_is_there_is_told_another_contact_once() {
    let (authority, dir) = start().await;
    let mut server = served(&authority, &dir, NAME, "acme_contact = \"ada@example.org\"");
    until("there is no certificate", || authority.certificate.lock().unwrap().is_some()).await;
    let place = format!("{NAME}:{}", server.port());
    let told = || authority.changes.lock().unwrap().clone();
    for (line, expected) in [
        ("acme_contact = \"ben@example.org\"", vec![json!({"contact": ["mailto:ben@example.org"]})]),
        ("", vec![json!({"contact": ["mailto:ben@example.org"]}), json!({"contact": []})]),
    ] {
        server.reconfigure(&asking(&authority, &dir, &place, line));
        server.signal("HUP");
        until("the authority was not told", || told() == expected).await;
    }
    let before = authority.asked.lock().unwrap().len();
    assert!(server.stop().success());
    server.launch();
    until("it was not asked after the start", || authority.asked.lock().unwrap().len() > before).await;
    assert_eq!(
        (told().len(), authority.accounts.lock().unwrap().len()),
        (2, 1),
        "it was told again, or another account was made"
    );
}

#[tokio::test]
async fn r25_an_account_that_was_closed_gives_way_to_a_new_one_and_one_that_may_not_order_stays() {
    let (authority, dir) = start().await;
    *authority.unwelcome.lock().unwrap() = (1, "Account is not valid, has status \"deactivated\"");
    let _server = served(&authority, &dir, NAME, "");
    until("there is no certificate", || authority.certificate.lock().unwrap().is_some()).await;
    assert_eq!(authority.accounts.lock().unwrap().len(), 2);

    let (authority, dir) = start().await;
    *authority.unwelcome.lock().unwrap() = (1, "This name is not yours");
    let server = served(&authority, &dir, NAME, "");
    until("the refusal was not told", || server.log().contains("This name is not yours. If the account")).await;
    assert_eq!(authority.accounts.lock().unwrap().len(), 1);
}

async fn connect_by_own_authority(server: &TestServer) -> bool {
    let name = ServerName::try_from(NAME).unwrap();
    shake_hands(server.socket_address(), &[server.certificate()], name, &[b"http/1.1"]).await.is_ok()
}

#[tokio::test]
async fn o2_a_certificate_for_an_address_is_of_the_short_kind_where_there_is_one() {
    let (authority, dir) = start().await;
    let server = served(&authority, &dir, "127.0.0.1", "");
    // It is for another name, which the server must notice, too.
    until("a certificate for another name was taken", || server.log().contains("can't be used")).await;
    let expected = json!({"identifiers": [{"type": "ip", "value": "127.0.0.1"}], "profile": "shortlived"});
    assert_eq!(authority.orders.lock().unwrap()[0], expected);
}
