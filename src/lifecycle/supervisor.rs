//! What the service manager is told (`sd_notify(3)`), and its watchdog. Where none listens, all of this does nothing.

use std::future::Future;
use std::io;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use super::Tasks;

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
