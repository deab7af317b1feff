//! The doctor of a running server: looks at everything in the background when an administrator asks for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::finding::{Check, Finding, Report};
use super::outside::Outside;
use super::{Settings, examine};
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

    /// What the doctor was told of this server.
    pub fn settings(&self) -> Settings {
        (self.0.settings)()
    }

    async fn look(&self) {
        let (settings, stopping) = (self.settings(), self.0.tasks.stopping());
        let report = tokio::select! {
            () = stopping => None,
            report = tokio::time::timeout(DEADLINE, examine(&settings)) => Some(report.unwrap_or_else(|_| given_up())),
        };
        let mut rounds = self.rounds();
        rounds.running = false;
        if let Some(report) = report {
            rounds.last = Some((Timestamp::now(), report));
        }
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.0.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
}
