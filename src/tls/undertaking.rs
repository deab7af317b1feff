//! One wish at work: a certificate that is ordered, renewed, or read from files, and what stands in the way of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::acme::{AcmeClient, Challenges};
use super::schedule::{Chance, Life, Schedule, Step};
use super::supplied::{Change, Supplied};
use super::wish::{Wanted, Wish};
use super::{Identity, Source};
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::random_bytes;

/// How often the administrator's files are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How often to come back where nothing has to be looked at.
const OWN_LOOK: Duration = Duration::from_secs(60);
/// How often the authority is asked when it would like a renewal, if it doesn't say how often.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);
/// Bounds of what it may say.
const ASK_AGAIN_EARLIEST: Duration = Duration::from_secs(60);
const ASK_AGAIN_LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What stays the same whatever is wished.
#[derive(Clone)]
pub(super) struct Place {
    /// Where certificates are kept.
    pub(super) dir: PathBuf,
    /// What an authority finds that comes to look.
    pub(super) challenges: Challenges,
    /// Whether it can look over plain HTTP.
    pub(super) by_http: bool,
}

/// One wish, and how far it has come true.
pub(super) struct Undertaking {
    wish: Arc<Wish>,
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

impl Undertaking {
    /// Looks what there is of it already. Asks nobody outside. Blocks on the disk.
    pub(super) fn begin(wish: Arc<Wish>, place: &Place, now: Now) -> Self {
        match &wish.wanted {
            Wanted::Acme(settings) => {
                let mut schedule = Schedule::new(settings.retry);
                let (challenges, dir) = (place.challenges.clone(), place.dir.join("acme"));
                let authority = Box::new(AcmeClient::new((**settings).clone(), place.by_http, dir, challenges));
                let obtained = authority.kept_certificate();
                let mut failure = None;
                match &obtained {
                    Some(identity) => schedule.found(Life::of(identity), chance()),
                    None => failure = Some(format!("The certificate of {} is on its way.", authority.host())),
                }
                let ask_at = now.tick.plus(ASK_AGAIN_EARLIEST.mul_f64(1.0 + 9.0 * chance().fraction()));
                Self { wish, origin: Origin::Acme { authority, ask_at }, obtained, schedule, failure }
            }
            Wanted::Local => {
                Self { wish, origin: Origin::Local, obtained: None, schedule: Schedule::new(OWN_LOOK), failure: None }
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
                Self { wish, origin: Origin::Files(Arc::new(Mutex::new(files))), obtained, schedule, failure }
            }
        }
    }

    /// The same was undertaken before and set aside. Unless it has come true meanwhile, its pauses go on.
    pub(super) fn go_on_from(&mut self, rested: Self) {
        if self.obtained.is_none() {
            (self.schedule, self.failure) = (rested.schedule, rested.failure);
        }
    }

    /// Does what is due; how long nothing will be. Whoever calls it off loses nothing that a later begin doesn't find.
    pub(super) async fn round(&mut self) -> Duration {
        match &self.origin {
            Origin::Acme { .. } => self.round_of_acme().await,
            Origin::Local => OWN_LOOK,
            Origin::Files(_) => self.round_of_files().await,
        }
    }

    /// The certificate that was wished for, and where it comes from.
    pub(super) fn fulfilment(&self) -> Option<(&Identity, Source)> {
        let source = match self.origin {
            Origin::Acme { .. } => Source::Acme,
            Origin::Files(_) => Source::Files,
            Origin::Local => return None,
        };
        self.obtained.as_ref().map(|identity| (identity, source))
    }

    pub(super) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Whether nothing else is wished for than what this server vouches for by itself.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Local)
    }

    /// When the next attempt is due. `None` when that is up to somebody else.
    pub(super) fn next_attempt(&self, now: Now) -> Option<Timestamp> {
        matches!(self.origin, Origin::Acme { .. }).then(|| self.schedule.next_attempt(now))
    }

    pub(super) fn schedule(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// Why the last attempt failed, in a sentence.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Something came in between.
    pub(super) fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// What is to be said beside that of the certificate that was wished for, once it is there, each with its mend.
    pub(super) fn concerns(&self, now: Timestamp) -> Vec<String> {
        let (Origin::Files(files), Some(obtained)) = (&self.origin, &self.obtained) else { return Vec::new() };
        held(files).concerns(obtained, self.wish.host.as_deref(), now).iter().map(ToString::to_string).collect()
    }

    async fn round_of_acme(&mut self) -> Duration {
        if self.schedule.step(Now::read()) == Step::Renew {
            self.order().await;
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
}

fn held(files: &Mutex<Supplied>) -> MutexGuard<'_, Supplied> {
    // What was read before a panic is compared with what lies there at the next look.
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chance() -> Chance {
    Chance::new(random_bytes())
}
