//! Accounts: who somebody is, what they may do, and how often they may try.
//!
//! [`Auth`] signs people in and out and recognises them by their tokens. An access token (15 minutes, in the page's memory) goes
//! with every request; a refresh token (a cookie that scripts can't read) gets the next one. Both belong to a session in the
//! store: without it neither is worth anything, so signing out takes effect at once. Tickets and resume tokens stand for a seat
//! in a meeting and for nothing else.
//!
//! The sign-in of one device is one session and one family of refresh tokens. Each refresh uses up its token; a token that comes
//! again after the grace period was copied, and ends the session.

mod attempts;
mod error;
mod identity;
pub mod keys;
mod password;
mod permissions;
mod refresh;
mod sessions;
mod setup;
mod shared_token;
pub mod throttle;
mod tickets;
mod tokens;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::lifecycle::Live;
use crate::store::Store;

use attempts::Attempts;
use password::Hasher;
use refresh::RefreshTokens;
use tokens::{AccessTokens, SeatTokens};

pub use error::AuthError;
pub use identity::{Email, InvalidEmail, InvalidName, MAX_EMAIL_BYTES, MAX_PERSON_NAME_CHARS, PersonName};
pub use keys::{Key, KeyError, load_or_create, look_at};
pub use password::{MAX_PASSWORD_BYTES, MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Password, PasswordError};
pub use permissions::{Admin, Caller, HostOf};
pub use sessions::{NewAccount, SignedIn};
pub use shared_token::SharedToken;
pub use throttle::{ClientNet, Rate, RetryAfter, Throttle};
pub use tokens::{SeatClaims, TokenError};

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationPolicy {
    /// Everybody.
    Open,
    /// Nobody; the first account is made by the one-time link all the same.
    Closed,
}

/// The `iss` of tokens. Not the server's address, which may change while they are good: seats outlive that. Which server has signed is
/// told by the key.
const ISSUER: &str = "hearth";

/// What accounts need to know about this server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the keys lie. Made when it is not there.
    pub keys_dir: PathBuf,
    /// Who may make an account.
    pub registration: RegistrationPolicy,
    /// How long things last and how often they may be tried.
    pub limits: Limits,
}

impl Settings {
    /// Closed registration and the default limits.
    pub fn new(keys_dir: impl Into<PathBuf>) -> Self {
        let keys_dir = keys_dir.into();
        Self { keys_dir, registration: RegistrationPolicy::Closed, limits: Limits::default() }
    }
}

/// How long things last and how often they may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Life of an access token: 15 minutes.
    pub access_token: Duration,
    /// Life of a join ticket: 60 seconds.
    pub ticket: Duration,
    /// Life of a resume token: 24 hours, as long as a meeting may last.
    pub resume_token: Duration,
    /// How long a session lasts without being used: 7 days.
    pub session_idle: Duration,
    /// How long a session lasts at all: 30 days.
    pub session_absolute: Duration,
    /// How long a used refresh token still gets the same successor, for two tabs that refresh at once: 10 seconds.
    pub refresh_grace: Duration,
    /// Life of the one-time link: 24 hours.
    pub setup_token: Duration,
    /// Failed sign-ins for one account: 10 in 15 minutes, then one every 90 seconds.
    pub failures_per_account: Rate,
    /// Failed sign-ins from one address: 30 in 15 minutes, then one every 30 seconds.
    pub failures_per_address: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            access_token: MINUTE * 15,
            ticket: MINUTE,
            resume_token: DAY,
            session_idle: DAY * 7,
            session_absolute: DAY * 30,
            refresh_grace: Duration::from_secs(10),
            setup_token: DAY,
            failures_per_account: Rate::new(10, MINUTE * 15),
            failures_per_address: Rate::new(30, MINUTE * 15),
        }
    }
}

/// The accounts of this server. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    registration: Live<RegistrationPolicy>,
    limits: Limits,
    store: Store,
    access: AccessTokens,
    tickets: SeatTokens,
    resume: SeatTokens,
    refresh: RefreshTokens,
    hasher: Hasher,
    attempts: Attempts,
}

impl Auth {
    /// Reads the keys, or makes them at the first start, and proves that signing works.
    ///
    /// # Errors
    /// When a key can't be read, written, or is open to other users of the machine.
    pub fn open(settings: Settings, store: Store) -> Result<Self, KeyError> {
        let Settings { keys_dir, registration, limits } = settings;
        let key = |name: &str| load_or_create(&keys_dir.join(name));
        let inner = Inner {
            registration: Live::new(registration),
            limits,
            store,
            access: AccessTokens::new(ISSUER, &key("access.key")?, limits.access_token),
            tickets: SeatTokens::tickets(ISSUER, &key("ticket.key")?, limits.ticket),
            resume: SeatTokens::resume(ISSUER, &key("resume.key")?, limits.resume_token),
            refresh: RefreshTokens::new(key("refresh.key")?),
            hasher: Hasher::new(),
            attempts: Attempts::new(limits.failures_per_account, limits.failures_per_address),
        };
        inner.access.self_test()?;
        inner.tickets.self_test()?;
        inner.resume.self_test()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Who may make an account, for the sign-in page to know.
    pub fn registration(&self) -> RegistrationPolicy {
        *self.0.registration.get()
    }

    /// Lets these people make accounts from now on.
    pub fn reconfigure(&self, registration: RegistrationPolicy) {
        self.0.registration.set(registration);
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("registration", &self.0.registration).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
