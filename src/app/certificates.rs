//! The certificate that the server shows, out of what the configuration says.

use crate::clock::Timestamp;
use crate::tls::{CertificateStatus, CertificateWatch, Identity, Names, Source};

/// A watch on the certificate that the server made for itself.
pub(super) fn watch(identity: &Identity, names: &Names, now: Timestamp) -> CertificateWatch {
    CertificateWatch::fixed(CertificateStatus {
        source: Source::LocalCa,
        names: names.iter().map(str::to_owned).collect(),
        fingerprint: identity.fingerprint(),
        not_before: now,
        not_after: identity.not_after(),
        renews_at: None,
        expires_soon: false,
        problem: None,
    })
}
