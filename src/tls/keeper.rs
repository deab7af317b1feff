//! One keeper decides which certificate serves, sees to the next one, and tells how things stand.
//!
//! What serves is never taken away because something better can't be had: a certificate of the authority stays until another takes
//! its place, whatever the clock says, and where there is none this server's own authority signs one. That one also serves those who
//! come by a name or an address of this machine that the better one is not good for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::sleep;

use super::acme::Challenges;
use super::own::{MachineNames, Own};
use super::schedule::Life;
use super::undertaking::{Place, Undertaking};
use super::wish::{Wish, Wished, Wishes};
use super::{CertificateSlot, CertificateStatus, CertificateWatch, Identity, LocalCa, Source, TlsError, server_config_answering};
use crate::clock::{Now, Timestamp};
use crate::lifecycle::Tasks;

/// Keeps a certificate in its slot. Made by [`Keeper::open`], set to work by [`Keeper::keep`].
pub struct Keeper {
    place: Place,
    slot: Arc<CertificateSlot>,
    status: watch::Sender<CertificateStatus>,
    watch: CertificateWatch,
    wishes: Wishes,
    wished: Wished,
    own: Own,
    undertaking: Undertaking,
    /// What served until the wish changed, and goes on for its names until the other is there.
    former: Option<(Identity, Source)>,
    /// What was undertaken before: who changes their mind and back is not to ask an authority anew each time.
    resting: Option<Undertaking>,
}

impl Keeper {
    /// Chooses the certificate to begin with: one that is there from earlier in `dir` or in the administrator's files, or else one of
    /// this server's own authority for the names that `machine` tells. `by_http` says whether somebody here listens for an authority that
    /// comes by plain HTTP. Asks nobody outside. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When there is no certificate at all to begin with, because this server's own authority can't sign one.
    pub fn open(dir: &Path, by_http: bool, wish: Wish, machine: MachineNames, ca: LocalCa, now: Now) -> Result<Self, TlsError> {
        let place = Place { dir: dir.to_owned(), challenges: Challenges::default(), by_http };
        let mut own = Own::new(ca, machine, wish.host.as_deref());
        let (wishes, mut wished) = Wishes::new(wish);
        let undertaking = Undertaking::begin(wished.take(), &place, now);
        match own.sign(now) {
            Err(error) if undertaking.fulfilment().is_none() => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let first = undertaking.fulfilment().or_else(|| own.identity().map(|identity| (identity, Source::LocalCa)));
        let (serving, source) = first.expect("one of the two has a certificate, or this has ended");
        let (status, watch) = CertificateWatch::new(CertificateStatus::of(serving, source));
        let slot = CertificateSlot::new(serving);
        let mut keeper = Self { place, slot, status, watch, wishes, wished, own, undertaking, former: None, resting: None };
        keeper.serve();
        keeper.tell(now);
        Ok(keeper)
    }

    /// What listeners need to shake hands with whatever certificate serves at the time.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        server_config_answering(Arc::clone(&self.slot), self.place.challenges.clone())
    }

    /// What the authority may ask for over plain HTTP.
    pub fn challenges(&self) -> Challenges {
        self.place.challenges.clone()
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
        // Another wish ends an order that is under way, and waits for no disk.
        let wait = tokio::select! {
            wait = self.undertaking.round() => wait,
            () = self.wished.changed() => Duration::ZERO,
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
        let place = self.place.clone();
        let begun = tokio::task::spawn_blocking(move || Undertaking::begin(wish, &place, Now::read())).await;
        let mut next = match begun {
            Ok(next) => next,
            Err(error) => {
                let mend = "Save the settings once more, or restart the server.";
                self.undertaking.fail(format!("The settings of the certificate were not taken over ({error}). {mend}"));
                return;
            }
        };
        if let Some(rested) = self.resting.take_if(|rested| rested.wish() == next.wish()) {
            next.go_on_from(rested);
        }
        if let Some((identity, source)) = self.undertaking.fulfilment() {
            self.former = Some((identity.clone(), source));
        }
        self.resting = Some(std::mem::replace(&mut self.undertaking, next));
    }

    /// Puts into the slot what is there.
    fn serve(&mut self) {
        let is_fulfilled =
            if self.undertaking.is_own() { self.own.identity().is_some() } else { self.undertaking.fulfilment().is_some() };
        if is_fulfilled {
            self.former = None;
        }
        let wished = self.undertaking.fulfilment().map(|(identity, _)| identity);
        let former = self.former.as_ref().map(|(identity, _)| identity);
        // For the name that people know, what served goes before what only stands in.
        let (before, after) = if self.stays() { (former, None) } else { (None, former) };
        let all = [wished, before, self.own.identity(), after].into_iter().flatten().cloned().collect();
        if let Some(new) = self.slot.fill(all) {
            tracing::info!(
                names = new.names().join(", "), until = %new.not_after(), fingerprint = new.fingerprint(),
                "there is a new certificate"
            );
        }
    }

    /// Whether what served before the wish changed is good for the name that people know now.
    fn stays(&self) -> bool {
        let host = self.undertaking.wish().host.as_deref();
        self.former.as_ref().zip(host).is_some_and(|((identity, _), host)| identity.is_good_for(host))
    }

    /// What serves those who come by the name that people know.
    fn serving(&self) -> Option<(&Identity, Source)> {
        let former = self.former.as_ref().filter(|_| self.stays()).map(|(identity, source)| (identity, *source));
        let own = self.own.identity().map(|identity| (identity, Source::LocalCa));
        self.undertaking.fulfilment().or(former).or(own)
    }

    /// Tells how things stand to whoever asks, and what is wrong to the log.
    fn tell(&mut self, now: Now) {
        let Some((identity, source)) = self.serving().map(|(identity, source)| (identity.clone(), source)) else { return };
        let is_wished = self.undertaking.fulfilment().is_some();
        let renews_at = if self.undertaking.is_own() {
            Some(self.own.schedule().next_attempt(now))
        } else {
            self.undertaking.next_attempt(now)
        };
        let mut status = CertificateStatus {
            renews_at,
            problem: self.problem(&identity, source, now.wall),
            ..CertificateStatus::of(&identity, source)
        };
        let schedule = match source {
            Source::LocalCa => Some(self.own.schedule()),
            Source::Acme | Source::Files => is_wished.then(|| self.undertaking.schedule()),
        };
        // What stays from before is nobody's to renew.
        status.expires_soon =
            schedule.as_ref().map_or_else(|| Life::of(&identity).is_ending(now.wall), |schedule| schedule.expires_soon(now.wall));
        if schedule.is_some_and(|schedule| schedule.warns(now)) {
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

    /// What is to be said of the certificate that serves, each part with its mend.
    fn problem(&self, serving: &Identity, source: Source, now: Timestamp) -> Option<String> {
        let failure = self.undertaking.failure();
        let mut parts: Vec<String> = failure.map(str::to_owned).into_iter().collect();
        if source == Source::LocalCa {
            parts.extend(self.own.failure().map(str::to_owned));
            if failure.is_some() {
                parts.push(String::from("Meanwhile this server's own certificate authority stands in, which browsers warn of."));
            }
        }
        let concerns = self.undertaking.concerns(now);
        if concerns.is_empty() && Life::of(serving).is_ahead_of(now) {
            parts.push(format!(
                "By this machine's clock it is {now}, and the certificate is good from {} on only. Set the clock.",
                serving.not_before()
            ));
        }
        parts.extend(concerns);
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("wish", self.undertaking.wish()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Step;
    use super::*;
    use crate::clock::Tick;
    use crate::tls::{AcmeSettings, Names, Wanted};

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
            retry: Duration::from_secs(900),
        };
        let wish = Wish { wanted: Wanted::Acme(Box::new(acme)), host: Some(NAME.to_owned()) };
        let ca = LocalCa::open(dir, now.wall).unwrap();
        Keeper::open(dir, false, wish, Arc::new(Names::loopback), ca, now).unwrap()
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
            let mut keeper = open(dir.path(), Some(made), now);
            let status = keeper.watch().status();
            assert_eq!((status.source, status.problem.is_some()), (Source::Acme, has_problem), "{clock}: {status:?}");
            assert_eq!(keeper.undertaking.schedule().step(now) == Step::Renew, is_due, "{clock}");
            assert_eq!(status.expires_soon, is_due, "{clock}");
        }
    }

    #[test]
    fn r25_without_a_certificate_the_own_authority_stands_in_and_the_reason_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = open(dir.path(), None, now());
        let status = keeper.watch().status();
        assert_eq!(status.source, Source::LocalCa);
        assert!(status.problem.is_some_and(|problem| problem.contains("ca.example") && problem.contains("stands in")));
        assert!(status.names.iter().any(|name| name == NAME));
        assert_eq!(keeper.undertaking.schedule().step(now()), Step::Renew);
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
            let keeper = Keeper::open(dir.path(), false, wish, Arc::new(Names::loopback), ca, now).unwrap();
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
