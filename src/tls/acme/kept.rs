//! What is kept on disk: the account, and the certificate with its key.
//!
//! Both files can be lost or damaged without harm: then there is a new account, or a new order. The key and the certificates stand in
//! one file, so that there is never a key of one with a certificate of another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use super::super::{Identity, TlsError, files};

/// The line before the certificate that names the authority it came from.
const AUTHORITY: &str = "Authority: ";

/// The directory with both files. Everything that is done with it blocks on the disk.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    dir: PathBuf,
}

/// An account with an authority.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    /// Which authority it is with.
    pub(super) directory: String,
    /// What the authority knows its holder by, beside the account's own key.
    pub(super) external_account: Option<String>,
    /// The address that the authority was told it may write to.
    #[serde(default)]
    pub(super) contact: Option<String>,
    /// The account's name and key.
    pub(super) credentials: AccountCredentials,
}

impl Kept {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The account with this authority, if there is one.
    pub(super) fn account(&self, directory: &str, external_account: Option<&str>) -> Option<KeptAccount> {
        let text = self.read("account.json", "the account with the certificate authority can't be read; a new one is made")?;
        match serde_json::from_slice::<KeptAccount>(&text) {
            Ok(kept) => {
                Some(kept).filter(|kept| kept.directory == directory && kept.external_account.as_deref() == external_account)
            }
            Err(error) => {
                // Without the error's text: it may quote what stands there.
                tracing::warn!(line = error.line(), "the account with the certificate authority is damaged; a new one is made");
                None
            }
        }
    }

    pub(super) fn keep_account(&self, account: &KeptAccount) -> Result<(), TlsError> {
        let text = serde_json::to_vec_pretty(account).expect("text is always JSON");
        files::make_private_dir(&self.dir)?;
        files::write_private(&self.path("account.json"), &text)
    }

    /// Notes that the authority was told another address to write to.
    pub(super) fn keep_contact(
        &self,
        directory: &str,
        external_account: Option<&str>,
        contact: Option<String>,
    ) -> Result<(), TlsError> {
        match self.account(directory, external_account) {
            Some(account) => self.keep_account(&KeptAccount { contact, ..account }),
            None => Ok(()),
        }
    }

    /// The account is of no use any more.
    pub(super) fn forget_account(&self) {
        if let Err(error) = fs::remove_file(self.path("account.json")) {
            tracing::debug!(%error, "there was no account to forget");
        }
    }

    /// The certificate of this authority that is good for `name`, whatever the clock says, if there is one.
    pub(super) fn certificate(&self, directory: &str, name: &str) -> Option<Identity> {
        let text = self.read("certificate.pem", "the certificate can't be read; another one is ordered")?;
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if first.strip_prefix(AUTHORITY.as_bytes()) != Some(directory.as_bytes()) {
            tracing::info!("the certificate on disk is another authority's; a new one is ordered");
            return None;
        }
        match Identity::from_pem(&text, &text) {
            Ok(identity) if identity.is_good_for(name) => Some(identity),
            Ok(_) => {
                tracing::info!(name, "the certificate on disk is for another name; a new one is ordered");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate is damaged; another one is ordered");
                None
            }
        }
    }

    pub(super) fn keep_certificate(&self, directory: &str, chain: &str, key: &str) -> Result<(), TlsError> {
        let text = format!("{AUTHORITY}{directory}\n{key}\n{chain}");
        files::make_private_dir(&self.dir)?;
        files::write_private(&self.path("certificate.pem"), text.as_bytes())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What stands in a file. `None` when there is none, or when it can't or must not be used.
    fn read(&self, name: &str, otherwise: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        match private(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "{otherwise}");
                None
            }
        }
    }
}

/// Reads a file that holds a key.
fn private(path: &Path) -> io::Result<Vec<u8>> {
    if files::is_open_to_others(path)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "other users of this machine may read it"));
    }
    fs::read(path)
}
