//! The real binary with a relay on loopback, set up as a test wants it, and what it tells of itself.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hearth::clock::Timestamp;
use hearth::ids::{ParticipantId, Secret};
use hearth::tls::{Identity, LocalCa, Names, server_config};
use hearth::turn::{Counters, Limits, Settings, Tls};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use reqwest::{Method, StatusCode};

use crate::client::{By, Client, PATIENCE, Pipe, REALM, SECRET, mint};
use crate::harness::{Options, TestServer, tls};

/// The certificate of relays that are started inside of a test. The program makes its own.
static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let authority = LocalCa::open(dir.path(), Timestamp::now()).unwrap();
    authority.identity(&Names::loopback(), Timestamp::now()).unwrap()
});

/// What relays shake hands with that are started inside of a test.
pub fn tls_config() -> Arc<ServerConfig> {
    server_config(&IDENTITY)
}

/// Settings for loopback. Loopback peers other than the relay's own ports are forbidden, as anywhere.
pub fn settings() -> Settings {
    Settings {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        tls: Some(Tls { listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], config: tls_config() }),
        relay_ipv4: Some(Ipv4Addr::LOCALHOST),
        relay_ipv6: None,
        external_ipv4: None,
        ports: 49_152..=65_535,
        realm: REALM.to_owned(),
        secret: Secret::new(SECRET),
        shared_secret: None,
        allow_peers: Vec::new(),
        // All tests share one source address.
        limits: Limits { challenges_per_second: 1000, bindings_per_second: 1000, ..Limits::default() },
        threads: None,
    }
}

/// A relay with peers on 127.0.0.1 allowed.
pub fn with_local_peers() -> Settings {
    Settings { allow_peers: vec![(Ipv4Addr::LOCALHOST.into(), 32)], ..settings() }
}

/// A relay with all peers of 127.0.0.0/8 allowed.
pub fn with_all_of_loopback() -> Settings {
    Settings { allow_peers: vec![(Ipv4Addr::new(127, 0, 0, 0).into(), 8)], ..settings() }
}

/// A server whose relay is the object of a test.
pub struct Site {
    pub server: TestServer,
    /// Where the relay listens.
    pub address: SocketAddr,
    address_for_tls: SocketAddr,
    /// Keeps its connection, which makes asking often cheap.
    web: reqwest::Client,
}

/// Starts a server with a relay like this.
pub async fn start(settings: Settings) -> Site {
    start_with(settings, Options::default()).await
}

/// Starts a server with a relay like this, and more that is not about the relay.
pub async fn start_with(settings: Settings, options: Options) -> Site {
    let tls = settings.tls.as_ref().expect("the program has a listener for TLS");
    let ([listen], [listen_tls]) = (&settings.listen[..], &tls.listen[..]) else { panic!("one listener of a kind is made") };
    let options = Options {
        relay: format!("{}\n{}", keys(&settings), options.relay),
        relay_address: Some(listen.ip()),
        relay_tls_address: Some(listen_tls.ip()),
        relay_secret: Some(*settings.secret.expose()),
        ..options
    };
    let server = TestServer::with(&options);
    let address = SocketAddr::new(listen.ip(), server.relay_port());
    let address_for_tls = SocketAddr::new(listen_tls.ip(), server.relay_tls_port());
    // Another test may have done it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = reqwest::Certificate::from_pem(server.certificate().as_bytes()).unwrap();
    let web = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().timeout(PATIENCE).build().unwrap();
    Site { server, address, address_for_tls, web }
}

/// Starts a server whose relay is open to other software that knows this secret.
pub async fn start_for_others(secret: &str) -> Site {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret).unwrap();
    let relay = format!("shared_secret_file = {:?}", file.path());
    // It is read at start, and may go then.
    start_with(settings(), Options { relay, ..Options::default() }).await
}

/// The keys of the configuration that say the same as `settings`, but for the listener and the secret.
fn keys(settings: &Settings) -> String {
    let Settings { relay_ipv4, relay_ipv6, external_ipv4, ports, allow_peers, limits, threads, .. } = settings;
    // What can't be configured must be as it always is.
    let usual = Limits::default();
    assert_eq!(limits.permissions_per_allocation, usual.permissions_per_allocation);
    assert_eq!(limits.channels_per_allocation, usual.channels_per_allocation);
    assert_eq!(settings.realm, REALM);
    let kbps = |bytes: u64| {
        assert_eq!(bytes % 125, 0, "bandwidths are configured in kilobits");
        bytes / 125
    };
    let quoted = |text: String| format!("\"{text}\"");
    let peers: Vec<_> = allow_peers.iter().map(|(network, prefix)| quoted(format!("{network}/{prefix}"))).collect();
    let keys = [
        ("address", relay_ipv4.map(|address| quoted(address.to_string()))),
        ("address_ipv6", relay_ipv6.map(|address| quoted(address.to_string()))),
        ("ipv6", relay_ipv6.is_none().then(|| String::from("false"))),
        ("external_address", external_ipv4.map(|address| quoted(address.to_string()))),
        ("ports", Some(quoted(format!("{}-{}", ports.start(), ports.end())))),
        ("allow_peers", Some(format!("[{}]", peers.join(", ")))),
        ("max_allocations", Some(limits.allocations.to_string())),
        ("max_allocations_per_address", Some(limits.allocations_per_source.to_string())),
        ("max_allocations_per_participant", Some(limits.allocations_per_user.to_string())),
        ("max_kbps_per_allocation", Some(kbps(limits.bytes_per_second).to_string())),
        ("max_kbps_per_participant", Some(kbps(limits.bytes_per_second_per_user).to_string())),
        ("max_kbps", limits.bytes_per_second_in_all.map(|bytes| kbps(bytes).to_string())),
        ("challenges_per_second", Some(limits.challenges_per_second.to_string())),
        ("bindings_per_second", Some(limits.bindings_per_second.to_string())),
        ("threads", threads.map(|threads| threads.to_string())),
    ];
    let lines: Vec<_> = keys.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?))).collect();
    lines.join("\n")
}

impl Site {
    /// Where clients by TCP or TLS connect to.
    pub fn door(&self, by: By) -> SocketAddr {
        match by {
            By::Tcp => self.address,
            By::Tls => self.address_for_tls,
        }
    }

    /// Shakes hands as a client that trusts the server, and names these protocols.
    pub async fn shake_hands(&self, stream: TcpStream, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        tls::shake_hands(stream, [tls::certificate(&self.server.certificate())], "localhost", protocols).await
    }

    /// A stream on which nothing has been said yet, but for the handshake.
    pub async fn stream(&self, by: By) -> Pipe {
        self.try_stream(by).await.unwrap()
    }

    /// A stream, where the relay takes one.
    pub async fn try_stream(&self, by: By) -> io::Result<Pipe> {
        let stream = TcpStream::connect(self.door(by)).await?;
        Ok(match by {
            By::Tcp => Box::new(stream),
            By::Tls => Box::new(self.shake_hands(stream, &[]).await?),
        })
    }

    /// A client with a good credential of a new participant.
    pub async fn client(&self) -> Client {
        self.client_of(ParticipantId::random()).await
    }

    pub async fn client_of(&self, participant: ParticipantId) -> Client {
        Client::new(self.address, mint(participant)).await
    }

    /// A client with an allocation.
    pub async fn allocated(&self) -> Client {
        let mut client = self.client().await;
        client.allocate().await;
        client
    }

    /// Asks the server for something, over a connection that is kept. Tells the status of the answer.
    pub async fn ask(&self, method: Method, path: &str, body: &str) -> StatusCode {
        let request = self.web.request(method, format!("{}{path}", self.server.address)).body(body.to_owned());
        request.header("content-type", "application/json").send().await.unwrap().status()
    }

    /// What the relay has done so far, as `/metrics` tells it.
    pub async fn counters(&self) -> Counters {
        let text = self.web.get(format!("{}/metrics", self.server.address)).send().await.unwrap().text().await.unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        // Some of what is not the relay's has fractions.
        let samples: HashMap<&str, u64> = samples.filter_map(|(sample, value)| Some((sample, value.parse().ok()?))).collect();
        let of = |sample: &str| samples[format!("hearth_relay_{sample}").as_str()];
        let denials = |reason| of(&format!("denials_total{{reason=\"{reason}\"}}"));
        let drops = |reason| of(&format!("drops_total{{reason=\"{reason}\"}}"));
        let by = |transport| of(&format!("allocations{{transport=\"{transport}\"}}"));
        Counters {
            received: of("messages_received_total"),
            malformed: denials("malformed"),
            limited: denials("limited"),
            bindings: of("bindings_total"),
            challenged: of("challenges_total"),
            failed_authentications: of("authentication_failures_total"),
            refused: denials("refused"),
            allocated: of("allocations_made_total"),
            forbidden: denials("forbidden_peer"),
            forbidden_packets: drops("forbidden_peer"),
            unpermitted: drops("unpermitted"),
            throttled: drops("throttled"),
            packets_out: of(r#"packets_total{direction="to_peer"}"#),
            bytes_out: of(r#"bytes_total{direction="to_peer"}"#),
            packets_in: of(r#"packets_total{direction="from_peer"}"#),
            bytes_in: of(r#"bytes_total{direction="from_peer"}"#),
            send_errors: drops("send"),
            receive_errors: drops("receive"),
            allocations: by("udp") + by("tcp") + by("tls"),
            allocations_by_udp: by("udp"),
            allocations_by_tcp: by("tcp"),
            allocations_by_tls: by("tls"),
        }
    }

    /// How much memory the server has.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Waits until the counters are like this.
    pub async fn until(&self, what: &str, holds: impl Fn(&Counters) -> bool) -> Counters {
        self.until_within(PATIENCE, what, holds).await
    }

    /// Waits until the counters are like this, but no longer than so.
    pub async fn until_within(&self, patience: Duration, what: &str, holds: impl Fn(&Counters) -> bool) -> Counters {
        let wait = async {
            let mut pause = Duration::from_millis(1);
            loop {
                let counters = self.counters().await;
                if holds(&counters) {
                    return counters;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(20));
            }
        };
        tokio::time::timeout(patience, wait).await.unwrap_or_else(|_| panic!("this did not come about: {what}"))
    }
}
