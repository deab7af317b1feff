//! TLS: the certificate that the server makes for itself, and what the listener needs to use it.
//!
//! Nothing here reads a clock or starts a task. A certificate on disk that can't be used is never a reason to stop: a new one is
//! made and a warning says why.

mod acceptor;
mod files;
mod names;
mod presented;
mod self_signed;
mod status;

pub use acceptor::{CertificateSlot, server_config, server_config_of};
pub use names::Names;
pub use presented::{Presented, shake_hands};
pub use self_signed::Identity;
pub use status::{CertificateStatus, CertificateWatch, Source};

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The directory or a file in it can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate that was just made is none that TLS can use.
    #[error("the new certificate can't be used: {0}")]
    Use(#[from] rustls::Error),
}
