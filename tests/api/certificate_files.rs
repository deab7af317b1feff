//! Certificate and key in files of the administrator, which other programs write anew while the server runs.

use std::path::{Path, PathBuf};

use reqwest::{Client, StatusCode};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::harness::{Options, Person, TestServer, sooner_or_later, tls};

/// A certificate for localhost and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
}

/// Where the files lie, as certbot has it: links into an archive.
struct Folder(TempDir);

impl Folder {
    fn with(pair: &Pair) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put(pair, 1);
        folder
    }

    fn certificate(&self) -> PathBuf {
        self.0.path().join("fullchain.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("privkey.pem")
    }

    fn put(&self, pair: &Pair, number: u32) {
        for (link, text) in [(self.certificate(), &pair.certificate), (self.key(), &pair.key)] {
            let target = link.with_file_name(format!("{number}-{}", link.file_name().unwrap().display()));
            std::fs::write(&target, text).unwrap();
            std::fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
            lead(&link, &target);
        }
    }

    fn options(&self) -> Options {
        let (certificate, key) = (self.certificate(), self.key());
        let config = format!("[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n");
        Options { config, ..Options::default() }
    }
}

/// Makes the link, or leads it elsewhere.
fn lead(link: &Path, target: &Path) {
    let new = link.with_extension("new");
    std::os::unix::fs::symlink(target, &new).unwrap();
    std::fs::rename(new, link).unwrap();
}

/// A client that takes these certificates and nothing else, with a new connection for each request.
fn trusting(pairs: &[&Pair]) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = pairs.iter().map(|pair| reqwest::Certificate::from_der(&pair.der).unwrap());
    Client::builder().tls_certs_only(certificates).no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

async fn answers(client: &Client, server: &TestServer) -> bool {
    client.get(format!("{}/healthz", server.address)).send().await.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

async fn told(client: &Client, server: &TestServer, path: &str) -> Value {
    client.get(format!("{}{path}", server.address)).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn r27_files_that_are_written_anew_are_taken_while_connections_go_on_and_none_is_refused() {
    let (first, second) = (pair(), pair());
    let folder = Folder::with(&first);
    let server = TestServer::with(&folder.options());
    let (old, new, either) = (trusting(&[&first]), trusting(&[&second]), trusting(&[&first, &second]));
    assert!(answers(&old, &server).await && !answers(&new, &server).await);

    let (stop, stopping) = watch::channel(false);
    let busy = tokio::spawn({
        let (client, address) = (either.clone(), server.address.clone());
        async move {
            let mut answered = 0_u32;
            while !*stopping.borrow() {
                let answer = client.get(format!("{address}/healthz")).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                answered += 1;
            }
            answered
        }
    });
    let mut kept = Kept::open(&server, &first).await;
    folder.put(&second, 2);
    sooner_or_later("the new certificate serves", || answers(&new, &server)).await;
    // Somebody new: who was here before may resume a session, in which no certificate is shown.
    assert!(!answers(&trusting(&[&first]), &server).await, "new connections get the new one");
    kept.still_answers().await;
    stop.send(true).unwrap();
    assert!(busy.await.unwrap() > 0);
}

/// A connection that was made before the certificate changed.
struct Kept(tokio_rustls::client::TlsStream<tokio::net::TcpStream>);

impl Kept {
    async fn open(server: &TestServer, pair: &Pair) -> Self {
        let stream = tokio::net::TcpStream::connect(server.socket_address()).await.unwrap();
        let mut kept = Self(tls::shake_hands(stream, [pair.der.clone()], "localhost", &[]).await.unwrap());
        kept.still_answers().await;
        kept
    }

    async fn still_answers(&mut self) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        self.0.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 4096];
        let length = self.0.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
    }
}

#[tokio::test]
async fn a_device_has_nothing_to_install_where_the_administrator_gave_a_certificate() {
    let own = pair();
    let folder = Folder::with(&own);
    let server = TestServer::with(&folder.options());
    let client = trusting(&[&own]);
    let trust = told(&client, &server, "/api/trust").await;
    assert_eq!((trust["voucher"].as_str(), &trust["authority"]), (Some("administrator"), &Value::Null), "{trust}");
    assert_eq!(told(&client, &server, "/api/server").await["ownAuthority"], false);
    for path in ["/api/trust/ca.crt", "/api/trust/hearth.mobileconfig"] {
        assert_eq!(told(&client, &server, path).await["error"]["code"], "no_own_authority", "{path}");
    }
    assert_eq!(server.authority, "", "what doesn't vouch is not announced");
}

#[tokio::test]
async fn r28_files_that_can_not_be_used_are_told_with_the_mend_and_taken_once_they_are_mended() {
    let good = pair();
    let folder = Folder::with(&good);
    std::fs::write(folder.key(), "").unwrap();
    let server = TestServer::with(&folder.options());
    let guest = Person::guest(&server);
    let trust = guest.get("/api/trust").await.ok();
    assert_eq!((trust["voucher"].as_str(), trust["temporary"].as_bool()), (Some("server"), Some(true)), "{trust}");
    server.has_logged("privkey.pem");
    server.has_logged("there is no key in it");

    std::fs::write(folder.key(), &good.key).unwrap();
    let client = trusting(&[&good]);
    sooner_or_later("the mended files serve", || answers(&client, &server)).await;

    std::fs::remove_file(folder.certificate()).unwrap();
    sooner_or_later("the missing file is told", async || server.log().contains("fullchain.pem is missing")).await;
    assert!(answers(&client, &server).await, "what served before goes on serving");
}
