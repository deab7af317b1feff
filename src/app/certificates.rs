//! The certificate that the server shows, out of what the configuration says.

use std::path::Path;

use crate::clock::Timestamp;
use crate::tls::{CertificateStatus, CertificateWatch, Identity, LocalCa, Names, Source, TlsError};

/// The server's own authority and the certificate that it signed for these names.
pub(super) fn open(data_dir: &Path, names: &Names, now: Timestamp) -> Result<(LocalCa, Identity), TlsError> {
    let authority = LocalCa::open(&data_dir.join("tls"), now)?;
    let identity = authority.identity(names, now)?;
    Ok((authority, identity))
}

/// A watch on the certificate that the server made for itself.
pub(super) fn watch(identity: &Identity) -> CertificateWatch {
    CertificateWatch::fixed(CertificateStatus {
        source: Source::LocalCa,
        names: identity.names().to_vec(),
        fingerprint: identity.fingerprint(),
        not_before: identity.not_before(),
        not_after: identity.not_after(),
        renews_at: Some(identity.renews_at()),
        expires_soon: false,
        problem: None,
    })
}
