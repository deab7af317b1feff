//! The one-time link that makes the first account, so that nobody on the network can be quicker than the owner.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use super::sessions::{NewAccount, SignedIn};
use super::{Auth, AuthError};
use crate::clock::Timestamp;
use crate::ids::{Secret, random_bytes};
use crate::store::AccountRole;

impl Auth {
    /// The secret part of a new one-time link (160 bits, good for 24 hours), or `None` when there are accounts. The store keeps only its
    /// hash, so this is the only time it is seen; links from before are void.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when the store can't be reached.
    pub async fn setup_token(&self, now: Timestamp) -> Result<Option<Secret<String>>, AuthError> {
        if self.0.store.has_users().await? {
            return Ok(None);
        }
        let token = BASE32_NOPAD.encode(&random_bytes::<20>()).to_ascii_lowercase();
        self.0.store.put_setup_token(hash(&token), now.plus(self.0.limits.setup_token)).await?;
        Ok(Some(Secret::new(token)))
    }

    /// Makes the first account, an administrator's, and signs it in. The link works once: of many at the same moment one gets it.
    ///
    /// # Errors
    /// [`AuthError::SetupDone`] when there is an account; [`AuthError::SetupTokenInvalid`]; or what is wrong with the account.
    pub async fn setup(&self, token: &str, account: NewAccount, now: Timestamp) -> Result<SignedIn, AuthError> {
        // Saves the hashing; the store decides.
        if self.0.store.has_users().await? {
            return Err(AuthError::SetupDone);
        }
        let account = self.prepare(account, AccountRole::Admin).await?;
        let user = self.0.store.create_first_admin(hash(token.trim()), account, now).await?;
        tracing::info!(user = %user.id, "the first account was made");
        self.start_session(user, now).await
    }
}

/// Fast on purpose: what is hashed is random, not chosen by a person.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
