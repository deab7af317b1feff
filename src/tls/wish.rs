//! Which certificate the server is to have, told to the keeper of it while it is at work.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::AcmeSettings;

/// Where the certificate is to come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// An authority that speaks ACME.
    Acme(Box<AcmeSettings>),
    /// This server's own authority.
    Local,
    /// Files of the administrator.
    Files {
        /// The certificate, followed by those that vouch for it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// Which certificate this server is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Where it is to come from.
    pub wanted: Wanted,
    /// The name by which people know this server, where one is configured.
    pub host: Option<String>,
}

/// Tells a keeper at work to see to another certificate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Wishes(watch::Sender<Arc<Wish>>);

impl Wishes {
    /// The first wish, and its other end.
    pub(super) fn new(wish: Wish) -> (Self, Wished) {
        let (sender, receiver) = watch::channel(Arc::new(wish));
        (Self(sender), Wished(receiver))
    }

    /// From now on this is wished. The same once more changes nothing. What serves goes on until the other is there.
    pub fn set(&self, wish: Wish) {
        self.0.send_if_modified(|current| {
            let is_new = **current != wish;
            if is_new {
                *current = Arc::new(wish);
            }
            is_new
        });
    }
}

/// The keeper's end.
pub(super) struct Wished(watch::Receiver<Arc<Wish>>);

impl Wished {
    /// Whether something else is wished than what was taken last.
    pub(super) fn has_changed(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits until it is. Whoever waits takes nothing.
    pub(super) async fn changed(&self) {
        let mut other = self.0.clone();
        if other.changed().await.is_err() {
            pending::<()>().await;
        }
    }

    /// What is wished now.
    pub(super) fn take(&mut self) -> Arc<Wish> {
        Arc::clone(&self.0.borrow_and_update())
    }
}
