//! A server that asks the authority for its certificate, and what clients see of it.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::authority::{self, Authority, Wishes};
use crate::harness::{Options, Port, TestServer, tls};

/// The name that certificates are for.
pub const NAME: &str = "meet.hearth.test";

/// How long an order may take, and more where a machine is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Long enough not to end within a test.
pub const HOUR: u32 = 3600;

/// What a test wants otherwise than usual.
pub struct Plan {
    pub name: &'static str,
    pub lifetime: u32,
    /// Whether the authority can look the server up on its HTTPS port.
    pub by_tls: bool,
    /// Whether it can look it up by plain HTTP.
    pub by_http: bool,
    pub external_accounts: bool,
    /// Whether the configuration leaves it to the server where its certificate comes from.
    pub chosen_by_itself: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { name: NAME, lifetime: HOUR, by_tls: true, by_http: false, external_accounts: false, chosen_by_itself: false }
    }
}

/// A server and its authority.
pub struct Site {
    pub server: TestServer,
    pub authority: Authority,
    /// Where it answers plain HTTP, if it does.
    pub http_port: Port,
    plan: Plan,
}

impl Site {
    /// Ready to be started. `None` where there is no authority to be had.
    pub async fn prepare(plan: Plan) -> Option<Self> {
        let (server, http_port) = (TestServer::prepare(), Port::reserve());
        // Nobody listens there.
        let nowhere = Port::reserve();
        let tls_port = if plan.by_tls { server.port() } else { nowhere.number };
        let wishes =
            Wishes { tls_port, http_port: http_port.number, lifetime: plan.lifetime, external_accounts: plan.external_accounts };
        let authority = Authority::start(wishes).await?;
        let site = Self { server, authority, http_port, plan };
        site.configure("");
        Some(site)
    }

    /// Writes the configuration, with more lines for the certificate.
    pub fn configure(&self, more: &str) {
        let (mut settings, mut url) = (self.authority.settings(), format!("https://{}", self.plan.name));
        if self.plan.chosen_by_itself {
            settings = settings.replace("mode = \"acme\"\n", "");
        } else {
            url = format!("{url}:{}", self.server.port());
        }
        let http = if self.plan.by_http { format!("[\"127.0.0.1:{}\"]", self.http_port.number) } else { String::from("[]") };
        self.server.configure(&Options {
            config: settings + more,
            server: format!("public_url = {url:?}\nlisten_http = {http}"),
            ..Options::default()
        });
    }

    /// A running server, which does not have its certificate yet.
    pub async fn start(plan: Plan) -> Option<Self> {
        let mut site = Self::prepare(plan).await?;
        site.server.launch();
        Some(site)
    }

    /// Shakes hands as a client that trusts these authorities; the certificate that was shown.
    pub async fn try_shake_hands(&self, roots: &[String]) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.plan.name).unwrap();
        shake_hands(self.server.socket_address(), roots, name, &[b"http/1.1"]).await
    }

    /// The certificate that a client sees who trusts the authority as it is at present, if it trusts it.
    pub async fn shown(&self) -> Option<CertificateDer<'static>> {
        self.shown_to(&[self.authority.root().await]).await
    }

    /// The same, by these roots.
    pub async fn shown_to(&self, roots: &[String]) -> Option<CertificateDer<'static>> {
        let stream = self.try_shake_hands(roots).await.ok()?;
        stream.get_ref().1.peer_certificates().map(|chain| chain[0].clone().into_owned())
    }

    /// Waits for a certificate of the authority, other than `old`.
    pub async fn renewed(&self, old: Option<&CertificateDer<'_>>) -> CertificateDer<'static> {
        let root = [self.authority.root().await];
        let renewed = async {
            loop {
                if let Some(new) = self.shown_to(&root).await.filter(|new| Some(new) != old) {
                    return new;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, renewed).await;
        waited.unwrap_or_else(|_| panic!("no certificate came:\n{}", self.authority.log()))
    }

    /// Waits for the first certificate; from then on the server is known by its name.
    pub async fn issued(&mut self) -> CertificateDer<'static> {
        let certificate = self.renewed(None).await;
        self.server.is_known_as(self.plan.name, self.authority.root().await);
        certificate
    }

    /// What the figures say of the certificate.
    pub async fn figure(&self, name: &str) -> u64 {
        let mut roots = vec![std::fs::read_to_string(self.server.data_dir().join("tls/ca.pem")).unwrap()];
        roots.push(self.server.certificate());
        authority::install_provider();
        let certificates = roots.iter().map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
        let client = reqwest::Client::builder()
            .tls_certs_only(certificates)
            .resolve(self.plan.name, self.server.socket_address())
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("https://{}:{}/metrics", self.plan.name, self.server.port());
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}")).parse().unwrap()
    }
}

/// Shakes hands with whoever is there.
pub async fn shake_hands(
    address: SocketAddr,
    roots: &[String],
    name: ServerName<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let trusted: Vec<_> = roots.iter().map(|root| tls::certificate(root)).collect();
    tls::shake_hands(TcpStream::connect(address).await?, trusted, name, protocols).await
}
