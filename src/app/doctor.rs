//! What the configuration means to the [`doctor`](crate::doctor).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::front::Front;
use super::relay::REALM;
use super::{ice, listeners};
use crate::auth::{Key, KeyError};
use crate::config::{self, Config, PublicUrl};
use crate::doctor::{NoKey, RelaySettings, Report, Settings, examine as look};
use crate::lifecycle::Live;
use crate::turn::{Relay, StunServer};
use crate::{auth, turn};

/// How long one look at everything may take. Each part of it has a shorter patience of its own.
const DEADLINE: Duration = Duration::from_secs(60);

/// Looks at everything from the command line, beside a running server or without one.
///
/// # Errors
/// When it can't begin, or does not come to an end.
pub fn examine(config: &Config) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime could not start")?;
    let settings = settings(config, &Changing::of(config), false);
    let report = runtime.block_on(async { tokio::time::timeout(DEADLINE, look(&settings)).await });
    // A name server that hangs holds a thread that can't be stopped.
    runtime.shutdown_background();
    report.context("looking at everything took more than a minute; likely a disk or a name server hangs")
}

/// Where the running server listens, which the service manager may have decided, and where it should.
pub(super) struct Bound {
    https: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    relay: Vec<SocketAddr>,
    relay_tls: Vec<SocketAddr>,
    /// Those for plain HTTP and for the relay by TLS that are not ours, because another program had them at the start.
    missing: Vec<SocketAddr>,
}

impl Bound {
    /// `config` with the addresses of passed sockets in it.
    pub(super) fn of(config: &Config, front: &Front, relay: Option<&Relay>) -> io::Result<Self> {
        let (https, http) = front.bound()?;
        let relay_tls = relay.map(|relay| relay.tls_addrs().to_vec()).unwrap_or_default();
        let mut missing = listeners::missing(&config.server.listen_http, &http);
        missing.extend(relay.map(|_| listeners::missing(&config.relay.listen_tls, &relay_tls)).unwrap_or_default());
        Ok(Self { https, http, relay: relay.map(|relay| relay.local_addrs().to_vec()).unwrap_or_default(), relay_tls, missing })
    }

    /// What is missing, in words for the service manager's status; empty when nothing is.
    pub(super) fn lack(&self) -> String {
        // Where there is no IPv6, that of the other family is all there can be.
        let counts = |address: &&SocketAddr| !(address.is_ipv6() && self.has(address.port()));
        let ports: BTreeSet<u16> = self.missing.iter().filter(counts).map(SocketAddr::port).collect();
        ports.iter().map(|port| format!("; port {port} is not ours")).collect()
    }

    fn has(&self, port: u16) -> bool {
        self.http.iter().chain(&self.relay_tls).any(|address| address.port() == port)
    }
}

/// What may change while the server runs.
#[derive(Clone, Debug)]
pub(super) struct Changing {
    public: Option<(String, u16)>,
    of_the_internet: bool,
    stun_servers: Vec<StunServer>,
}

impl Changing {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            public: config.server.public_url.as_ref().map(|url| (url.host().to_owned(), url.port())),
            of_the_internet: config.server.public_url.as_ref().is_some_and(PublicUrl::is_of_the_internet),
            stun_servers: ice::stun_servers(&config.ice),
        }
    }
}

/// The same for the running server, which asks each time: the addresses of its machine may have changed, and so may settings.
pub(super) fn from_inside(
    config: &Config,
    bound: Bound,
    changing: Live<Changing>,
) -> impl Fn() -> Settings + Send + Sync + 'static {
    let mut config = config.clone();
    // What it should listen at and doesn't is still to be looked at.
    config.server.listen_http.retain(|address| bound.missing.contains(address));
    config.relay.listen_tls.retain(|address| bound.missing.contains(address));
    config.server.listen_http.extend(bound.http);
    config.relay.listen_tls.extend(bound.relay_tls);
    (config.server.listen, config.relay.listen) = (bound.https, bound.relay);
    let missing = bound.missing;
    move || Settings { missing: missing.clone(), ..settings(&config, &changing.get(), true) }
}

/// The configuration in the doctor's terms. `inside` says that the running server itself asks.
fn settings(config: &Config, Changing { public, of_the_internet, stun_servers }: &Changing, inside: bool) -> Settings {
    Settings {
        public: public.clone(),
        of_the_internet: *of_the_internet,
        https: config.server.listen.clone(),
        http: config.server.listen_http.clone(),
        data_dir: config.server.data_dir.clone(),
        relay: config.relay.enabled.then(|| relay(config)),
        stun_servers: stun_servers.clone(),
        inside,
        missing: Vec::new(),
    }
}

fn relay(config: &Config) -> RelaySettings {
    let relay = &config.relay;
    let ipv4 = relay.address.or_else(|| turn::default_relay_ipv4(&relay.listen));
    let ipv6 = relay.address_ipv6.or_else(|| turn::default_relay_ipv6().filter(|_| relay.ipv6));
    let external = relay.external_address.filter(|_| ipv4.is_some());
    let test = relay_key(&config.server.data_dir).map(|secret| turn::Settings {
        relay_ipv4: ipv4,
        relay_ipv6: ipv6,
        external_ipv4: external,
        ..as_client(relay, secret)
    });
    RelaySettings {
        listen: relay.listen.clone(),
        listen_tls: relay.listen_tls.clone(),
        ipv4,
        ipv6,
        wants_ipv6: relay.ipv6,
        external,
        ports: relay.ports.first..=relay.ports.last,
        test,
    }
}

/// The key that the relay's credentials are made with. One that is not there yet is the server's to make.
fn relay_key(data_dir: &Path) -> Result<Key, NoKey> {
    match auth::look_at(&data_dir.join("keys").join("relay")) {
        Ok(key) => key.ok_or(NoKey::NotMade),
        Err(KeyError::Foreign { .. }) => Err(NoKey::Forbidden),
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => Err(NoKey::Forbidden),
        Err(error) => Err(NoKey::Unusable(error.to_string())),
    }
}

/// As much of the relay's settings as a client of it has to know.
fn as_client(relay: &config::Relay, secret: Key) -> turn::Settings {
    turn::Settings {
        listen: relay.listen.clone(),
        tls: None,
        relay_ipv4: None,
        relay_ipv6: None,
        external_ipv4: None,
        ports: relay.ports.first..=relay.ports.last,
        realm: REALM.to_owned(),
        secret,
        shared_secret: None,
        allow_peers: Vec::new(),
        limits: turn::Limits::default(),
        threads: None,
    }
}
