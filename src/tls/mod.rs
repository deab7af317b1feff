//! TLS: where the server's certificate comes from, and what the listener needs to use it.
//!
//! The [`Keeper`] decides which certificate serves and sees to the next one; when, is worked out in `schedule`. What it chooses from is
//! made in `acme` and `local_ca`, or read in `supplied`. A file of the server's own that can't be used is never a reason to stop: a new
//! one is made and a warning says why.

mod acceptor;
mod acme;
mod files;
mod identity;
mod keeper;
mod local_ca;
mod names;
mod own;
mod presented;
mod schedule;
mod status;
mod supplied;
mod undertaking;
mod wish;

use acceptor::server_config_answering;
pub use acceptor::{CertificateSlot, server_config, server_config_of};
pub use acme::{ACME_TLS, AcmeError, AcmeSettings, Challenges, ExternalAccount, Roots, roots_from_file};
pub use identity::{Identity, IdentityError};
pub use keeper::Keeper;
pub use local_ca::{Authority, LocalCa};
pub use names::Names;
pub use own::MachineNames;
pub use presented::{Presented, shake_hands, taking_any};
pub use status::{CertificateStatus, CertificateWatch, Source};
pub use supplied::{Change, Concern, Supplied, SuppliedError};
pub use wish::{Wanted, Wish, Wishes};

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
    Use(#[from] IdentityError),
}
