//! Starting and stopping: every task is tracked, so that stopping can wait for it, and stopping comes in two strengths.
//!
//! *Soft*: take nothing new, tell clients, finish what is under way. *Hard*: drop everything, after a deadline or at a second signal.
//!
//! [`supervisor`] speaks to the service manager about it, [`sockets`] takes over the sockets that it holds for us, and [`hardening`]
//! gives up what the program never needs.

pub mod hardening;
pub mod sockets;
pub mod supervisor;

mod live;

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use live::Live;

/// How long a soft stop may take before it turns hard.
pub const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// The program's tasks and the signal for them to end. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Tasks {
    /// No tasks yet, nothing cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` until it ends or the stop turns hard. This is the one way to start a task.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        #[expect(clippy::disallowed_methods, reason = "this is the tracked spawner that everything else uses")]
        let handle = tokio::spawn(self.tracker.track_future(async move {
            tokio::select! {
                biased;
                () = hard.cancelled() => {}
                () = task => {}
            }
        }));
        handle
    }

    /// Resolves when the program begins to stop. Loops that accept or wait select on it.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Whether the program has begun to stop.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Begins the soft stop. Returns at once.
    pub fn begin_stop(&self) {
        self.soft.cancel();
        self.tracker.close();
    }

    /// Drops every task that is still running.
    pub fn force_stop(&self) {
        self.begin_stop();
        self.hard.cancel();
    }

    /// Begins the soft stop, waits for the tasks, and forces what is left after [`STOP_DEADLINE`] or as soon as `hurry` resolves.
    /// True when everything ended by itself.
    pub async fn stop(&self, hurry: impl Future<Output = ()>) -> bool {
        self.begin_stop();
        let in_time = tokio::select! {
            () = self.tracker.wait() => true,
            () = tokio::time::sleep(STOP_DEADLINE) => false,
            () = hurry => false,
        };
        if !in_time {
            self.force_stop();
            self.tracker.wait().await;
        }
        in_time
    }
}

/// Resolves at the first SIGINT or SIGTERM after the call.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals can't be received; stop the program with SIGKILL");
                std::future::pending::<()>().await;
            }
        }
    }
    #[cfg(not(unix))]
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "Ctrl-C can't be received");
        std::future::pending::<()>().await;
    }
}

/// Each SIGHUP from now on, by which administrators ask to read the settings again. Signals that come while one is dealt with count
/// as one more. Elsewhere than on Unix there are none.
#[derive(Debug)]
pub struct ReloadSignals {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl ReloadSignals {
    /// Takes the signal over from the system, which would otherwise end the program by it.
    pub fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listening = signal(SignalKind::hangup());
            if let Err(error) = &listening {
                tracing::error!(%error, "SIGHUP can't be received; to change settings, restart the program");
            }
            Self { signals: listening.ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Resolves at the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_soft_stop_waits_for_what_is_under_way() {
        let tasks = Tasks::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let inner = tasks.clone();
        tasks.spawn(async move {
            inner.stopping().await;
            tokio::task::yield_now().await;
            sender.send("finished").unwrap();
        });
        assert!(tasks.stop(std::future::pending()).await);
        assert_eq!(receiver.await, Ok("finished"));
    }

    #[tokio::test]
    async fn a_second_signal_drops_what_hangs() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending());
        assert!(!tasks.stop(std::future::ready(())).await);
    }
}
