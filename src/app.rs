//! The composition root: the one place that makes services out of a configuration and joins them.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::poll_immediate;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use crate::auth::{self, Auth};
use crate::clock::{Now, Timestamp};
use crate::config::{self, Loaded, Sources};
use crate::doctor::Doctor;
use crate::http::{self, Api, Listener, Neighbour, Places, Plain, SettingsKeeper};
use crate::hub::Hub;
use crate::ids::Secret;
use crate::lifecycle::sockets::Passed;
use crate::lifecycle::{Live, ReloadSignals, Tasks, stop_signal, supervisor};
use crate::signaling::{IceDirectory, Signaling};
use crate::store::Store;
use crate::tls::{self, Source};
use crate::turn::{self, Relay, credentials::CredentialIssuer};
use alive::Vitals;
use listeners::{Addresses, bind_all, bind_spare};
use reload::{Parts, keep_reloading};
use settings::Settings;

mod alive;
mod browser;
mod certificates;
pub mod doctor;
mod ice;
mod keeping;
mod listeners;
mod passed;
mod reload;
mod settings;

pub use keeping::{backup_directory, restore_hint};

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
    let mut passed = Passed::take()?;
    raise_descriptor_limit();
    let starting = supervisor::starting("Opening the data");
    // Until the very end, when the store is closed.
    let _claim = keeping::claim(&loaded.config)?;
    let store = keeping::open_store(&loaded.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime could not start")?;
    let served = runtime.block_on(async {
        let app = App::build(loaded, sources, store, &mut passed).await?;
        drop(starting);
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

/// The server, bound and joined, but not yet serving.
pub struct App {
    listeners: Vec<Listener>,
    /// For plain HTTP, and what is answered there.
    plain: (Vec<Listener>, Plain),
    api: Api,
    tls: Arc<ServerConfig>,
    /// Keeps the certificate.
    certificates: tls::Keeper,
    /// Takes those on who come to the HTTPS port because nothing else is open to them.
    relay: Option<Relay>,
    store: Store,
    /// How many connections there may be.
    connections: Places,
    settings: Arc<reload::HeldSettings>,
    reloads: ReloadSignals,
    tasks: Tasks,
    vitals: Vitals,
    announcement: Announcement,
}

/// What whoever started the server needs to know.
struct Announcement {
    address: String,
    /// Where browsers of this and other machines find it.
    reached: Addresses,
    fingerprint: String,
    /// The fingerprint of this server's own authority, where it vouches for the certificate.
    authority: Option<String>,
    setup_token: Option<Secret<String>>,
    open_registration: bool,
}

impl App {
    /// Makes every service that the settings ask for and binds every socket, but those that were passed.
    ///
    /// # Errors
    /// When a key, the certificate or a socket can't be had; each with its mend.
    pub async fn build(loaded: Loaded, sources: Sources, store: Store, passed: &mut Passed) -> Result<Self> {
        let tasks = Tasks::new();
        // Whoever asks for the settings to be read again while the server starts is not to end it.
        let reloads = ReloadSignals::listen();
        let config = passed::settle(loaded.config.clone(), passed)?;
        let settings = Settings::of(&config)?;
        let data_dir = &config.server.data_dir;
        let listeners = bind_all(&config.server.listen, "--listen or server.listen", passed)?;
        let plain_listeners = bind_spare(&config.server.listen_http, "server.listen_http", passed)?;
        let addresses = listeners.iter().map(Listener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let public_origin = Live::new(settings.public_origin.clone());
        let reached = Addresses::of(public_origin.clone(), &addresses);
        let address = reached.public();

        let (certificates, authority) =
            certificates::keeper(&config, settings.certificate.clone(), &plain_listeners, Now::read())?;
        let (tls, certificate) = (certificates.server_config(), certificates.watch());
        let plain = (plain_listeners, certificates::plain(&certificates, public_origin.clone(), &listeners, reached.own()));
        let auth = Auth::open(auth_settings(&settings, data_dir), store.clone())?;
        let (relay, ice) = relay(&config.relay, &settings, (data_dir, &tls), passed, &tasks).await?;
        if let Some(relay) = relay.as_ref().filter(|_| config.relay.self_test) {
            relay.keep_testing(ice::stun_servers(&config.ice), &tasks);
        }
        let ice = ice.with_others(settings.others.clone());
        let hub = Hub::new(settings.hub, store.clone(), relay.clone(), tasks.clone());
        rebuild(&hub).await?;
        let signaling = Signaling::new(settings.signaling, hub.clone(), auth.clone(), ice.clone(), tasks.clone());
        let bound = doctor::Bound::of(&config, &addresses, &plain.0, relay.as_ref())?;
        let (lack, relay_alive) = (bound.lack(), relay.clone());
        let vitals = Vitals { addresses: reached.clone(), lack, store: store.clone(), hub: hub.clone(), relay: relay_alive };
        let backups = keeping::start(&config, &store, (&auth, &reached), &tasks);
        let announcement = Announcement {
            address,
            reached,
            fingerprint: certificate.status().fingerprint,
            authority: (certificate.status().source == Source::LocalCa).then(|| authority.fingerprint()),
            setup_token: auth.setup_token(Timestamp::now()).await?,
            open_registration: config.accounts.registration == config::Registration::Open,
        };
        passed::warn_of_unused(passed);
        let connections = Places::new(settings.connections.0, settings.connections.1);
        let held_to = Live::new(settings.doctor);
        let parts = Parts {
            auth,
            hub,
            signaling,
            ice,
            relay: relay.clone(),
            connections: connections.clone(),
            certificates: certificates.wishes(),
            certificate,
            public_origin,
            doctor: held_to.clone(),
        };
        let doctor = Doctor::new(doctor::from_inside(&config, bound, held_to), tasks.clone());
        let data = (data_dir.clone(), backups);
        let api = Api::new(settings.http, parts.services(store.clone(), doctor, authority, data), tasks.clone());
        let settings = Arc::new(reload::HeldSettings::new(sources, loaded, parts, api.clone()));
        let api = api.kept_by(Arc::clone(&settings) as Arc<dyn SettingsKeeper>);
        Ok(Self {
            listeners,
            plain,
            api,
            tls,
            certificates,
            relay,
            store,
            connections,
            settings,
            reloads,
            tasks,
            vitals,
            announcement,
        })
    }

    /// Tells whoever started the server how to reach it. The lines are for people and for programs: `name: value`.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn announce(&self, out: &mut dyn Write) -> io::Result<()> {
        let Announcement { address, reached, fingerprint, authority, setup_token, open_registration } = &self.announcement;
        writeln!(out, "Hearth {} is ready.", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "address: {address}")?;
        writeln!(out, "fingerprint: {fingerprint}")?;
        if let Some(authority) = authority {
            writeln!(out, "authority: {authority}")?;
            writeln!(out, "trust: {}/trust", reached.all().first().unwrap_or(address))?;
        }
        if let Some(token) = setup_token {
            for link in reached.setup_links(token) {
                writeln!(out, "setup: {link}")?;
            }
            writeln!(
                out,
                "Open the setup link to make the first admin. It works once, within 24 hours; `hearth setup-link` makes another."
            )?;
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
        self.tasks.spawn(keep_reloading(self.settings, self.reloads, self.tasks.clone()));
        let neighbour = self.relay.map(|relay| Arc::new(relay) as Arc<dyn Neighbour>);
        for listener in self.listeners {
            let (router, tls, neighbour) = (router.clone(), Arc::clone(&self.tls), neighbour.clone());
            self.tasks.spawn(listener.serve(router, tls, neighbour, self.connections.clone(), self.tasks.clone()));
        }
        let (plain_listeners, plain) = self.plain;
        for listener in plain_listeners {
            self.tasks.spawn(plain.clone().serve(listener, self.connections.clone(), self.tasks.clone()));
        }
        self.tasks.spawn(self.certificates.keep(self.tasks.clone()));
        self.tasks.spawn(self.vitals.report(self.tasks.clone()));
        stop.await;
        supervisor::stopping();
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

/// Opens again what was under way when the server stopped.
async fn rebuild(hub: &Hub) -> Result<()> {
    let rooms = hub.rebuild().await?;
    if rooms > 0 {
        tracing::info!(rooms, "meetings were under way when the server stopped; their people find their seats again");
    }
    Ok(())
}

fn auth_settings(settings: &Settings, data_dir: &Path) -> auth::Settings {
    auth::Settings { registration: settings.registration, ..auth::Settings::new(data_dir.join("keys")) }
}

async fn relay(
    config: &config::Relay,
    settings: &Settings,
    (data_dir, tls): (&Path, &Arc<ServerConfig>),
    passed: &mut Passed,
    tasks: &Tasks,
) -> Result<(Option<Relay>, IceDirectory)> {
    if !config.enabled {
        return Ok((None, IceDirectory::empty()));
    }
    let secret = auth::load_or_create(&data_dir.join("keys").join("relay"))?;
    let credentials = CredentialIssuer::new(secret.clone(), settings.credential_ttl);
    let (relay_ipv4, relay_ipv6) = ice::relay_addresses(config);
    let settings = turn::Settings {
        listen: config.listen.clone(),
        tls: Some(turn::Tls { listen: config.listen_tls.clone(), config: Arc::clone(tls) }),
        relay_ipv4,
        relay_ipv6,
        external_ipv4: config.external_address,
        ports: config.ports.first..=config.ports.last,
        allow_peers: config.allow_peers.iter().map(|range| (range.address, range.prefix)).collect(),
        realm: REALM.to_owned(),
        secret,
        shared_secret: ice::shared_secret(config)?,
        limits: settings.relay.clone(),
        threads: config.threads.map(|threads| threads as usize),
    };
    let relay = Relay::start_on(settings, passed, tasks)
        .await
        .context("the relay can't listen; check relay.listen and relay.listen_tls, or set relay.enabled = false")?;
    let followed = config.clone();
    relay.follow(move || ice::relay_addresses(&followed), tasks);
    let port = relay.local_addrs().first().map_or(3478, SocketAddr::port);
    Ok((Some(relay), IceDirectory::own_relay(port, credentials)))
}
