//! Certificates from an authority that speaks ACME (RFC 8555), such as Let's Encrypt.
//!
//! The account and the certificate are kept in a directory of their own. This module asks once, when it is told to; when to ask is
//! decided in [`schedule`](super::schedule).

mod challenge;
mod error;
mod http;
mod kept;
mod order;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use instant_acme::{Account, CertificateIdentifier, ExternalAccountKey, NewAccount};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::Identity;
use crate::clock::Timestamp;
use crate::ids::Secret;

pub use challenge::{ACME_TLS, Challenges};
pub use error::AcmeError;
use http::HttpsClient;
use kept::{Kept, KeptAccount};

/// How long an order may take in all.
const DEADLINE: Duration = Duration::from_secs(180);

/// Which authority to ask, and for what.
#[derive(Clone, Debug, PartialEq)]
pub struct AcmeSettings {
    /// The address of the authority's directory.
    pub directory: String,
    /// The name or the address that the certificate is for.
    pub name: String,
    /// The e-mail address that the authority may write to.
    pub contact: Option<String>,
    /// Which of the authority's kinds of certificates to ask for.
    pub profile: Option<String>,
    /// What the authority knows the administrator by, where it wants to know.
    pub external_account: Option<ExternalAccount>,
    /// Whom to trust about who the authority is. `None` for those that browsers trust.
    pub roots: Option<Roots>,
    /// How long to wait after a first failure.
    pub retry: Duration,
}

/// Whom to trust about who somebody else is.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.0.roots == other.0.roots
    }
}

/// An account that the administrator has with the authority already (RFC 8555 §7.3.4).
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalAccount {
    /// What the authority calls its key.
    pub key_id: String,
    /// The key itself.
    pub key: Secret<Vec<u8>>,
}

/// The roots in the PEM file at `path`, for [`AcmeSettings::roots`].
///
/// # Errors
///
/// In a sentence, when the file can't be read or has no certificate in it that can be trusted.
pub fn roots_from_file(path: &Path) -> Result<Roots, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() { Err(unusable(&"there is no certificate in it")) } else { Ok(Roots(Arc::new(roots))) }
}

/// When the authority would like to see a renewal (RFC 9773 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suggestion {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// When to ask again.
    pub(super) ask_again: Duration,
}

/// One authority, and what this server has from it.
pub(super) struct AcmeClient {
    settings: AcmeSettings,
    /// Whether the server can be looked up over plain HTTP on port 80.
    by_http: bool,
    kept: Kept,
    challenges: Challenges,
    client: HttpsClient,
    /// Looked up when first needed.
    account: Option<Account>,
    /// How many orders there were, good and bad.
    orders: u32,
}

impl AcmeClient {
    /// Keeps its files in `dir`. `by_http` says whether the server can be looked up over plain HTTP on port 80. Asks nobody yet.
    pub(super) fn new(settings: AcmeSettings, by_http: bool, dir: PathBuf, challenges: Challenges) -> Self {
        let roots = settings
            .roots
            .as_ref()
            .map(|Roots(roots)| (**roots).clone())
            .unwrap_or_else(|| RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        Self { settings, by_http, kept: Kept::new(dir), challenges, client: HttpsClient::new(roots), account: None, orders: 0 }
    }

    /// The certificate from earlier, whatever the clock says. Blocks on the disk.
    pub(super) fn kept_certificate(&self) -> Option<Identity> {
        self.kept.certificate(&self.settings.directory, &self.settings.name)
    }

    /// The host of the authority, for people.
    pub(super) fn host(&self) -> String {
        let uri = self.settings.directory.parse::<Uri>().ok();
        uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_else(|| self.settings.directory.clone())
    }

    /// Orders a certificate that takes the place of `old`, and keeps it.
    pub(super) async fn order(&mut self, old: Option<&Identity>) -> Result<Identity, AcmeError> {
        let ordered = timeout(DEADLINE, order::order(self, old)).await.unwrap_or(Err(AcmeError::TimedOut));
        self.orders = self.orders.wrapping_add(1);
        if ordered.is_err() {
            // Whatever was wrong with it is looked up anew.
            self.account = None;
        }
        ordered
    }

    /// When the authority would like this certificate to be renewed. `None` when it doesn't say.
    pub(super) async fn suggestion(&mut self, identity: &Identity) -> Option<Suggestion> {
        let id = CertificateIdentifier::try_from(identity.certificate()).ok()?;
        // No account is made for this.
        if self.account.is_none() {
            self.account = Some(self.known_account().await?);
        }
        match self.account.as_ref()?.renewal_info(&id).await {
            Ok((info, ask_again)) => {
                let window = info.suggested_window;
                Some(Suggestion { from: moment(window.start), until: moment(window.end), ask_again })
            }
            Err(error) => {
                tracing::debug!(%error, "the certificate authority suggests no time for the renewal");
                None
            }
        }
    }

    /// The account to order with: the one from earlier, or a new one.
    async fn account(&mut self) -> Result<Account, AcmeError> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let account = match self.kept_account().await {
            Some(kept) => self.opened(kept).await?,
            None => self.registered().await?,
        };
        Ok(self.account.insert(account).clone())
    }

    async fn known_account(&self) -> Option<Account> {
        self.opened(self.kept_account().await?).await.ok()
    }

    async fn kept_account(&self) -> Option<KeptAccount> {
        let (directory, external) = self.named();
        self.on_disk(move |kept| kept.account(&directory, external.as_deref())).await.flatten()
    }

    /// What an account is kept under: the authority, and what that knows the administrator by.
    fn named(&self) -> (String, Option<String>) {
        let external = self.settings.external_account.as_ref().map(|account| account.key_id.clone());
        (self.settings.directory.clone(), external)
    }

    async fn opened(&self, kept: KeptAccount) -> Result<Account, AcmeError> {
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        let account = builder.from_credentials(kept.credentials).await.map_err(|error| AcmeError::new(&self.host(), error))?;
        if kept.contact != self.settings.contact {
            self.tell_contact(&account).await;
        }
        Ok(account)
    }

    /// Tells the authority whom it may write to by now (RFC 8555 §7.3.2). Without that there is a certificate all the same.
    async fn tell_contact(&self, account: &Account) {
        let address = self.contact();
        let contacts: Vec<&str> = address.as_deref().into_iter().collect();
        if let Err(error) = account.update_contacts(&contacts).await {
            let error = AcmeError::new(&self.host(), error);
            tracing::warn!(%error, "the certificate authority was not told the address in tls.acme_contact; it is told again later");
            return;
        }
        let ((directory, external), contact) = (self.named(), self.settings.contact.clone());
        let noted = self.on_disk(move |kept| kept.keep_contact(&directory, external.as_deref(), contact)).await;
        if let Some(Err(error)) = noted {
            tracing::warn!(%error, "what the certificate authority was told can't be kept; it is told again later");
        }
    }

    /// Whom the authority may write to, as it wants it.
    fn contact(&self) -> Option<String> {
        self.settings.contact.as_ref().map(|address| format!("mailto:{address}"))
    }

    /// Does something with the files on a thread that may block. Once begun, it is done, even if nobody waits for it any more.
    async fn on_disk<T: Send + 'static>(&self, work: impl FnOnce(&Kept) -> T + Send + 'static) -> Option<T> {
        let kept = self.kept.clone();
        let done = tokio::task::spawn_blocking(move || work(&kept)).await;
        done.inspect_err(|error| tracing::error!(%error, "the files of the certificate authority could not be used")).ok()
    }

    async fn registered(&self) -> Result<Account, AcmeError> {
        let (directory, external) = self.named();
        let address = self.contact();
        let contacts: Vec<&str> = address.as_deref().into_iter().collect();
        let new = NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
        let key = self
            .settings
            .external_account
            .as_ref()
            .map(|account| ExternalAccountKey::new(account.key_id.clone(), account.key.expose()));
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        let created = builder.create(&new, directory.clone(), key.as_ref()).await;
        let (account, credentials) = created.map_err(|error| AcmeError::new(&self.host(), error))?;
        let contact = self.settings.contact.clone();
        let kept = KeptAccount { directory, external_account: external, contact, credentials };
        if let Some(Err(error)) = self.on_disk(move |files| files.keep_account(&kept)).await {
            tracing::warn!(%error, "the account with the certificate authority can't be kept; the next start makes another");
        }
        tracing::info!(authority = self.host(), "an account was made with the certificate authority");
        Ok(account)
    }
}

fn moment(time: OffsetDateTime) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}
