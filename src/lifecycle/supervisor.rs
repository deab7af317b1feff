//! What the service manager is told (`sd_notify(3)`), and its watchdog. Where none listens, all of this does nothing.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use super::Tasks;

/// How often it is looked whether the start goes on.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What time on the processors shows that it does: less than any work takes, and far more than threads that only wait, of which the
/// store has a dozen that look for work several times a second.
const WORK: Duration = Duration::from_millis(5);
/// How long the service manager is asked to wait from then on; a disk may take that long for one step.
pub const STEP: Duration = Duration::from_secs(120);

/// What a thread is called that goes through a part of the start in the main thread's place.
pub const STARTING_THREAD: &str = "starting";

/// Asks the service manager, as long as this lives, not to give up on a start that takes long, as where data are backed up and brought
/// to a new version. It is asked only while the program works: one that hangs is given up as usual, and started again.
#[derive(Debug)]
pub struct Starting {
    /// Ends the thread when it is dropped.
    _over: Option<Sender<Infallible>>,
}

/// The start begins. `status` is what people read in `systemctl status` meanwhile.
pub fn starting(status: &str) -> Starting {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        told(sd_notify::notify(&[NotifyState::Status(status)]));
        let (over, is_over) = mpsc::channel();
        let asking = std::thread::Builder::new().name(String::from("patience")).spawn(move || ask_for_patience(&is_over));
        if let Err(error) = asking {
            tracing::warn!(%error, "the service manager can't be asked for patience; a start that takes long may be given up");
        }
        return Starting { _over: Some(over) };
    }
    let _ = status;
    Starting { _over: None }
}

fn ask_for_patience(is_over: &Receiver<Infallible>) {
    let (mut seen, mut steps_seen) = (work_of_others(), steps_of_the_start());
    while is_over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let (worked, steps) = (work_of_others(), steps_of_the_start());
        // Where the disk is very slow, next to nothing is worked between two steps.
        if worked.saturating_sub(seen) >= WORK || steps > steps_seen {
            let microseconds = u32::try_from(STEP.as_micros()).expect("two minutes are fewer microseconds than u32 holds");
            told(sd_notify::notify(&[NotifyState::ExtendTimeoutUsec(microseconds)]));
        }
        (seen, steps_seen) = (worked, steps);
    }
}

/// How often the threads that go through the start have waited for something that then came: each step on a disk is one. A thread that
/// has ended counts no more, which looks like no step. `None` where the system doesn't tell.
fn steps_of_the_start() -> Option<u64> {
    let main = std::process::id().to_string();
    let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten().filter_map(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let named = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let is_starting = thread.file_name() == *main || named("Name:") == Some(STARTING_THREAD);
        named("voluntary_ctxt_switches:").filter(|_| is_starting)?.parse::<u64>().ok()
    });
    Some(threads.sum())
}

/// Time that the process has spent on the processors, without that of the thread that asks.
fn work_of_others() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let spent = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    spent(ClockId::ProcessCPUTime).saturating_sub(spent(ClockId::ThreadCPUTime))
}

/// Says that the program serves, or serves again after a reload. `status` is what people read in `systemctl status`.
pub fn ready(status: &str) {
    told(sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)]));
}

/// Says that the configuration is being read again. [`ready`] must follow, whether that works or not.
pub fn reloading() {
    // The time tells this reload from one that was asked for a moment later.
    let told_at = NotifyState::monotonic_usec_now();
    told(told_at.and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now, NotifyState::Status("Reading the settings")])));
}

/// Says that the program has begun to stop.
pub fn stopping() {
    told(sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("Finishing what is under way")]));
}

/// Tells the watchdog, twice in the time that it allows, that the program is alive, until the program stops. Returns at once where
/// there is no watchdog.
///
/// Each time is preceded by a proof: the watchdog hears nothing before `prove` has come to an end, and never when it says `None`. It
/// must ask every part that has to work, and wait for the answers without a limit of its own. What it returns is the new status.
pub async fn keep_watch<F>(tasks: &Tasks, prove: impl Fn() -> F)
where
    F: Future<Output = Option<String>>,
{
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) else { return };
    let mut times = interval(patience / 2);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = async {
        loop {
            times.tick().await;
            if let Some(status) = prove().await {
                ping(status).await;
            }
        }
    };
    tokio::select! {
        () = tasks.stopping() => {}
        () = watch => {}
    }
}

/// Sent from the threads that may block, which are a part of what has to work: passwords and reads of the store need them.
async fn ping(status: String) {
    let sent = tokio::task::spawn_blocking(move || {
        told(sd_notify::notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]));
    });
    if let Err(error) = sent.await {
        tracing::error!(%error, "the watchdog could not be told that all is well");
    }
}

fn told(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "the service manager can't be told how things are");
    }
}
