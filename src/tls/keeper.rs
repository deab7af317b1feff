//! One keeper decides which certificate serves, sees to the next one, and tells how things stand.
//!
//! What serves is never taken away because something better can't be had: a certificate of the authority stays until another takes
//! its place, whatever the clock says, and where there is none this server's own authority signs one. That one also serves those who
//! come by a name or an address of this machine that the better one is not good for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::sleep;

use super::acme::{AcmeClient, Challenges};
use super::own::{MachineNames, Own};
use super::schedule::{Chance, Life, Schedule, Step};
use super::supplied::{Change, Supplied};
use super::wish::{Wanted, Wish, Wished, Wishes};
use super::{CertificateSlot, CertificateStatus, CertificateWatch, Identity, LocalCa, Source, TlsError, server_config_answering};
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::random_bytes;
use crate::lifecycle::Tasks;

/// How often the administrator's files are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How often it is looked whether this server's own certificate is due, where nothing else has to be looked at.
const OWN_LOOK: Duration = Duration::from_secs(60);
/// How often the authority is asked when it would like a renewal, if it doesn't say how often.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);
/// Bounds of what it may say.
const ASK_AGAIN_EARLIEST: Duration = Duration::from_secs(60);
const ASK_AGAIN_LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps a certificate in its slot. Made by [`Keeper::open`], set to work by [`Keeper::keep`].
pub struct Keeper {
    dir: PathBuf,
    challenges: Challenges,
    slot: Arc<CertificateSlot>,
    status: watch::Sender<CertificateStatus>,
    watch: CertificateWatch,
    wishes: Wishes,
    wished: Wished,
    own: Own,
    undertaking: Undertaking,
    /// What served until the wish changed, for those who still come by its names.
    former: Option<Identity>,
}

/// One wish, and how far it has come true.
struct Undertaking {
    host: Option<String>,
    origin: Origin,
    /// The certificate that was wished for. Without it, this server's own one stands in. Never one of the own authority.
    obtained: Option<Identity>,
    schedule: Schedule,
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
    /// Shared with whatever thread waits for the disk.
    Files(Arc<Mutex<Supplied>>),
}

impl Keeper {
    /// Chooses the certificate to begin with: one that is there from earlier in `dir` or in the administrator's files, or else one of
    /// this server's own authority for the names that `machine` tells. Asks nobody outside. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When there is no certificate at all to begin with, because this server's own authority can't sign one.
    pub fn open(dir: &Path, wish: Wish, machine: MachineNames, ca: LocalCa, now: Now) -> Result<Self, TlsError> {
        let challenges = Challenges::default();
        let mut own = Own::new(ca, machine, wish.host.as_deref());
        let undertaking = Undertaking::begin(&wish, dir, &challenges, now);
        match own.sign(now) {
            Err(error) if undertaking.obtained.is_none() => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let (serving, source) = serving(&undertaking, &own).expect("one of the two has a certificate, or this has ended");
        let (status, watch) = CertificateWatch::new(CertificateStatus::of(serving, source));
        let slot = CertificateSlot::new(serving);
        let (wishes, wished) = Wishes::new(wish);
        let dir = dir.to_owned();
        let mut keeper = Self { dir, challenges, slot, status, watch, wishes, wished, own, undertaking, former: None };
        keeper.serve();
        keeper.tell(now);
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

    /// Takes other wishes.
    pub fn wishes(&self) -> Wishes {
        self.wishes.clone()
    }

    /// Sees to the certificate until the program stops.
    pub async fn keep(mut self, tasks: Tasks) {
        tokio::select! {
            () = async { loop { self.round().await } } => {}
            // An order that is under way is taken up anew by the next start.
            () = tasks.stopping() => {}
        }
    }

    /// Does what is due, tells how things stand, and waits until something else may be due.
    async fn round(&mut self) {
        if self.wished.has_changed() {
            self.turn().await;
        }
        self.own.see_to(Now::read()).await;
        let wait = match &self.undertaking.origin {
            Origin::Acme { .. } => self.undertaking.round_of_acme(&self.wished).await,
            Origin::Local => OWN_LOOK,
            Origin::Files(_) => self.undertaking.round_of_files().await,
        };
        self.serve();
        self.tell(Now::read());
        tokio::select! {
            () = sleep(wait) => {}
            () = self.wished.changed() => {}
        }
    }

    /// Turns to what is wished by now.
    async fn turn(&mut self) {
        let wish = self.wished.take();
        tracing::info!(name = wish.host.as_deref().unwrap_or("none"), "the certificate is to be another one");
        self.own.is_known_as(wish.host.as_deref());
        let (dir, challenges) = (self.dir.clone(), self.challenges.clone());
        let begun = tokio::task::spawn_blocking(move || Undertaking::begin(&wish, &dir, &challenges, Now::read())).await;
        let Ok(begun) = begun.inspect_err(|error| tracing::error!(%error, "the certificate stays what it is")) else { return };
        let before = std::mem::replace(&mut self.undertaking, begun).obtained;
        self.former = before.or(self.former.take());
    }

    /// Puts into the slot what is there.
    fn serve(&mut self) {
        let is_fulfilled = match self.undertaking.origin {
            Origin::Local => self.own.identity().is_some(),
            Origin::Acme { .. } | Origin::Files(_) => self.undertaking.obtained.is_some(),
        };
        if is_fulfilled {
            self.former = None;
        }
        let own = self.own.identity().cloned();
        let all = [self.undertaking.obtained.clone(), own, self.former.clone()].into_iter().flatten().collect();
        if let Some(new) = self.slot.fill(all) {
            tracing::info!(
                names = new.names().join(", "), until = %new.not_after(), fingerprint = new.fingerprint(),
                "there is a new certificate"
            );
        }
    }

    /// Tells how things stand to whoever asks, and what is wrong to the log.
    fn tell(&mut self, now: Now) {
        let Some((identity, source)) = serving(&self.undertaking, &self.own) else { return };
        let identity = &identity.clone();
        let renews_at = match &self.undertaking.origin {
            Origin::Acme { .. } => Some(self.undertaking.schedule.next_attempt(now)),
            Origin::Local => Some(self.own.schedule().next_attempt(now)),
            Origin::Files(_) => None,
        };
        let mut status = CertificateStatus {
            renews_at,
            problem: self.undertaking.problem(identity, source, self.own.failure(), now.wall),
            ..CertificateStatus::of(identity, source)
        };
        let followed = if source == Source::LocalCa { self.own.schedule() } else { &mut self.undertaking.schedule };
        status.expires_soon = followed.expires_soon(now.wall);
        if followed.warns(now) {
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
}

impl Undertaking {
    /// Looks what there is of it already. Asks nobody outside. Blocks on the disk.
    fn begin(wish: &Wish, dir: &Path, challenges: &Challenges, now: Now) -> Self {
        let host = wish.host.clone();
        match &wish.wanted {
            Wanted::Acme(settings) => {
                let mut schedule = Schedule::new(settings.retry);
                let authority = Box::new(AcmeClient::new((**settings).clone(), dir.join("acme"), challenges.clone()));
                let obtained = authority.kept_certificate();
                let mut failure = None;
                match &obtained {
                    Some(identity) => schedule.found(Life::of(identity), chance()),
                    None => failure = Some(format!("The certificate of {} is on its way.", authority.host())),
                }
                let ask_at = now.tick.plus(ASK_AGAIN_EARLIEST.mul_f64(1.0 + 9.0 * chance().fraction()));
                Self { host, origin: Origin::Acme { authority, ask_at }, obtained, schedule, failure }
            }
            Wanted::Local => {
                Self { host, origin: Origin::Local, obtained: None, schedule: Schedule::new(OWN_LOOK), failure: None }
            }
            Wanted::Files { certificate, key } => {
                let mut files = Supplied::new(certificate.clone(), key.clone());
                let mut schedule = Schedule::new(OWN_LOOK);
                let read = files.read();
                let failure = read.as_ref().err().map(ToString::to_string);
                if let Some(failure) = &failure {
                    tracing::warn!("{failure}; until then this server's own certificate authority stands in");
                }
                let obtained = read.ok();
                if let Some(identity) = &obtained {
                    schedule.found(Life::of(identity), Chance::NONE);
                }
                Self { host, origin: Origin::Files(Arc::new(Mutex::new(files))), obtained, schedule, failure }
            }
        }
    }

    /// What is due with the authority; how long nothing will be. Another wish ends an order that is under way.
    async fn round_of_acme(&mut self, wished: &Wished) -> Duration {
        if self.schedule.step(Now::read()) == Step::Renew {
            tokio::select! {
                () = self.order() => {}
                () = wished.changed() => {}
            }
        }
        self.ask_when_to_renew(Now::read()).await;
        match self.schedule.step(Now::read()) {
            Step::Renew => Duration::ZERO,
            Step::Wait(time) => time,
        }
    }

    async fn order(&mut self) {
        let Origin::Acme { authority, ask_at } = &mut self.origin else { return };
        let ordered = authority.order(self.obtained.as_ref()).await;
        let now = Now::read();
        match ordered {
            Ok(identity) => {
                *ask_at = now.tick;
                self.obtained(identity, now, chance());
            }
            Err(error) => {
                self.schedule.failed(now, chance());
                let next = self.schedule.next_attempt(now);
                let serving = self.obtained.as_ref().map(Identity::not_after);
                let until = serving.map_or_else(|| String::from("never served"), |time| time.to_string());
                tracing::warn!(%error, next_attempt = %next, serving_until = %until, "there is no new certificate");
                self.failure = Some(error.to_string());
            }
        }
    }

    async fn ask_when_to_renew(&mut self, now: Now) {
        let Origin::Acme { authority, ask_at } = &mut self.origin else { return };
        let Some(identity) = self.obtained.as_ref().filter(|_| now.tick >= *ask_at) else { return };
        let suggestion = authority.suggestion(identity).await;
        let ask_again = suggestion.map_or(ASK_AGAIN, |suggestion| suggestion.ask_again);
        *ask_at = Tick::now().plus(ask_again.clamp(ASK_AGAIN_EARLIEST, ASK_AGAIN_LATEST));
        if let Some(suggestion) = suggestion {
            self.schedule.suggested(suggestion.from, suggestion.until, chance());
        }
    }

    async fn round_of_files(&mut self) -> Duration {
        let Origin::Files(files) = &self.origin else { return LOOK };
        let files = Arc::clone(files);
        // A disk that hangs is to hold up this task and nothing else.
        match tokio::task::spawn_blocking(move || held(&files).poll()).await {
            Ok(Change::None) => {}
            Ok(Change::New(identity)) => self.obtained(identity, Now::read(), Chance::NONE),
            Ok(Change::Unusable(error)) => {
                tracing::warn!(%error, "the certificate's files have changed and can't be used; what served before goes on serving");
                self.failure = Some(error.to_string());
            }
            Err(error) => tracing::error!(%error, "the certificate's files could not be looked at"),
        }
        LOOK
    }

    fn obtained(&mut self, identity: Identity, now: Now, chance: Chance) {
        self.schedule.obtained(Life::of(&identity), now, chance);
        self.failure = None;
        self.obtained = Some(identity);
    }

    /// What is to be said of the certificate that serves, each part with its mend.
    fn problem(&self, serving: &Identity, source: Source, of_own: Option<&str>, now: Timestamp) -> Option<String> {
        let mut parts: Vec<String> = self.failure.iter().cloned().collect();
        if source == Source::LocalCa {
            parts.extend(of_own.map(str::to_owned));
            if self.failure.is_some() {
                parts.push(String::from("Meanwhile this server's own certificate authority stands in, which browsers warn of."));
            }
        }
        if let (Origin::Files(files), Source::Files) = (&self.origin, source) {
            let concerns = held(files).concerns(serving, self.host.as_deref(), now);
            parts.extend(concerns.iter().map(ToString::to_string));
        } else if Life::of(serving).is_ahead_of(now) {
            parts.push(format!(
                "By this machine's clock it is {now}, and the certificate is good from {} on only. Set the clock.",
                serving.not_before()
            ));
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("failure", &self.undertaking.failure).finish_non_exhaustive()
    }
}

/// What serves those who come by the name that people know.
fn serving<'a>(undertaking: &'a Undertaking, own: &'a Own) -> Option<(&'a Identity, Source)> {
    let source = match undertaking.origin {
        Origin::Acme { .. } => Source::Acme,
        Origin::Files(_) => Source::Files,
        Origin::Local => Source::LocalCa,
    };
    let obtained = undertaking.obtained.as_ref().map(|identity| (identity, source));
    obtained.or_else(|| own.identity().map(|identity| (identity, Source::LocalCa)))
}

fn held(files: &Mutex<Supplied>) -> MutexGuard<'_, Supplied> {
    // What was read before a panic is compared with what lies there at the next look.
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chance() -> Chance {
    Chance::new(random_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{AcmeSettings, Names};

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
        let wish = Wish { wanted: Wanted::Acme(Box::new(acme)), host: Some(NAME.to_owned()) };
        let ca = LocalCa::open(dir, now.wall).unwrap();
        Keeper::open(dir, wish, Arc::new(Names::loopback), ca, now).unwrap()
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
            assert_eq!(keeper.undertaking.schedule.step(now) == Step::Renew, is_due, "{clock}");
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
        assert_eq!(keeper.undertaking.schedule.step(now()), Step::Renew);
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
            let ca = LocalCa::open(dir.path(), now.wall).unwrap();
            let wish = Wish { wanted, host: None };
            let keeper = Keeper::open(dir.path(), wish, Arc::new(Names::loopback), ca, now).unwrap();
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
