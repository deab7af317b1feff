//! A certificate authority on loopback: Pebble, and the name server that comes with it.

use std::fs::File;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Port, skip};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a test wants of the authority.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Where it looks a server up by TLS-ALPN-01.
    pub tls_port: u16,
    /// Where it looks a server up by HTTP-01.
    pub http_port: u16,
    /// How long its certificates are good, in seconds.
    pub lifetime: u32,
    /// Whether it wants an account beforehand; its key is `KEY` under the name `kid-1`.
    pub external_accounts: bool,
}

/// The key of the account that the authority knows, in base64.
pub const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// A running authority, until it is stopped.
pub struct Authority {
    dir: TempDir,
    names: Child,
    pebble: Option<Child>,
    api: Port,
    management: Port,
    dns: Port,
    /// The name server wants one, too.
    _dns_management: Port,
}

impl Authority {
    /// Starts an authority. `None`, with a line that says so, where Pebble is not installed.
    pub async fn start(wishes: Wishes) -> Option<Self> {
        if Command::new("pebble").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            skip("this needs the Debian package pebble, which tests/setup.sh installs");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let (api, management) = (Port::reserve(), Port::reserve());
        let (dns, dns_management) = (Port::reserve(), Port::reserve());
        make_certificate(&dir);
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{}", api.number),
            "managementListenAddress": format!("127.0.0.1:{}", management.number),
            "certificate": path("cert.pem"),
            "privateKey": path("key.pem"),
            "httpPort": wishes.http_port,
            "tlsPort": wishes.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": wishes.external_accounts,
            "externalAccountMACKeys": {"kid-1": KEY.replace('+', "-").replace('/', "_")},
            "certificateValidityPeriod": wishes.lifetime,
        }});
        std::fs::write(path("config.json"), config.to_string()).unwrap();
        let names = Command::new("pebble-challtestsrv")
            .args(["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &format!("127.0.0.1:{}", dns.number)])
            .args(["-management", &format!("127.0.0.1:{}", dns_management.number)])
            .stdin(Stdio::null())
            .stdout(File::create(path("names.log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut authority = Self { dir, names, pebble: None, api, management, dns, _dns_management: dns_management };
        authority.go_on().await;
        Some(authority)
    }

    /// Starts it again after [`Self::stop`]. It has forgotten everything and signs with another key then.
    pub async fn go_on(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let pebble = Command::new("pebble")
            .arg("-config")
            .arg(self.dir.path().join("config.json"))
            .args(["-dnsserver", &format!("127.0.0.1:{}", self.dns.number), "-strict=false"])
            .env("PEBBLE_VA_NOSLEEP", "1")
            // One request in twenty is refused for its nonce, as it is outside of tests.
            .env("PEBBLE_WFE_NONCEREJECT", "5")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.pebble = Some(pebble);
        let ready = async {
            while [self.api.number, self.management.number, self.dns.number]
                .iter()
                .any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap_or_else(|_| panic!("Pebble did not start:\n{}", self.log()));
    }

    /// Nobody answers any more.
    pub fn stop(&mut self) {
        let mut pebble = self.pebble.take().unwrap();
        pebble.kill().unwrap();
        pebble.wait().unwrap();
    }

    /// The section of the configuration that leads to it, for a certificate by its hand.
    pub fn settings(&self) -> String {
        format!(
            "[tls]\nmode = \"acme\"\nacme_directory = \"https://localhost:{}/dir\"\nacme_root_file = {:?}\nacme_retry_seconds = 1\n",
            self.api.number,
            self.path("ca.pem"),
        )
    }

    /// The certificate that it signs with at present.
    pub async fn root(&self) -> String {
        install_provider();
        let ca = reqwest::Certificate::from_pem(&std::fs::read(self.path("ca.pem")).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
        let answer = client.get(format!("https://localhost:{}/roots/0", self.management.number)).send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// How many orders it was given so far.
    pub fn orders(&self) -> usize {
        self.log().matches("Added order").count()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A file with the key of the account that it knows.
    pub fn key_file(&self) -> PathBuf {
        let path = self.path("eab-key");
        std::fs::write(&path, KEY).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log_path(&self) -> PathBuf {
        self.path("pebble.log")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for child in [Some(&mut self.names), self.pebble.as_mut()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of Pebble ---\n{}", self.log());
        }
    }
}

/// The HTTP client of the tests wants one for the whole process.
pub fn install_provider() {
    // Another test may have done it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What its own server shows, and who vouches for that.
fn make_certificate(dir: &TempDir) {
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    write("ca.pem", parameters.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![String::from("localhost")]).unwrap().signed_by(&key, &issuer).unwrap();
    write("cert.pem", certificate.pem());
    write("key.pem", key.serialize_pem());
}
