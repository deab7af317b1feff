//! What has to work for the program to count as alive, and how the service manager learns of it.

use super::listeners::Addresses;
use crate::hub::Hub;
use crate::lifecycle::{Tasks, supervisor};
use crate::store::Store;
use crate::turn::Relay;

/// The parts that must answer.
#[derive(Clone)]
pub(super) struct Vitals {
    /// Where people reach the server.
    pub addresses: Addresses,
    /// What it has to do without, to be put behind everything else.
    pub lack: String,
    pub store: Store,
    pub hub: Hub,
    pub relay: Option<Relay>,
}

impl Vitals {
    /// Says that the server serves as soon as everything has answered once, and from then on as often as the watchdog wants to hear it.
    pub async fn report(self, tasks: Tasks) {
        let status = tokio::select! {
            status = self.prove() => status,
            () = tasks.stopping() => return,
        };
        supervisor::ready(status.as_deref().unwrap_or(&self.addresses.public()));
        supervisor::keep_watch(&tasks, || self.prove()).await;
    }

    /// What goes on, in a line, once the writer of the store, every room and every thread of the relay have answered. The task that this
    /// runs in stands for the runtime. `None` when the store is closed.
    ///
    /// A disk that is full or slow is no reason to start again: a refusal is an answer.
    async fn prove(&self) -> Option<String> {
        if !self.store.answer().await {
            return None;
        }
        self.hub.answer().await;
        if let Some(relay) = &self.relay {
            relay.answer().await;
        }
        let figures = self.hub.figures();
        let trouble = if self.store.is_degraded() { "; the disk takes no writes" } else { "" };
        Some(format!(
            "{}: {} meetings, {} people{trouble}{}",
            self.addresses.public(),
            figures.meetings,
            figures.seats,
            self.lack
        ))
    }
}
