//! This machine's own addresses, which no relay may reach.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Edge;
use crate::interfaces;

/// How often the list of this machine's addresses is read again.
const INTERFACES_INTERVAL: Duration = Duration::from_secs(5);

impl Edge {
    /// Keeps the list up to date: an address added later must be as closed to relays as the others.
    pub(super) async fn watch_interfaces(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.tasks.stopping() => return,
                () = tokio::time::sleep(INTERFACES_INTERVAL) => {}
            }
            self.read_interfaces().await;
        }
    }

    pub(super) async fn read_interfaces(self: &Arc<Self>) {
        let listed = tokio::task::spawn_blocking(interfaces::addresses).await;
        match listed.map_err(io::Error::other).flatten() {
            Ok(addresses) => {
                let addresses: HashSet<IpAddr> = addresses.into_iter().collect();
                self.drive(&[], |core, _| core.set_local_addresses(addresses));
            }
            Err(error) => {
                tracing::warn!(%error, "this machine's addresses can't be listed; the relay goes on with the last list");
            }
        }
    }
}
