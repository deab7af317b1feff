//! Signing in, staying signed in, signing out.

use std::net::IpAddr;
use std::time::Duration;

use super::identity::{Email, PersonName};
use super::password::{Password, Verdict};
use super::permissions::Caller;
use super::refresh::RefreshToken;
use super::tokens::AccessClaims;
use super::{Auth, AuthError, RegistrationPolicy};
use crate::clock::{Now, Timestamp};
use crate::ids::{Secret, SessionId, UserId};
use crate::store::{AccountRole, Advance, AdvanceRules, NewUser, Session, StoreError, User};

/// An account to be made, as somebody typed it.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The e-mail address to sign in with.
    pub email: Secret<String>,
    /// The name that others see.
    pub name: Secret<String>,
    /// The password.
    pub password: Secret<String>,
}

/// Somebody who has just signed in, or stayed so.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The account.
    pub user: User,
    /// Goes with each request, as `Authorization: Bearer`.
    pub access_token: Secret<String>,
    /// How long the access token is good for.
    pub expires_in: Duration,
    /// Gets the next access token, once.
    pub refresh_token: Secret<String>,
    /// How long the refresh token is good for: the `Max-Age` of its cookie.
    pub refresh_expires_in: Duration,
}

impl Auth {
    /// Makes an account and signs it in.
    ///
    /// Without mail there is no way to hide that an address is taken; limit how often a client may call this.
    ///
    /// # Errors
    /// [`AuthError::RegistrationClosed`], [`AuthError::EmailTaken`], or what is wrong with the account.
    pub async fn register(&self, account: NewAccount, now: Timestamp) -> Result<SignedIn, AuthError> {
        match self.registration() {
            RegistrationPolicy::Open => {}
            RegistrationPolicy::Closed => return Err(AuthError::RegistrationClosed),
        }
        let account = self.prepare(account, AccountRole::Member).await?;
        let user = self.0.store.create_user(account, now).await?;
        self.start_session(user, now).await
    }

    /// Signs in with e-mail address and password. `client` is the address that the connection came from.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], the same and as slow whether the account or the password is wrong;
    /// [`AuthError::Throttled`] after too many failures; [`AuthError::InvalidPassword`] when it is too long to be any.
    pub async fn login(&self, email: &str, password: Secret<String>, client: IpAddr, now: Now) -> Result<SignedIn, AuthError> {
        let password = Password::attempt(password)?;
        let email: Email = email.parse().map_err(|_| AuthError::WrongCredentials)?;
        let attempt = self.0.attempts.begin(&email, client, now.tick)?;
        match self.owner(&email, &password).await {
            Ok(Some(user)) => {
                attempt.succeeded(now.tick);
                self.start_session(user, now.wall).await
            }
            // Dropped, the attempt stays counted.
            Ok(None) => Err(AuthError::WrongCredentials),
            Err(unavailable) => {
                attempt.withdraw();
                Err(unavailable)
            }
        }
    }

    /// Exchanges a refresh token for new tokens. Two exchanges at once get the same successor; a token that comes again after
    /// the grace period ends its session.
    ///
    /// # Errors
    /// [`AuthError::Unauthenticated`] when the token is not ours or its session is over.
    pub async fn refresh(&self, token: &str, now: Timestamp) -> Result<SignedIn, AuthError> {
        let presented = self.0.refresh.read(token).ok_or(AuthError::Unauthenticated)?;
        let rules = AdvanceRules { grace: self.0.limits.refresh_grace, idle: self.0.limits.session_idle };
        match self.0.store.advance_session(presented.session, presented.generation, now, rules).await? {
            Advance::Advanced(session) | Advance::Repeated(session) => match self.0.store.user(session.user).await? {
                Some(user) => Ok(self.tokens_for(user, &session, now)),
                None => Err(AuthError::Unauthenticated),
            },
            Advance::Reused { user } => {
                tracing::warn!(%user, session = %presented.session, "a used refresh token came again, so its session was ended");
                Err(AuthError::Unauthenticated)
            }
            Advance::Unknown => Err(AuthError::Unauthenticated),
        }
    }

    /// Ends the session of a refresh token and says which it was. `None` when the token is not ours: whoever presents it is
    /// signed out anyway.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when the store can't be reached.
    pub async fn logout(&self, token: &str) -> Result<Option<SessionId>, AuthError> {
        let Some(RefreshToken { session, .. }) = self.0.refresh.read(token) else { return Ok(None) };
        self.0.store.delete_session(session).await?;
        Ok(Some(session))
    }

    /// Ends all sessions of an account.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when the store can't be reached.
    pub async fn logout_everywhere(&self, user: UserId) -> Result<(), AuthError> {
        self.0.store.delete_sessions_of(user).await?;
        Ok(())
    }

    /// Recognises somebody by an access token. Account, role and session are those of this moment, not of the token's issue.
    ///
    /// # Errors
    /// [`AuthError::Unauthenticated`] when the token is not good, or its session or account is gone.
    pub async fn authenticate(&self, bearer: &str, now: Timestamp) -> Result<Caller, AuthError> {
        let claims = self.0.access.verify(bearer, now)?;
        let store = &self.0.store;
        match tokio::try_join!(store.session(claims.session), store.user(claims.user))? {
            (Some(session), Some(user)) if session.user == user.id && now < session.expires_at => {
                Ok(Caller::new(user, session.id))
            }
            _ => Err(AuthError::Unauthenticated),
        }
    }

    /// Checks what was typed and hashes the password.
    pub(super) async fn prepare(&self, account: NewAccount, role: AccountRole) -> Result<NewUser, AuthError> {
        let email: Email = account.email.expose().parse()?;
        let name: PersonName = account.name.expose().parse()?;
        let password = Password::new(account.password)?;
        let hash = self.0.hasher.hash(&password).await?;
        Ok(NewUser { email: email.into_string(), name: name.into_string(), role, password_hash: hash.expose().clone() })
    }

    /// A session that did not exist before the sign-in, whatever the client sent along.
    pub(super) async fn start_session(&self, user: User, now: Timestamp) -> Result<SignedIn, AuthError> {
        let session = Session {
            id: SessionId::random(),
            user: user.id,
            generation: 0,
            created_at: now,
            rotated_at: now,
            expires_at: now.plus(self.0.limits.session_absolute),
        };
        self.0.store.create_session(session.clone()).await?;
        Ok(self.tokens_for(user, &session, now))
    }

    /// Whose address and password these are.
    async fn owner(&self, email: &Email, password: &Password) -> Result<Option<User>, AuthError> {
        let Some(user) = self.0.store.user_by_email(email.as_str()).await? else {
            self.0.hasher.verify_nobody(password).await?;
            return Ok(None);
        };
        match self.0.hasher.verify(password, &user.password_hash).await? {
            Verdict::Right => Ok(Some(user)),
            Verdict::RightButDated => {
                let hash = self.0.hasher.hash(password).await?;
                self.0.store.set_password_hash(user.id, hash.expose().clone()).await?;
                Ok(Some(user))
            }
            Verdict::Wrong => Ok(None),
        }
    }

    fn tokens_for(&self, user: User, session: &Session, now: Timestamp) -> SignedIn {
        let role = match user.role {
            AccountRole::Admin => "admin",
            AccountRole::Member => "member",
        };
        let access = AccessClaims { user: user.id, session: session.id };
        let limits = &self.0.limits;
        SignedIn {
            access_token: self.0.access.issue(access, role, now),
            expires_in: limits.access_token,
            refresh_token: self.0.refresh.write(RefreshToken { session: session.id, generation: session.generation }),
            refresh_expires_in: limits.session_idle.min(session.expires_at.since(now)),
            user,
        }
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EmailTaken => Self::EmailTaken,
            StoreError::SetupTokenInvalid => Self::SetupTokenInvalid,
            StoreError::SetupDone => Self::SetupDone,
            StoreError::RoomTaken
            | StoreError::TooLarge
            | StoreError::Busy
            | StoreError::NoSpace
            | StoreError::Degraded
            | StoreError::Closed
            | StoreError::Damaged { .. }
            | StoreError::Failed(_) => Self::Unavailable(Box::new(error)),
        }
    }
}
