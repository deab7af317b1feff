//! The headers of every answer (attacks U2, U4, U5).

use reqwest::Method;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::socket::connect_tls_for;
use crate::harness::{Options, Person, TestServer};
use crate::reload::{TAKEN, reload};

#[tokio::test]
async fn u2_u4_u5_every_answer_carries_the_security_headers_errors_included() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let host = server.address.strip_prefix("https://").unwrap();
    let answers = [
        guest.get("/").await,
        guest.get("/m/abcd-efgh-jkmn").await,
        guest.get("/api/server").await,
        guest.get("/healthz").await,
        guest.get("/api/nothing").await,
        guest.get("/no/such/page").await,
        guest.send(Method::PUT, "/api/server", &[], None).await,
        guest.send(Method::POST, "/api/auth/login", &[("origin", "https://evil.example")], None).await,
        guest.get("/api/signaling").await,
    ];
    for answer in answers {
        let header =
            |name: &str| answer.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(policy.contains(&format!("connect-src 'self' wss://{host};")), "{policy}");
        assert!(!policy.contains("unsafe"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("permissions-policy").contains("camera=(self)"));
        assert!(!header("cache-control").is_empty());
        assert!(!answer.headers.contains_key("server"));
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(guest.get("/api/server").await.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn o1_the_page_is_in_the_binary_and_its_files_are_cached_for_good() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    for path in ["/", "/signin", "/register", "/setup", "/m/abcd-efgh-jkmn"] {
        let page = guest.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-cache");
    }
    assert_eq!(guest.get("/nowhere").await.status, 404);
    let etag = guest.get("/").await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(guest.send(Method::GET, "/", &[("if-none-match", &etag)], None).await.status, 304);
    let script = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist/assets")).unwrap();
    let script =
        script.map(|entry| entry.unwrap().file_name().into_string().unwrap()).find(|name| name.ends_with(".js")).unwrap();
    let path = format!("/assets/{script}");
    for (encoding, expected) in [("gzip, br", "br"), ("gzip", "gzip"), ("gzip;q=0, br;q=0", ""), ("identity", "")] {
        let asset = guest.send(Method::GET, &path, &[("accept-encoding", encoding)], None).await;
        assert_eq!(asset.status, 200);
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(asset.headers.get("content-encoding").map_or("", |value| value.to_str().unwrap()), expected, "{encoding}");
    }
    assert_eq!(guest.get(&format!("{path}.br")).await.status, 404);
}

/// A name that a public authority would vouch for.
const PUBLIC: &str = "meet.club.net";

const YEAR: Duration = Duration::from_secs(31_536_000);

/// A server whose administrator gave it a certificate for this name and this long, and what is written into its configuration.
fn with_a_certificate_for(name: &str, folder: &std::path::Path, life: Duration) -> (TestServer, String) {
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    parameters.not_after = time::OffsetDateTime::now_utc() + life;
    let made = parameters.self_signed(&signing_key).unwrap();
    let (certificate, key) = (folder.join("fullchain.pem"), folder.join("privkey.pem"));
    std::fs::write(&certificate, made.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let tls = format!("[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}");
    let mut server = TestServer::with(&known_as(name, &tls, ""));
    server.is_known_as(name, made.pem());
    (server, tls)
}

fn known_as(name: &str, config: &str, more: &str) -> Options {
    Options { config: config.to_owned(), server: format!("public_url = \"https://{name}\"\n{more}"), ..Options::default() }
}

/// What browsers are told when they ask for this name.
async fn strict_transport(server: &TestServer, host: &str) -> Option<String> {
    let mut stream = connect_tls_for(server, b"http/1.1").await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.lines().find_map(|line| Some(line.strip_prefix("strict-transport-security: ")?.to_owned()))
}

#[tokio::test]
async fn u5_browsers_are_told_to_keep_to_https_for_the_public_name_and_to_forget_it_when_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let (server, tls) = with_a_certificate_for(PUBLIC, folder.path(), 2 * YEAR);
    assert_eq!(strict_transport(&server, PUBLIC).await.as_deref(), Some("max-age=31536000"));
    for other in ["localhost", "192.168.1.5", "meet.club.net:8443", "club.net"] {
        assert_eq!(strict_transport(&server, other).await, None, "{other}");
    }
    server.reconfigure(&known_as(PUBLIC, &tls, "https_only = false"));
    reload(&server, TAKEN).await;
    assert_eq!(strict_transport(&server, PUBLIC).await.as_deref(), Some("max-age=0"));
}

#[tokio::test]
async fn u5_the_promise_ends_with_the_certificate_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = with_a_certificate_for(PUBLIC, folder.path(), YEAR / 12);
    let told = strict_transport(&server, PUBLIC).await.unwrap();
    let seconds: u64 = told.strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!(seconds > 0 && seconds <= (YEAR / 12).as_secs(), "{told}");
}

#[tokio::test]
async fn u5_nothing_is_said_of_https_where_nobody_but_the_server_itself_vouches_for_it_or_the_name_is_not_public() {
    let own = TestServer::with(&known_as(PUBLIC, "[tls]\nmode = \"local\"", ""));
    assert_eq!(strict_transport(&own, PUBLIC).await, None, "it would lock everybody out once the authority is another one");
    assert_eq!(strict_transport(&TestServer::start(), "localhost").await, None);
    let folder = tempfile::tempdir().unwrap();
    let (private, _) = with_a_certificate_for("hearth.lan", folder.path(), YEAR);
    assert_eq!(strict_transport(&private, "hearth.lan").await, None);
}
