//! The composition root: the one place that makes services out of a configuration and joins them.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::poll_immediate;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use crate::auth::{self, Auth};
use crate::clock::Timestamp;
use crate::config::{self, Config, Loaded, Sources};
use crate::http::{self, Api, Listener, Neighbour, Places, SettingsKeeper};
use crate::hub::Hub;
use crate::ids::Secret;
use crate::lifecycle::{ReloadSignals, Tasks, stop_signal};
use crate::signaling::{IceDirectory, Signaling};
use crate::store::{self, OpenError, Store};
use crate::tls::{self, Identity, Names};
use crate::turn::{self, Relay, credentials::CredentialIssuer};

mod browser;
mod certificates;
mod ice;
mod reload;
mod settings;

use reload::{Keeper, Parts, keep_reloading};
use settings::Settings;

/// How long the store may take to close, and what hangs on a disk after it. With the tasks' own deadline it stays under ten seconds.
const CLOSE_DEADLINE: Duration = Duration::from_millis(900);

/// The realm of relay credentials. Short, because it is part of every challenge, and telling nothing about the site.
const REALM: &str = "hearth";

/// The data can't be read; only a restore helps.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the data can't be read")]
pub struct DamagedData;

/// Runs the server until it is told to stop. The settings that were `loaded` are read again from `sources` whenever that is asked for.
///
/// # Errors
/// When it can't start, with what to do about it. Once it serves, it ends without an error.
pub fn serve(loaded: Loaded, sources: Sources) -> Result<()> {
    raise_descriptor_limit();
    // Opened before anything else: whoever starts a second server on the same data hears of that and of nothing else.
    let data_dir = &loaded.config.server.data_dir;
    make_private_dir(data_dir)?;
    let store = open_store(data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime could not start")?;
    let served = runtime.block_on(async {
        let app = App::build(loaded, sources, store).await?;
        // It listens from its first poll on. Whoever has read the announcement may send a signal.
        let mut stop = pin!(stop_signal());
        if poll_immediate(stop.as_mut()).await.is_some() {
            return Ok(());
        }
        app.announce(&mut io::stdout()).context("the address could not be printed")?;
        app.run(stop).await;
        Ok(())
    });
    // Reads that hang on a disk can't be cancelled, and must not keep the program from ending.
    runtime.shutdown_timeout(CLOSE_DEADLINE);
    served
}

fn open_store(data_dir: &Path) -> Result<Store> {
    Store::open(store::Settings::new(data_dir.join("store"))).map_err(|error| {
        let damaged = matches!(error, OpenError::Damaged { .. } | OpenError::TimedOut { .. });
        let error = anyhow::Error::new(error);
        if damaged { error.context(DamagedData) } else { error }
    })
}

/// The server, bound and joined, but not yet serving.
pub struct App {
    listeners: Vec<Listener>,
    api: Api,
    tls: Arc<ServerConfig>,
    /// Takes those on who come to the HTTPS port because nothing else is open to them.
    relay: Option<Relay>,
    store: Store,
    /// How many connections there may be.
    connections: Places,
    keeper: Arc<Keeper>,
    reloads: ReloadSignals,
    tasks: Tasks,
    announcement: Announcement,
}

/// What whoever started the server needs to know.
struct Announcement {
    address: String,
    fingerprint: String,
    setup_token: Option<Secret<String>>,
    open_registration: bool,
}

impl App {
    /// Makes every service that the settings ask for and binds every socket.
    ///
    /// # Errors
    /// When a key, the certificate or a socket can't be had; each with its mend.
    pub async fn build(loaded: Loaded, sources: Sources, store: Store) -> Result<Self> {
        let tasks = Tasks::new();
        // Whoever asks for the settings to be read again while the server starts is not to end it.
        let reloads = ReloadSignals::listen();
        let config = loaded.config.clone();
        let settings = Settings::of(&config)?;
        let data_dir = &config.server.data_dir;
        let listeners = bind_all(&config.server.listen)?;
        let addresses = listeners.iter().map(Listener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let address = public_address(&config, &addresses);

        let identity = identity(&config, data_dir)?;
        let tls = tls::server_config(&identity);
        let auth = Auth::open(auth_settings(&settings, data_dir, &address), store.clone())?;
        let (relay, ice) = relay(&config.relay, &settings, data_dir, &tls, &tasks).await?;
        if let Some(relay) = relay.as_ref().filter(|_| config.relay.self_test) {
            relay.keep_testing(ice::stun_servers(&config.ice), &tasks);
        }
        let ice = ice.with_others(settings.others.clone());
        let hub = Hub::new(settings.hub, store.clone(), relay.clone(), tasks.clone());
        rebuild(&hub).await?;
        let signaling = Signaling::new(settings.signaling, hub.clone(), auth.clone(), ice.clone(), tasks.clone());
        let announcement = Announcement {
            address,
            fingerprint: identity.fingerprint(),
            setup_token: auth.setup_token(Timestamp::now()).await?,
            open_registration: config.accounts.registration == config::Registration::Open,
        };
        let certificate = certificates::watch(&identity, &Names::of_this_machine(), Timestamp::now());
        let connections = Places::new(settings.connections.0, settings.connections.1);
        let parts = Parts { auth, hub, signaling, ice, relay: relay.clone(), connections: connections.clone() };
        let api = Api::new(settings.http, parts.services(store.clone(), certificate, data_dir.clone()), tasks.clone());
        let keeper = Arc::new(Keeper::new(sources, loaded, parts, api.clone()));
        let api = api.kept_by(Arc::clone(&keeper) as Arc<dyn SettingsKeeper>);
        Ok(Self { listeners, api, tls, relay, store, connections, keeper, reloads, tasks, announcement })
    }

    /// Tells whoever started the server how to reach it. The lines are for people and for programs: `name: value`.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn announce(&self, out: &mut dyn Write) -> io::Result<()> {
        let Announcement { address, fingerprint, setup_token, open_registration } = &self.announcement;
        writeln!(out, "Hearth {} is ready.", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "address: {address}")?;
        writeln!(out, "fingerprint: {fingerprint}")?;
        if let Some(token) = setup_token {
            writeln!(out, "setup: {address}/setup#{}", token.expose())?;
            writeln!(out, "Open the setup link to make the first admin. It works once, within 24 hours.")?;
        }
        if *open_registration {
            writeln!(
                out,
                "Everybody who reaches this address may register. To change that, set accounts.registration = \"closed\"."
            )?;
        }
        writeln!(out, "Press Ctrl-C to stop.")?;
        out.flush()
    }

    /// Serves until `stop` resolves, then ends in good order: clients are told, requests finish, everything is on disk.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = http::router(self.api);
        self.tasks.spawn(keep_reloading(self.keeper, self.reloads, self.tasks.clone()));
        let neighbour = self.relay.map(|relay| Arc::new(relay) as Arc<dyn Neighbour>);
        for listener in self.listeners {
            let (router, tls, neighbour) = (router.clone(), Arc::clone(&self.tls), neighbour.clone());
            self.tasks.spawn(listener.serve(router, tls, neighbour, self.connections.clone(), self.tasks.clone()));
        }
        stop.await;
        tracing::info!("stopping");
        if !self.tasks.stop(stop_signal()).await {
            tracing::warn!("some connections did not end in time and were dropped");
        }
        match tokio::time::timeout(CLOSE_DEADLINE, self.store.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the store did not close cleanly; what was acknowledged is safe"),
            Err(_) => tracing::error!("the disk is too slow for the store to close in time; what was acknowledged is safe"),
        }
    }
}

impl Neighbour for Relay {
    fn alpn(&self) -> &[u8] {
        turn::ALPN
    }

    fn knows(&self, first: u8) -> bool {
        Self::knows(first)
    }

    fn take_over(&self, socket: TcpStream, connection: ServerConnection) {
        self.adopt(socket, connection);
    }
}

/// Lets this process open as many files and sockets as it may at most: the usual 1,024 are fewer than the connections that it takes.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            tracing::warn!(%error, "the limit of open files could not be raised; with many connections, some may be refused");
        }
    }
}

/// Makes a directory that only this user can read; leaves one that exists as it is.
fn make_private_dir(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| {
        format!("the data directory {} can't be made; choose another with --data-dir or server.data_dir", path.display())
    })
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        match Listener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if address.is_ipv6() && addresses.len() > 1 && turn::is_without_family(&error) => {
                tracing::debug!(%address, "this machine has no IPv6; passed over");
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                bail!("another program listens on {address}; stop it, or choose another address with --listen or server.listen")
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{address} can't be listened on; check server.listen"));
            }
        }
    }
    Ok(listeners)
}

/// Opens again what was under way when the server stopped.
async fn rebuild(hub: &Hub) -> Result<()> {
    let rooms = hub.rebuild().await?;
    if rooms > 0 {
        tracing::info!(rooms, "meetings were under way when the server stopped; their people find their seats again");
    }
    Ok(())
}

/// The address that people are told: the configured one, or this machine's own.
fn public_address(config: &Config, bound: &[SocketAddr]) -> String {
    if let Some(url) = &config.server.public_url {
        return url.origin().to_owned();
    }
    let local = |address: &SocketAddr| address.ip().is_unspecified() || address.ip().is_loopback();
    match bound.first() {
        Some(address) if local(address) => format!("https://localhost:{}", address.port()),
        Some(address) => format!("https://{address}"),
        None => String::from("https://localhost"),
    }
}

fn identity(config: &Config, data_dir: &Path) -> Result<Identity> {
    let mut names = Names::of_this_machine();
    if let Some(url) = &config.server.public_url {
        names.add(url.host());
    }
    Ok(Identity::load_or_create(&data_dir.join("tls"), &names, Timestamp::now())?)
}

fn auth_settings(settings: &Settings, data_dir: &Path, address: &str) -> auth::Settings {
    auth::Settings { registration: settings.registration, ..auth::Settings::new(address, data_dir.join("keys")) }
}

async fn relay(
    config: &config::Relay,
    settings: &Settings,
    data_dir: &Path,
    tls: &Arc<ServerConfig>,
    tasks: &Tasks,
) -> Result<(Option<Relay>, IceDirectory)> {
    if !config.enabled {
        return Ok((None, IceDirectory::empty()));
    }
    let secret = auth::load_or_create(&data_dir.join("keys").join("relay"))?;
    let credentials = CredentialIssuer::new(secret.clone(), settings.credential_ttl);
    let relay_ipv4 = config.address.or_else(|| turn::default_relay_ipv4(&config.listen));
    let settings = turn::Settings {
        listen: config.listen.clone(),
        tls: Some(turn::Tls { listen: config.listen_tls.clone(), config: Arc::clone(tls) }),
        relay_ipv4,
        relay_ipv6: config.address_ipv6.or_else(|| turn::default_relay_ipv6().filter(|_| config.ipv6)),
        // Without an address that it would stand for it means nothing.
        external_ipv4: config.external_address.filter(|_| relay_ipv4.is_some()),
        ports: config.ports.first..=config.ports.last,
        allow_peers: config.allow_peers.iter().map(|range| (range.address, range.prefix)).collect(),
        realm: REALM.to_owned(),
        secret,
        shared_secret: ice::shared_secret(config)?,
        limits: settings.relay.clone(),
        threads: config.threads.map(|threads| threads as usize),
    };
    let relay = Relay::start(settings, tasks)
        .await
        .context("the relay can't listen; check relay.listen and relay.listen_tls, or set relay.enabled = false")?;
    let port = relay.local_addrs().first().map_or(3478, SocketAddr::port);
    Ok((Some(relay), IceDirectory::own_relay(port, credentials)))
}
