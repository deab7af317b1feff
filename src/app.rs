//! The composition root: it and its modules alone make services out of a configuration and join them.

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::poll_immediate;

use crate::auth::{self, Auth};
use crate::clock::Timestamp;
use crate::config::{Config, Loaded, Sources};
use crate::doctor::Doctor;
use crate::http::{self, Api, Neighbour, Places, SettingsKeeper};
use crate::hub::Hub;
use crate::lifecycle::sockets::Passed;
use crate::lifecycle::{Live, ReloadSignals, Tasks, stop_signal, supervisor};
use crate::signaling::Signaling;
use crate::store::Store;
use crate::turn::Relay;
use alive::Vitals;
use announcement::Announcement;
use front::Front;
use reload::{Parts, keep_reloading};
use settings::Settings;

mod alive;
mod announcement;
mod browser;
mod certificates;
pub mod doctor;
mod front;
mod ice;
mod keeping;
mod listeners;
mod passed;
mod relay;
mod reload;
mod settings;

pub use keeping::{backup_directory, restore_hint};

/// How long the store may take to close, and what hangs on a disk after it. With the tasks' own deadline it stays under ten seconds.
const CLOSE_DEADLINE: Duration = Duration::from_millis(900);

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
    front: Front,
    api: Api,
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
        let front = Front::open(&config, &settings, passed)?;
        let auth = Auth::open(auth_settings(&settings, &config), store.clone())?;
        let (relay, ice) = relay::start(&config, &settings, &front.tls, passed, &tasks).await?;
        let ice = ice.with_others(settings.others.clone());
        let hub = Hub::new(settings.hub, store.clone(), relay.clone(), tasks.clone());
        rebuild(&hub).await?;
        let signaling = Signaling::new(settings.signaling, hub.clone(), auth.clone(), ice.clone(), tasks.clone());
        let bound = doctor::Bound::of(&config, &front, relay.as_ref())?;
        let (lack, relay_alive) = (bound.lack(), relay.clone());
        let vitals =
            Vitals { addresses: front.addresses.clone(), lack, store: store.clone(), hub: hub.clone(), relay: relay_alive };
        let backups = keeping::start(&config, &store, (&auth, &front.addresses), &tasks);
        let announcement = Announcement::of(&config, &front, auth.setup_token(Timestamp::now()).await?);
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
            certificates: front.wishes(),
            certificate: front.certificate(),
            public_origin: front.public_origin.clone(),
            doctor: held_to.clone(),
        };
        let doctor = Doctor::new(doctor::from_inside(&config, bound, held_to), tasks.clone());
        let (authority, data) = (front.authority.clone(), (config.server.data_dir.clone(), backups));
        let api = Api::new(settings.http, parts.services(store.clone(), doctor, authority, data), tasks.clone());
        let settings = Arc::new(reload::HeldSettings::new(sources, loaded, parts, api.clone()));
        let api = api.kept_by(Arc::clone(&settings) as Arc<dyn SettingsKeeper>);
        Ok(Self { front, api, relay, store, connections, settings, reloads, tasks, vitals, announcement })
    }

    /// Tells whoever started the server how to reach it.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn announce(&self, out: &mut dyn Write) -> io::Result<()> {
        self.announcement.write(out)
    }

    /// Serves until `stop` resolves, then ends in good order: clients are told, requests finish, everything is on disk.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = http::router(self.api);
        self.tasks.spawn(keep_reloading(self.settings, self.reloads, self.tasks.clone()));
        let neighbour = self.relay.map(|relay| Arc::new(relay) as Arc<dyn Neighbour>);
        self.front.serve(&router, neighbour.as_ref(), &self.connections, &self.tasks);
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

fn auth_settings(settings: &Settings, config: &Config) -> auth::Settings {
    auth::Settings { registration: settings.registration, ..auth::Settings::new(config.server.data_dir.join("keys")) }
}
