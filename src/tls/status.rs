//! What is known of the certificate that serves, for the admin page, the figures and the doctor.

use tokio::sync::watch;

use super::Identity;
use super::names::stand_for;
use crate::clock::Timestamp;

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A public authority, or another that speaks ACME (RFC 8555).
    Acme,
    /// This server's own authority, which people's machines must be told to trust.
    LocalCa,
    /// Files of the administrator.
    Files,
}

/// The certificate that new connections get, and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// Where it comes from.
    pub source: Source,
    /// The names and addresses that it is good for.
    pub names: Vec<String>,
    /// Its SHA-256 hash as browsers show it: `AB:CD:…`.
    pub fingerprint: String,
    /// The first moment at which it is good.
    pub not_before: Timestamp,
    /// The last moment at which it is good.
    pub not_after: Timestamp,
    /// When the next one is to be fetched or made. `None` when that is up to somebody else.
    pub renews_at: Option<Timestamp>,
    /// Whether less than a third of its life is left, and the next one should have been there by now.
    pub expires_soon: bool,
    /// What keeps the certificate that should be there from being there, in a sentence, with what to do about it.
    pub problem: Option<String>,
}

impl CertificateStatus {
    /// Whether it is good for this name or address.
    pub fn covers(&self, wanted: &str) -> bool {
        stand_for(&self.names, wanted)
    }

    /// What the certificate says of itself, with nothing more known of it.
    pub(super) fn of(identity: &Identity, source: Source) -> Self {
        Self {
            source,
            names: identity.names().to_vec(),
            fingerprint: identity.fingerprint(),
            not_before: identity.not_before(),
            not_after: identity.not_after(),
            renews_at: None,
            expires_soon: false,
            problem: None,
        }
    }
}

/// Tells the state of the certificate at any time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CertificateWatch(watch::Receiver<CertificateStatus>);

impl CertificateWatch {
    /// A watch, and what its keeper tells it by.
    pub(super) fn new(status: CertificateStatus) -> (watch::Sender<CertificateStatus>, Self) {
        let (sender, receiver) = watch::channel(status);
        (sender, Self(receiver))
    }

    /// A watch on a certificate that stays as it is.
    pub fn fixed(status: CertificateStatus) -> Self {
        Self::new(status).1
    }

    /// The certificate as it is now.
    pub fn status(&self) -> CertificateStatus {
        self.0.borrow().clone()
    }
}
