//! Reading the settings again while the server runs: at SIGHUP, and when an administrator sets something in the browser.
//!
//! First everything is read and checked, files that the settings name included; only when all of it is good are the parts told. So
//! whatever is wrong, what held before holds on (fault R24). What can't change while the server runs is named, and
//! holds from the next start on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::Auth;
use crate::authority::HTTPS_PORT;
use crate::backup::BackupWatch;
use crate::config::{Change, Config, Key, Loaded, Problem, Problems, Sources};
use crate::doctor::Doctor;
use crate::http::{Api, Places, Services};
use crate::hub::Hub;
use crate::lifecycle::{Live, ReloadSignals, Tasks, supervisor};
use crate::signaling::{IceDirectory, Signaling};
use crate::store::Store;
use crate::telemetry;
use crate::tls::{Authority, CertificateWatch, Source, Wanted, Wishes};
use crate::turn::Relay;

use super::doctor::Changing;
use super::settings::Settings;

/// The parts that can be told other settings.
pub(super) struct Parts {
    pub(super) auth: Auth,
    pub(super) hub: Hub,
    pub(super) signaling: Signaling,
    pub(super) ice: IceDirectory,
    pub(super) relay: Option<Relay>,
    pub(super) connections: Places,
    pub(super) certificates: Wishes,
    pub(super) certificate: CertificateWatch,
    /// Where plain HTTP leads.
    pub(super) public_origin: Live<Option<String>>,
    pub(super) doctor: Live<Changing>,
}

impl Parts {
    /// What the HTTP side works with.
    pub(super) fn services(
        &self,
        store: Store,
        doctor: Doctor,
        authority: Authority,
        (data_dir, backups): (PathBuf, BackupWatch),
    ) -> Services {
        let Self { auth, hub, signaling, ice, .. } = self;
        Services {
            auth: auth.clone(),
            store,
            hub: hub.clone(),
            signaling: signaling.clone(),
            ice: ice.clone(),
            doctor,
            certificate: self.certificate.clone(),
            authority,
            data_dir,
            backups,
        }
    }

    fn take_over(&self, api: &Api, settings: Settings) {
        let Settings {
            http,
            hub,
            signaling,
            registration,
            others,
            credential_ttl,
            relay,
            connections,
            log,
            certificate,
            public_origin,
            doctor,
        } = settings;
        telemetry::reconfigure(&log);
        self.certificates.set(certificate);
        self.public_origin.set(public_origin);
        api.reconfigure(http);
        self.auth.reconfigure(registration);
        self.hub.reconfigure(hub);
        self.signaling.reconfigure(signaling);
        self.ice.reconfigure(others, credential_ttl);
        if let Some(running) = &self.relay {
            running.reconfigure(relay);
        }
        self.connections.reconfigure(connections.0, connections.1);
        self.doctor.set(doctor);
    }
}

/// Keeps what holds, and exchanges it.
pub(super) struct HeldSettings {
    sources: Sources,
    parts: Parts,
    api: Api,
    /// What the server was started with: keys that can't change hold with these values.
    started: Config,
    /// What was read last. Locked while something is exchanged, so that one change is made after the other.
    loaded: Mutex<Loaded>,
}

/// What a change in the browser came to nothing by.
#[derive(Debug)]
pub(super) enum Unchanged {
    /// It would not be good.
    Wrong(Problems),
    /// It could not be written down.
    Unwritten(std::io::Error),
}

impl From<Problems> for Unchanged {
    fn from(problems: Problems) -> Self {
        Self::Wrong(problems)
    }
}

impl HeldSettings {
    /// Keeps what was `loaded` from `sources` when the server started.
    pub(super) fn new(sources: Sources, loaded: Loaded, parts: Parts, api: Api) -> Self {
        Self { sources, parts, api, started: loaded.config.clone(), loaded: Mutex::new(loaded) }
    }

    /// Reads everything again, and lets it hold if it is good.
    ///
    /// # Errors
    /// Everything that is wrong; nothing has changed then.
    pub(super) fn reload(&self) -> Result<(), Problems> {
        let mut held = self.held();
        let loaded = self.sources.load()?;
        let settings = Settings::of(&loaded.config)?;
        self.take_over(&mut held, loaded, settings);
        Ok(())
    }

    /// Makes changes in the browser, which hold at once and after a restart.
    ///
    /// # Errors
    /// When they are not good, or can't be written; nothing has changed then.
    pub(super) fn set(&self, changes: &[Change]) -> Result<Loaded, Unchanged> {
        let mut held = self.held();
        let (loaded, text) = self.sources.load_with(changes)?;
        let settings = Settings::of(&loaded.config)?;
        if let Some(problem) = self.lock_out(&held.config, &loaded.config, &settings) {
            return Err(Unchanged::Wrong(problem.into()));
        }
        // Where the data are can't change while the server runs, whatever the file says by now.
        Sources::save(&self.started.server.data_dir, &text).map_err(Unchanged::Unwritten)?;
        self.take_over(&mut held, loaded, settings);
        Ok(held.clone())
    }

    /// What was read last.
    pub(super) fn loaded(&self) -> Loaded {
        self.held().clone()
    }

    /// The keys that were changed since the start and hold from the next one on.
    pub(super) fn waiting(&self, loaded: &Loaded) -> Vec<Key> {
        loaded.config.differences(&self.started).into_iter().filter(|key| !key.live).collect()
    }

    /// Why this change would shut everybody out: whoever came to a name that others vouch for has a browser that takes nothing less
    /// from it (RFC 6797), that of the administrator too. In the configuration file it can be done, by somebody who can undo it there.
    fn lock_out(&self, held: &Config, changed: &Config, settings: &Settings) -> Option<Problem> {
        let url = held.server.public_url.as_ref().filter(|url| url.port() == HTTPS_PORT && url.is_of_the_internet())?;
        let is_promised = held.server.https_only && self.parts.certificate.status().source != Source::LocalCa;
        let host = settings.certificate.host.as_deref();
        let is_kept = settings.certificate.wanted != Wanted::Local || host.is_some_and(|host| host != url.host());
        if !is_promised || is_kept {
            return None;
        }
        let key = if changed.tls.mode == held.tls.mode { "server.public_url" } else { "tls.mode" };
        let what = format!(
            "browsers that have been to {} would not come back: they were promised a certificate that others vouch for",
            url.host()
        );
        let mend = "set server.https_only = false in the configuration file first, and wait until everybody has come once more";
        Some(Problem::new(key, what, mend))
    }

    fn take_over(&self, held: &mut Loaded, loaded: Loaded, settings: Settings) {
        let changed = loaded.config.differences(&held.config);
        self.parts.take_over(&self.api, settings);
        let names = |is_meant: fn(&Key) -> bool| {
            changed.iter().filter(|key| is_meant(key)).map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (now, later) = (names(|key| key.live), names(|key| !key.live));
        let now = if now.is_empty() { "nothing" } else { &now };
        tracing::info!(event = "settings_taken", changed = %now, "the settings were read again");
        if !later.is_empty() {
            tracing::warn!(event = "settings_need_restart", keys = %later, "what was changed needs a restart to hold: {later}");
        }
        *held = loaded;
    }

    fn held(&self) -> MutexGuard<'_, Loaded> {
        // It is replaced whole, so that a panic elsewhere can't leave it half changed.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the settings again at each signal, until the program stops.
pub(super) async fn keep_reloading(held: Arc<HeldSettings>, mut signals: ReloadSignals, tasks: Tasks) {
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            () = signals.next() => {}
        }
        supervisor::reloading();
        let held = Arc::clone(&held);
        // Files are read, perhaps from a slow disk, and no request is to wait for that.
        let outcome = tokio::task::spawn_blocking(move || held.reload()).await;
        let status = match outcome {
            Ok(Ok(())) => "The settings were read again",
            Ok(Err(problems)) => {
                complain(&problems);
                "The settings are wrong; those from before hold on"
            }
            Err(error) => {
                tracing::error!(%error, "reading the settings again failed; those from before hold on");
                "Reading the settings again failed; those from before hold on"
            }
        };
        supervisor::ready(status);
    }
}

fn complain(problems: &Problems) {
    tracing::error!(event = "settings_refused", "the settings are wrong and were not taken; those from before hold on");
    for problem @ Problem { key, .. } in problems {
        tracing::error!(event = "setting_refused", %key, "config: {problem}");
    }
}
