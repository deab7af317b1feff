//! Accounts, and the token that lets somebody create the first one.

use serde::{Deserialize, Serialize};

use super::codec::Fault;
use super::tables::{Changes, Table, Tables, damaged};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{Secret, UserId};

const TOKEN_KEY: &[u8] = b"token";

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountRole {
    /// Everything.
    Admin,
    /// Meetings of one's own.
    Member,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The e-mail address it signs in with, as it was given: normalising is the caller's task.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// What it may do.
    pub role: AccountRole,
    /// The password's hash, as PHC text.
    pub password_hash: Secret<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// An account to be.
#[derive(Clone)]
pub struct NewUser {
    /// The e-mail address it signs in with, normalised.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// What it may do.
    pub role: AccountRole,
    /// The password's hash, as PHC text.
    pub password_hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRecord {
    email: String,
    name: String,
    role: AccountRole,
    password_hash: String,
    created_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupRecord {
    hash: [u8; 32],
    expires_at: u64,
}

impl Store {
    /// Creates an account.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`] when the address has one already.
    pub async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError> {
        self.write(move |tables, changes| {
            if tables.get_raw(Table::UsersByEmail, new.email.as_bytes())?.is_some() {
                return Err(StoreError::EmailTaken);
            }
            add(changes, new, now)
        })
        .await
    }

    /// Creates the first account, which is an administrator's whatever `new` says, and uses up the setup token.
    ///
    /// # Errors
    /// [`StoreError::SetupDone`] when there is any account; [`StoreError::SetupTokenInvalid`] when the token is not the one of
    /// [`Store::put_setup_token`], or has expired.
    pub async fn create_first_admin(&self, setup_token_hash: [u8; 32], new: NewUser, now: Timestamp) -> Result<User, StoreError> {
        self.write(move |tables, changes| {
            if !tables.is_empty(Table::Users)? {
                return Err(StoreError::SetupDone);
            }
            let setup: SetupRecord = tables.get(Table::Setup, TOKEN_KEY)?.ok_or(StoreError::SetupTokenInvalid)?;
            if setup.hash != setup_token_hash || now >= Timestamp::from_millis(setup.expires_at) {
                return Err(StoreError::SetupTokenInvalid);
            }
            changes.remove(Table::Setup, TOKEN_KEY);
            add(changes, NewUser { role: AccountRole::Admin, ..new }, now)
        })
        .await
    }

    /// Sets the setup token, as a hash, in place of an earlier one.
    pub async fn put_setup_token(&self, hash: [u8; 32], expires_at: Timestamp) -> Result<(), StoreError> {
        let record = SetupRecord { hash, expires_at: expires_at.as_millis() };
        self.write(move |_, changes| changes.put(Table::Setup, TOKEN_KEY, &record)).await
    }

    /// Whether there is any account.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        self.read(|tables| tables.is_empty(Table::Users).map(|empty| !empty)).await
    }

    /// The account with this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(move |tables| find(tables, id)).await
    }

    /// The account with this e-mail address, which must be normalised as it was at creation.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let email = email.to_owned();
        self.read(move |tables| {
            let Some(id) = tables.get_raw(Table::UsersByEmail, email.as_bytes())? else { return Ok(None) };
            let id = id.try_into().map_err(|_| damaged(Table::UsersByEmail, email.as_bytes(), Fault::Content))?;
            find(tables, UserId::from_bytes(id))
        })
        .await
    }

    /// Replaces a password's hash. False when there is no such account.
    pub async fn set_password_hash(&self, id: UserId, password_hash: String) -> Result<bool, StoreError> {
        self.write(move |tables, changes| {
            let Some(record) = tables.get::<UserRecord>(Table::Users, id.as_bytes())? else { return Ok(false) };
            changes.put(Table::Users, id.as_bytes(), &UserRecord { password_hash, ..record })?;
            Ok(true)
        })
        .await
    }
}

fn add(changes: &mut Changes, new: NewUser, now: Timestamp) -> Result<User, StoreError> {
    let NewUser { email, name, role, password_hash } = new;
    let id = UserId::random();
    let record = UserRecord { email, name, role, password_hash, created_at: now.as_millis() };
    changes.put(Table::Users, id.as_bytes(), &record)?;
    changes.put_raw(Table::UsersByEmail, record.email.as_bytes(), id.as_bytes())?;
    Ok(record.into_user(id))
}

fn find(tables: &Tables, id: UserId) -> Result<Option<User>, StoreError> {
    let record: Option<UserRecord> = tables.get(Table::Users, id.as_bytes())?;
    Ok(record.map(|record| record.into_user(id)))
}

impl UserRecord {
    fn into_user(self, id: UserId) -> User {
        let Self { email, name, role, password_hash, created_at } = self;
        User { id, email, name, role, password_hash: Secret::new(password_hash), created_at: Timestamp::from_millis(created_at) }
    }
}
