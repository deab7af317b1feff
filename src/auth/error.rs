//! What can go wrong with accounts, in a code for programs and a sentence for people.

use std::error::Error;
use std::time::Duration;

use super::identity::{InvalidEmail, InvalidName};
use super::password::{HashingStopped, PasswordError};
use super::throttle::RetryAfter;
use super::tokens::TokenError;

/// Why a request about an account was refused. Each message may be shown to whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no such account, or the password is another: which of the two is not said.
    #[error("The e-mail address or the password is wrong. Check both and try again.")]
    WrongCredentials,
    /// An account with this address exists.
    #[error("There is an account with this e-mail address already. Sign in, or use another address.")]
    EmailTaken,
    /// This server lets nobody register.
    #[error("This server does not take registrations. Ask its administrator for an account.")]
    RegistrationClosed,
    /// The one-time link is wrong, used or too old.
    #[error("This link is not valid, or it is too old. Restart the server to get a new one.")]
    SetupTokenInvalid,
    /// The first account exists.
    #[error("This server is set up already. Sign in.")]
    SetupDone,
    /// The password is outside its bounds.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The e-mail address is none.
    #[error(transparent)]
    InvalidEmail(#[from] InvalidEmail),
    /// The name is none.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// Not signed in, or no longer.
    #[error("You are not signed in, or no longer. Sign in.")]
    Unauthenticated,
    /// Too many failed sign-ins.
    #[error("Too many attempts. Try again in {} seconds.", RetryAfter(*retry_after).seconds())]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Accounts can't be read or written at present. The cause is for the log.
    #[error("Accounts can't be reached right now. Try again in a moment.")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl AuthError {
    /// The stable code, in snake_case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongCredentials => "wrong_credentials",
            Self::EmailTaken => "email_taken",
            Self::RegistrationClosed => "registration_closed",
            Self::SetupTokenInvalid => "setup_token_invalid",
            Self::SetupDone => "setup_done",
            Self::InvalidPassword(_) => "invalid_password",
            Self::InvalidEmail(_) => "invalid_email",
            Self::InvalidName(_) => "invalid_name",
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled { .. } => "too_many_requests",
            Self::Unavailable(_) => "storage_unavailable",
        }
    }

    /// The field of the request that is wrong, where one is.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::EmailTaken | Self::InvalidEmail(_) => Some("email"),
            Self::InvalidPassword(_) => Some("password"),
            Self::InvalidName(_) => Some("name"),
            Self::SetupTokenInvalid => Some("token"),
            Self::WrongCredentials
            | Self::RegistrationClosed
            | Self::SetupDone
            | Self::Unauthenticated
            | Self::Throttled { .. }
            | Self::Unavailable(_) => None,
        }
    }
}

impl From<RetryAfter> for AuthError {
    fn from(RetryAfter(retry_after): RetryAfter) -> Self {
        Self::Throttled { retry_after }
    }
}

impl From<TokenError> for AuthError {
    fn from(_: TokenError) -> Self {
        Self::Unauthenticated
    }
}

impl From<HashingStopped> for AuthError {
    fn from(stopped: HashingStopped) -> Self {
        Self::Unavailable(Box::new(stopped))
    }
}
