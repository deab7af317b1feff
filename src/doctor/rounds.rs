//! The doctor of a running server: looks at everything in the background when an administrator asks for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::finding::{Check, Finding, Report};
use super::machine::Machine;
use super::outside::{self, Lane, LinkInvalid, Outside, Reached};
use super::{Settings, aside, examine};
use crate::clock::{Tick, Timestamp};
use crate::lifecycle::Tasks;

/// How long one look at everything may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long after one look has begun the next one may.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Looks at this server and remembers what it found. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Doctor(Arc<Inner>);

struct Inner {
    settings: Box<dyn Fn() -> Settings + Send + Sync>,
    tasks: Tasks,
    rounds: Mutex<Rounds>,
    outside: Outside,
}

#[derive(Default)]
struct Rounds {
    running: bool,
    begun: Option<Tick>,
    last: Option<(Timestamp, Report)>,
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor").finish_non_exhaustive()
    }
}

impl Doctor {
    /// A doctor that has not looked yet. It asks for the settings each time, because a machine's addresses may change.
    pub fn new(settings: impl Fn() -> Settings + Send + Sync + 'static, tasks: Tasks) -> Self {
        Self(Arc::new(Inner { settings: Box::new(settings), tasks, rounds: Mutex::default(), outside: Outside::default() }))
    }

    /// Begins to look at everything, unless that is under way already.
    ///
    /// # Errors
    /// When the last look began only just now; then, for how long to wait.
    pub fn begin(&self, now: Tick) -> Result<(), Duration> {
        let mut rounds = self.rounds();
        if rounds.running {
            return Ok(());
        }
        let earliest = rounds.begun.map(|begun| begun.plus(AGAIN_AFTER));
        if let Some(earliest) = earliest.filter(|earliest| now < *earliest) {
            return Err(earliest.since(now));
        }
        (rounds.running, rounds.begun) = (true, Some(now));
        drop(rounds);
        let doctor = self.clone();
        self.0.tasks.spawn(async move { doctor.look().await });
        Ok(())
    }

    /// Whether a look is under way, and what the last one found, and when.
    pub fn seen(&self) -> (bool, Option<(Timestamp, Report)>) {
        let rounds = self.rounds();
        (rounds.running, rounds.last.clone())
    }

    /// The tests from outside.
    pub fn outside(&self) -> &Outside {
        &self.0.outside
    }

    /// Takes the report of a phone about one way. Nothing is looked at for somebody who has no good link.
    ///
    /// # Errors
    /// When the link is not good any more.
    pub async fn report_outside(&self, secret: &str, lane: Lane, reached: Reached, now: Timestamp) -> Result<(), LinkInvalid> {
        self.outside().expects(secret, lane, now)?;
        let doctor = self.clone();
        let finding = aside(move || outside::judge(&(doctor.0.settings)(), &Machine::look(), lane, &reached)).await;
        self.outside().report(secret, lane, finding, now)
    }

    /// What the doctor was told of this server.
    pub async fn settings(&self) -> Settings {
        let doctor = self.clone();
        aside(move || (doctor.0.settings)()).await
    }

    async fn look(&self) {
        let mut round = Round { doctor: self, report: None };
        let examined = async { examine(&self.settings().await).await };
        round.report = tokio::select! {
            () = self.0.tasks.stopping() => None,
            report = tokio::time::timeout(DEADLINE, examined) => Some(report.unwrap_or_else(|_| given_up())),
        };
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.0.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at everything, which is over when this is dropped, whatever happened.
struct Round<'a> {
    doctor: &'a Doctor,
    report: Option<Report>,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let report = self.report.take().or_else(|| std::thread::panicking().then(broken_off));
        let mut rounds = self.doctor.rounds();
        rounds.running = false;
        if let Some(report) = report {
            rounds.last = Some((Timestamp::now(), report));
        }
    }
}

fn broken_off() -> Report {
    let finding = Finding::bad(
        Check::Server,
        "Looking at everything broke off, by a fault of Hearth's own.",
        "run it from the command line instead (hearth doctor), and see what the log says: journalctl -u hearth -n 50",
    );
    Report { findings: vec![finding] }
}

fn given_up() -> Report {
    let finding = Finding::bad(
        Check::Server,
        "Looking at everything took more than a minute and was given up: likely a disk or a name server hangs.",
        "see whether the name server of this machine answers (getent hosts localhost), and the disk (df)",
    );
    Report { findings: vec![finding] }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::finding::Outcome;
    use super::super::tests::settings;
    use super::*;

    #[tokio::test]
    async fn o10_one_look_is_taken_at_a_time_and_not_too_often() {
        let tasks = Tasks::new();
        let quick = Settings { https: Vec::new(), relay: None, ..settings("127.0.0.1") };
        let doctor = Doctor::new(move || quick.clone(), tasks.clone());
        let at = |seconds: u64| Tick::from_millis(seconds * 1000);
        assert_eq!(doctor.seen(), (false, None));
        assert_eq!(doctor.begin(at(10)), Ok(()));
        assert_eq!(doctor.begin(at(11)), Ok(()), "it is under way");
        assert!(doctor.seen().0);
        while doctor.seen().0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!doctor.seen().1.unwrap().1.findings.is_empty());
        assert_eq!(doctor.begin(at(12)), Err(Duration::from_secs(3)));
        assert_eq!(doctor.begin(at(15)), Ok(()));
        assert!(tasks.stop(std::future::pending()).await);
    }

    #[tokio::test]
    async fn o10_a_look_that_breaks_off_is_over_and_says_so() {
        let tasks = Tasks::new();
        let doctor = Doctor::new(|| panic!("planted"), tasks.clone());
        assert_eq!(doctor.begin(Tick::from_millis(0)), Ok(()));
        while doctor.seen().0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let findings = doctor.seen().1.unwrap().1.findings;
        assert!(matches!(&findings[..], [Finding { check: Check::Server, outcome: Outcome::Bad, .. }]), "{findings:?}");
        assert_eq!(doctor.begin(Tick::from_millis(6000)), Ok(()), "it may look again");
        assert!(tasks.stop(std::future::pending()).await);
    }

    #[tokio::test]
    async fn o10_nothing_is_looked_at_for_who_has_no_good_link() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            settings("meet.example.org")
        };
        let (doctor, now) = (Doctor::new(count, Tasks::new()), Timestamp::from_millis(0));
        let (secret, _) = doctor.outside().prepare(now);
        let reached = || Reached { host: true, reflexive: true, relayed: true, reason: None };
        for secret in ["guess", secret.expose()] {
            assert_eq!(doctor.report_outside(secret, Lane::Udp, reached(), now).await, Err(LinkInvalid), "nobody has opened it");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        doctor.outside().open(secret.expose(), now).unwrap();
        assert_eq!(doctor.report_outside(secret.expose(), Lane::Udp, reached(), now).await, Ok(()));
        assert_eq!(doctor.report_outside(secret.expose(), Lane::Udp, reached(), now).await, Err(LinkInvalid), "it was reported");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
