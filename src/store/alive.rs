//! Whether the thread that writes still does.

use std::sync::atomic::Ordering;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use tokio::sync::oneshot;

use super::tables::{Changes, Tables};
use super::{Step, Store, locked};

/// How long to wait before a writer that is very busy is asked again whether it works.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Store {
    /// Returns when the writer has answered, be it with a refusal, or has got on with a look at everything: it doesn't hang. False once
    /// the store is closed.
    pub async fn answer(&self) -> bool {
        let looked_at = || self.inner.shared.looked_at().load(Ordering::Relaxed);
        let before = looked_at();
        loop {
            let (reply, answer) = oneshot::channel();
            let step = Box::new(Step { decide: Some(|_: &Tables, _: &mut Changes| Ok(())), decided: None, reply });
            let sent = locked(&self.inner.jobs).as_ref().map(|jobs| jobs.try_send(step));
            match sent {
                Some(Ok(())) => return answered(answer, || looked_at() != before).await,
                // As many writes wait as may. Whether they get on shows when there is room again.
                Some(Err(TrySendError::Full(_))) => {}
                Some(Err(TrySendError::Disconnected(_))) | None => return false,
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
    }
}

/// Whether the writer is alive: by its answer, or because it is seen to get on with what it does before.
async fn answered<T>(mut answer: oneshot::Receiver<T>, gets_on: impl Fn() -> bool) -> bool {
    loop {
        tokio::select! {
            answered = &mut answer => return answered.is_ok(),
            () = tokio::time::sleep(ASK_AGAIN_AFTER) => {
                if gets_on() {
                    return true;
                }
            }
        }
    }
}
