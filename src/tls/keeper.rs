//! One keeper decides which certificate serves, sees to the next one, and tells how things stand.
//!
//! What serves is never taken away because something better can't be had: a certificate of the authority stays until another takes
//! its place, whatever the clock says, and where there is none this server's own authority signs one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::sleep;

use super::acme::{AcmeClient, AcmeSettings, Challenges};
use super::schedule::{Chance, Life, Schedule, Step};
use super::supplied::{Change, Supplied};
use super::{
    CertificateSlot, CertificateStatus, CertificateWatch, Identity, LocalCa, Names, Source, TlsError, server_config_answering,
};
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::random_bytes;
use crate::lifecycle::Tasks;

/// How often the administrator's files are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// The first pause after this server's own authority could not sign, because of the disk for example.
const LOCAL_RETRY: Duration = Duration::from_secs(600);
/// How often the authority is asked when it would like a renewal, if it doesn't say how often.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);
/// Bounds of what it may say.
const ASK_AGAIN_EARLIEST: Duration = Duration::from_secs(60);
const ASK_AGAIN_LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the certificate is to come from.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// An authority that speaks ACME.
    Acme(Box<AcmeSettings>),
    /// This server's own authority.
    Local,
    /// Files of the administrator.
    Files {
        /// The certificate, followed by those that vouch for it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// What the keeper is told at the start.
pub struct KeeperSettings {
    /// Where certificates are kept.
    pub dir: PathBuf,
    /// Where the certificate is to come from.
    pub wanted: Wanted,
    /// The name by which people know this server, where one is configured.
    pub host: Option<String>,
    /// Tells under which names and addresses the server is reached at present, for certificates of its own authority.
    pub names: Box<dyn Fn() -> Names + Send + Sync>,
}

/// Keeps a certificate in its slot. Made by [`Keeper::open`], set to work by [`Keeper::keep`].
pub struct Keeper {
    names: Box<dyn Fn() -> Names + Send + Sync>,
    host: Option<String>,
    ca: LocalCa,
    origin: Origin,
    challenges: Challenges,
    slot: Arc<CertificateSlot>,
    status: watch::Sender<CertificateStatus>,
    watch: CertificateWatch,
    /// What is in the slot.
    serving: Identity,
    source: Source,
    schedule: Schedule,
    /// For the certificates of this server's own authority that stand in for another.
    stand_in: Schedule,
    /// Why the last attempt failed.
    failure: Option<String>,
}

/// Where the certificate comes from, at work.
enum Origin {
    Acme {
        authority: Box<AcmeClient>,
        /// When to ask for the best time of the renewal.
        ask_at: Tick,
    },
    Local,
    Files(Box<Supplied>),
}

impl Keeper {
    /// Chooses the certificate to begin with: one that is there from earlier or in the administrator's files, or else one of this
    /// server's own authority. Asks nobody outside. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When there is no certificate at all to begin with, because this server's own authority can't sign one.
    pub fn open(settings: KeeperSettings, ca: LocalCa, now: Now) -> Result<Self, TlsError> {
        let KeeperSettings { dir, wanted, host, names } = settings;
        let challenges = Challenges::default();
        let mut failure = None;
        let (origin, retry, found) = match wanted {
            Wanted::Acme(settings) => {
                let retry = settings.retry;
                let authority = Box::new(AcmeClient::new(*settings, dir.join("acme"), challenges.clone()));
                let found = authority.kept_certificate();
                let ask_at = now.tick.plus(ASK_AGAIN_EARLIEST.mul_f64(1.0 + 9.0 * chance().fraction()));
                (Origin::Acme { authority, ask_at }, retry, found.map(|identity| (identity, Source::Acme)))
            }
            Wanted::Local => (Origin::Local, LOCAL_RETRY, None),
            Wanted::Files { certificate, key } => {
                let mut files = Box::new(Supplied::new(certificate, key));
                let read = files.read().map_err(|error| failure = Some(error.to_string())).ok();
                (Origin::Files(files), LOCAL_RETRY, read.map(|identity| (identity, Source::Files)))
            }
        };
        let (serving, source) = match found {
            Some(found) => found,
            None => (ca.identity(&names(), now.wall)?, Source::LocalCa),
        };
        let slot = CertificateSlot::new(&serving);
        let (status, watch) = CertificateWatch::new(CertificateStatus::of(&serving, source));
        let (schedule, stand_in) = (Schedule::new(retry), Schedule::new(LOCAL_RETRY));
        let mut keeper =
            Self { names, host, ca, origin, challenges, slot, status, watch, serving, source, schedule, stand_in, failure };
        keeper.begin(now);
        Ok(keeper)
    }

    /// What listeners need to shake hands with whatever certificate serves at the time.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        server_config_answering(Arc::clone(&self.slot), self.challenges.clone())
    }

    /// What the authority may ask for over plain HTTP.
    pub fn challenges(&self) -> Challenges {
        self.challenges.clone()
    }

    /// Tells how things stand, at any time.
    pub fn watch(&self) -> CertificateWatch {
        self.watch.clone()
    }

    /// Sees to the certificate until the program stops.
    pub async fn keep(mut self, tasks: Tasks) {
        tokio::select! {
            () = async { loop { self.round().await } } => {}
            // An order that is under way is taken up anew by the next start.
            () = tasks.stopping() => {}
        }
    }

    fn begin(&mut self, now: Now) {
        let life = life_of(&self.serving);
        match (&self.origin, self.source) {
            (Origin::Acme { .. }, Source::Acme) => self.schedule.found(life, chance()),
            (Origin::Acme { authority, .. }, Source::LocalCa | Source::Files) => {
                self.stand_in.found(life, Chance::NONE);
                self.failure = Some(format!("The certificate of {} is on its way.", authority.host()));
            }
            (Origin::Files(_), Source::LocalCa) => self.stand_in.found(life, Chance::NONE),
            (Origin::Local, _) | (Origin::Files(_), Source::Acme | Source::Files) => self.schedule.found(life, Chance::NONE),
        }
        if let (Origin::Files(_), Some(failure)) = (&self.origin, &self.failure) {
            tracing::warn!("{failure}; until then this server's own certificate authority stands in");
        }
        self.tell(now);
    }

    /// Does what is due, tells how things stand, and waits until something else may be due.
    async fn round(&mut self) {
        let wait = match &self.origin {
            Origin::Acme { .. } => self.round_of_acme().await,
            Origin::Local => self.round_of_local(),
            Origin::Files(_) => self.round_of_files(),
        };
        self.tell(Now::read());
        sleep(wait).await;
    }

    async fn round_of_acme(&mut self) -> Duration {
        let now = Now::read();
        if self.schedule.step(now) == Step::Renew {
            self.order().await;
        }
        self.ask_when_to_renew(Now::read()).await;
        let now = Now::read();
        if self.source == Source::LocalCa {
            self.sign_stand_in(now);
        }
        match self.schedule.step(now) {
            Step::Renew => Duration::ZERO,
            Step::Wait(time) => time,
        }
    }

    async fn order(&mut self) {
        let Origin::Acme { authority, ask_at } = &mut self.origin else { return };
        let old = (self.source == Source::Acme).then_some(&self.serving);
        let ordered = authority.order(old).await;
        let now = Now::read();
        match ordered {
            Ok(identity) => {
                *ask_at = now.tick;
                self.schedule.obtained(life_of(&identity), now, chance());
                self.failure = None;
                self.serve(identity, Source::Acme);
            }
            Err(error) => {
                self.schedule.failed(now, chance());
                let next = self.schedule.next_attempt(now);
                tracing::warn!(%error, next_attempt = %next, serving_until = %self.serving.not_after(), "there is no new certificate");
                self.failure = Some(error.to_string());
            }
        }
    }

    async fn ask_when_to_renew(&mut self, now: Now) {
        let Origin::Acme { authority, ask_at } = &mut self.origin else { return };
        if self.source != Source::Acme || now.tick < *ask_at {
            return;
        }
        let suggestion = authority.suggestion(&self.serving).await;
        let ask_again = suggestion.map_or(ASK_AGAIN, |suggestion| suggestion.ask_again);
        *ask_at = Tick::now().plus(ask_again.clamp(ASK_AGAIN_EARLIEST, ASK_AGAIN_LATEST));
        if let Some(suggestion) = suggestion {
            self.schedule.suggested(suggestion.from, suggestion.until, chance());
        }
    }

    fn round_of_local(&mut self) -> Duration {
        let now = Now::read();
        let names = (self.names)();
        let has_new_names = !names.iter().all(|name| self.serving.is_good_for(name));
        if has_new_names || self.schedule.step(now) == Step::Renew {
            match self.ca.identity(&names, now.wall) {
                Ok(identity) => {
                    self.schedule.obtained(life_of(&identity), now, Chance::NONE);
                    self.failure = None;
                    self.serve(identity, Source::LocalCa);
                }
                Err(error) => {
                    self.schedule.failed(now, chance());
                    tracing::warn!(%error, "there is no new certificate");
                    self.failure = Some(error.to_string());
                }
            }
        }
        NAMES_LOOK
    }

    fn round_of_files(&mut self) -> Duration {
        let Origin::Files(files) = &mut self.origin else { return LOOK };
        match files.poll() {
            Change::None => {}
            Change::New(identity) => {
                self.schedule.obtained(life_of(&identity), Now::read(), Chance::NONE);
                self.failure = None;
                self.serve(identity, Source::Files);
            }
            Change::Unusable(error) => {
                tracing::warn!(%error, "the certificate's files have changed and can't be used; what served before goes on serving");
                self.failure = Some(error.to_string());
            }
        }
        if self.source == Source::LocalCa {
            self.sign_stand_in(Now::read());
        }
        LOOK
    }

    /// Renews what stands in for the certificate that there should be.
    fn sign_stand_in(&mut self, now: Now) {
        if self.stand_in.step(now) != Step::Renew {
            return;
        }
        match self.ca.identity(&(self.names)(), now.wall) {
            Ok(identity) => {
                self.stand_in.obtained(life_of(&identity), now, Chance::NONE);
                self.serve(identity, Source::LocalCa);
            }
            Err(error) => {
                self.stand_in.failed(now, chance());
                tracing::warn!(%error, "this server's own certificate authority can't sign");
            }
        }
    }

    fn serve(&mut self, identity: Identity, source: Source) {
        if identity.certificate() != self.serving.certificate() {
            tracing::info!(
                names = identity.names().join(", "), until = %identity.not_after(), fingerprint = identity.fingerprint(),
                "there is a new certificate"
            );
            self.slot.replace(&identity);
        }
        (self.serving, self.source) = (identity, source);
    }

    /// Tells how things stand to whoever asks, and what is wrong to the log.
    fn tell(&mut self, now: Now) {
        let status = CertificateStatus {
            renews_at: (!matches!(self.origin, Origin::Files(_))).then(|| self.schedule.next_attempt(now)),
            expires_soon: self.followed().expires_soon(now.wall),
            problem: self.problem(now.wall),
            ..CertificateStatus::of(&self.serving, self.source)
        };
        if self.followed().warns(now) {
            tracing::warn!(
                expires = %status.not_after, problem = status.problem.as_deref().unwrap_or("none"),
                "less than a third of the certificate's life is left"
            );
        }
        self.status.send_if_modified(|told| {
            let is_new = *told != status;
            *told = status;
            is_new
        });
    }

    /// The schedule of the certificate that serves.
    fn followed(&mut self) -> &mut Schedule {
        match (&self.origin, self.source) {
            (Origin::Acme { .. } | Origin::Files(_), Source::LocalCa) => &mut self.stand_in,
            (Origin::Acme { .. } | Origin::Local | Origin::Files(_), _) => &mut self.schedule,
        }
    }

    fn problem(&self, now: Timestamp) -> Option<String> {
        let mut parts: Vec<String> = self.failure.clone().into_iter().collect();
        if self.failure.is_some() && self.source == Source::LocalCa && !matches!(self.origin, Origin::Local) {
            parts.push(String::from("Meanwhile this server's own certificate authority stands in, which browsers warn of."));
        }
        if let (Origin::Files(files), Source::Files) = (&self.origin, self.source) {
            let concerns = files.concerns(&self.serving, self.host.as_deref(), now);
            parts.extend(concerns.iter().map(ToString::to_string));
        } else if life_of(&self.serving).is_ahead_of(now) {
            parts.push(format!(
                "By this machine's clock it is {now}, and the certificate is good from {} on only. Set the clock.",
                self.serving.not_before()
            ));
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("source", &self.source).field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// How often it is looked whether this machine has new names and addresses.
const NAMES_LOOK: Duration = Duration::from_secs(60);

fn life_of(identity: &Identity) -> Life {
    Life { not_before: identity.not_before(), not_after: identity.not_after() }
}

fn chance() -> Chance {
    Chance::new(random_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const DIRECTORY: &str = "https://ca.example/directory";
    const NAME: &str = "meet.hearth.test";

    fn now() -> Now {
        Now { tick: Tick::from_millis(0), wall: Timestamp::from_millis(1_800_000_000_000) }
    }

    /// A keeper at this time whose certificate of an authority, if there is one, was made at another.
    fn open(dir: &Path, made: Option<Timestamp>, now: Now) -> Keeper {
        let mut names = Names::loopback();
        assert!(names.add(NAME));
        if let Some(made) = made {
            // Who signed it is of no interest here.
            let other = dir.join("other");
            LocalCa::open(&other, made).unwrap().identity(&names, made).unwrap();
            let read = |name: &str| std::fs::read_to_string(other.join(name)).unwrap();
            let text = format!("Authority: {DIRECTORY}\n{}{}", read("key.pem"), read("cert.pem"));
            super::super::files::make_private_dir(&dir.join("acme")).unwrap();
            super::super::files::write_private(&dir.join("acme/certificate.pem"), text.as_bytes()).unwrap();
        }
        let acme = AcmeSettings {
            directory: DIRECTORY.to_owned(),
            name: NAME.to_owned(),
            contact: None,
            profile: None,
            external_account: None,
            roots: None,
            by_http: false,
            retry: Duration::from_secs(900),
        };
        let settings = KeeperSettings {
            dir: dir.to_owned(),
            wanted: Wanted::Acme(Box::new(acme)),
            host: Some(NAME.to_owned()),
            names: Box::new(move || names.clone()),
        };
        let ca = LocalCa::open(dir, now.wall).unwrap();
        Keeper::open(settings, ca, now).unwrap()
    }

    #[test]
    fn r13_no_clock_takes_the_certificate_of_an_authority_away() {
        let made = now().wall;
        for (clock, is_due, has_problem) in [
            (made.plus(DAY), false, false),
            // Set back, as on small computers that have no clock of their own.
            (Timestamp::from_millis(0), false, true),
            (Timestamp::from_millis(made.as_millis() - u64::try_from(DAY.as_millis() * 365).unwrap()), false, true),
            (made.plus(DAY * 3650), true, false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let now = Now { wall: clock, ..now() };
            let keeper = open(dir.path(), Some(made), now);
            let status = keeper.watch().status();
            assert_eq!((status.source, status.problem.is_some()), (Source::Acme, has_problem), "{clock}: {status:?}");
            assert_eq!(keeper.schedule.step(now) == Step::Renew, is_due, "{clock}");
            assert_eq!(status.expires_soon, is_due, "{clock}");
        }
    }

    #[test]
    fn r25_without_a_certificate_the_own_authority_stands_in_and_the_reason_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = open(dir.path(), None, now());
        let status = keeper.watch().status();
        assert_eq!(status.source, Source::LocalCa);
        assert!(status.problem.is_some_and(|problem| problem.contains("ca.example") && problem.contains("stands in")));
        assert!(status.names.iter().any(|name| name == NAME));
        assert_eq!(keeper.schedule.step(now()), Step::Renew);
    }

    #[test]
    fn r26_files_that_nobody_renews_are_warned_of_from_a_third_of_their_life_on() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        let made = now();
        LocalCa::open(&other, made.wall).unwrap().identity(&Names::loopback(), made.wall).unwrap();
        for (days, is_soon) in [(1, false), (55, false), (65, true), (100, true)] {
            let now = Now { wall: made.wall.plus(DAY * days), ..made };
            let wanted = Wanted::Files { certificate: other.join("cert.pem"), key: other.join("key.pem") };
            let names = Box::new(Names::loopback);
            let settings = KeeperSettings { dir: dir.path().to_owned(), wanted, host: None, names };
            let keeper = Keeper::open(settings, LocalCa::open(dir.path(), now.wall).unwrap(), now).unwrap();
            let status = keeper.watch().status();
            assert_eq!((status.source, status.expires_soon, status.renews_at), (Source::Files, is_soon, None), "{days} days");
        }
    }

    #[test]
    fn what_another_authority_gave_or_for_another_name_is_not_used() {
        for (from, to) in [(DIRECTORY, "https://other.example/directory"), ("Authority: ", "")] {
            let dir = tempfile::tempdir().unwrap();
            drop(open(dir.path(), Some(now().wall), now()));
            let path = dir.path().join("acme/certificate.pem");
            let text = std::fs::read_to_string(&path).unwrap().replacen(from, to, 1);
            super::super::files::write_private(&path, text.as_bytes()).unwrap();
            assert_eq!(open(dir.path(), None, now()).watch().status().source, Source::LocalCa, "{to}");
        }
    }
}
