//! This machine's own addresses, which no relay may reach.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use webrtc_util::ifaces::ifaces;

use super::Edge;

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
        // It asks the kernel, and on some systems that takes a while.
        let listed = tokio::task::spawn_blocking(ifaces).await;
        match listed.map_err(io::Error::other).flatten() {
            Ok(interfaces) => {
                let addresses: HashSet<IpAddr> =
                    interfaces.iter().filter_map(|interface| interface.addr).map(|addr| addr.ip()).collect();
                self.drive(&[], |core, _| core.set_local_addresses(addresses));
            }
            Err(error) => {
                tracing::warn!(%error, "this machine's addresses can't be listed; the relay goes on with the last list");
            }
        }
    }
}
