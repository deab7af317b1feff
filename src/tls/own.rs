//! The certificate by this server's own authority, which is always there: it serves where nothing better is wanted, stands in for
//! what is, and answers those who come by a name or an address of this machine that nobody else would vouch for.

use std::sync::Arc;
use std::time::Duration;

use super::schedule::{Chance, Life, Schedule, Step};
use super::{Identity, LocalCa, Names, TlsError};
use crate::clock::{Now, Tick};
use crate::ids::random_bytes;

/// The first pause after the authority could not sign, because of the disk for example.
const RETRY: Duration = Duration::from_secs(600);
/// How often it is looked whether this machine has new names and addresses.
const NAMES_LOOK: Duration = Duration::from_secs(60);

/// Tells under which names and addresses this machine is reached at present.
pub type MachineNames = Arc<dyn Fn() -> Names + Send + Sync>;

/// The authority, and the certificate that it has signed last.
pub(super) struct Own {
    ca: Arc<LocalCa>,
    machine: MachineNames,
    /// The name by which people know this server.
    host: Option<String>,
    identity: Option<Identity>,
    schedule: Schedule,
    failure: Option<String>,
    /// When the names are looked at next.
    look_at: Tick,
}

impl Own {
    /// Has signed nothing yet.
    pub(super) fn new(ca: LocalCa, machine: MachineNames, host: Option<&str>) -> Self {
        let (schedule, host) = (Schedule::new(RETRY), host.map(str::to_owned));
        Self { ca: Arc::new(ca), machine, host, identity: None, schedule, failure: None, look_at: Tick::default() }
    }

    /// The certificate, if one could be made.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Why the last attempt failed.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// When the next certificate is due, and whether that must be warned of.
    pub(super) fn schedule(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// People know the server by another name. The next look makes a certificate that is good for it.
    pub(super) fn is_known_as(&mut self, host: Option<&str>) {
        self.host = host.map(str::to_owned);
        self.look_at = Tick::default();
    }

    /// Takes the certificate on disk, or makes another. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When a new one is needed and can't be made.
    pub(super) fn sign(&mut self, now: Now) -> Result<(), TlsError> {
        let signed = self.ca.identity(&names(&self.machine, self.host.as_deref()), now.wall);
        self.take(signed.as_ref().map(Identity::clone).map_err(ToString::to_string), now);
        signed.map(drop)
    }

    /// Makes another certificate if this one is due, or if this machine has got other names.
    pub(super) async fn see_to(&mut self, now: Now) {
        let is_due = self.schedule.step(now) == Step::Renew;
        if !is_due && now.tick < self.look_at {
            return;
        }
        self.look_at = now.tick.plus(NAMES_LOOK);
        let (ca, machine, host) = (Arc::clone(&self.ca), Arc::clone(&self.machine), self.host.clone());
        let current = self.identity.clone();
        // A disk that hangs is to hold up this task and nothing else.
        let signing = tokio::task::spawn_blocking(move || {
            let names = names(&machine, host.as_deref());
            let is_good = current.is_some_and(|identity| names.iter().all(|name| identity.is_good_for(name)));
            (is_due || !is_good).then(|| ca.identity(&names, now.wall))
        });
        match signing.await {
            Ok(None) => {}
            Ok(Some(signed)) => self.take(signed.map_err(|error| error.to_string()), Now::read()),
            Err(error) => tracing::error!(%error, "this server's own certificate authority could not sign"),
        }
    }

    fn take(&mut self, signed: Result<Identity, String>, now: Now) {
        match signed {
            Ok(identity) => {
                let life = Life::of(&identity);
                match self.identity {
                    Some(_) => self.schedule.obtained(life, now, Chance::NONE),
                    None => self.schedule.found(life, Chance::NONE),
                }
                self.failure = None;
                self.identity = Some(identity);
            }
            Err(error) => {
                self.schedule.failed(now, Chance::new(random_bytes()));
                tracing::warn!(%error, "this server's own certificate authority can't sign");
                self.failure = Some(error);
            }
        }
    }
}

fn names(machine: &MachineNames, host: Option<&str>) -> Names {
    let mut names = machine();
    if let Some(host) = host {
        names.add(host);
    }
    names
}
