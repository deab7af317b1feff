//! How much and how long: per-client rates, and a deadline for every answer.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::error::ApiError;
use super::extract::ClientAddress;
use crate::auth::AuthError;
use crate::auth::throttle::{ClientNet, Rate, Throttle};
use crate::clock::Tick;
use crate::ids::UserId;

/// Requests from one network, but for the page's files and the questions whether the server is well. Wide, because a whole office comes from one address when its meeting begins.
const REQUESTS: Rate = Rate::new(600, Duration::from_secs(60));
/// Codes without a meeting that one network may ask for. Codes have 60 random bits: this limits noise, not guessing.
const MISSES: Rate = Rate::new(30, Duration::from_secs(60));
/// Meetings that one account may create.
const CREATIONS: Rate = Rate::new(60, Duration::from_secs(3600));
/// Accounts that may be asked for from one network; each costs a password hash. An office may register in its first hour.
const REGISTRATIONS: Rate = Rate::new(60, Duration::from_secs(3600));
/// How many clients are remembered by each limit.
const REMEMBERED: usize = 16_384;
/// A handler that takes longer than this is given up.
const HANDLER_DEADLINE: Duration = Duration::from_secs(30);

/// The limits of the API.
pub(super) struct Limits {
    requests: Throttle<ClientNet>,
    misses: Throttle<ClientNet>,
    creations: Throttle<UserId>,
    registrations: Throttle<ClientNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: Throttle::new(REQUESTS, REMEMBERED),
            misses: Throttle::new(MISSES, REMEMBERED),
            creations: Throttle::new(CREATIONS, REMEMBERED),
            registrations: Throttle::new(REGISTRATIONS, REMEMBERED),
        }
    }
}

impl Limits {
    /// Counts a code that led nowhere, and answers accordingly.
    pub(super) fn missed(&self, client: ClientAddress) -> ApiError {
        match self.misses.check(&client.0.into(), Tick::now()) {
            Ok(()) => ApiError::meeting_not_found(),
            Err(wait) => ApiError::throttled(wait.0),
        }
    }

    /// Counts a request that was refused for who sent it, and answers accordingly.
    pub(super) fn turned_away(&self, client: ClientAddress, refusal: ApiError) -> ApiError {
        match self.misses.check(&client.0.into(), Tick::now()) {
            Ok(()) => refusal,
            Err(wait) => ApiError::throttled(wait.0),
        }
    }

    /// Counts an account that is asked for, and not when it was refused before its password was hashed.
    pub(super) async fn registering<T>(
        &self,
        client: ClientAddress,
        register: impl Future<Output = Result<T, AuthError>>,
    ) -> Result<T, ApiError> {
        let network = client.0.into();
        self.registrations.check(&network, Tick::now()).map_err(|wait| ApiError::throttled(wait.0))?;
        let outcome = register.await;
        if outcome.as_ref().is_err_and(|error| !costs_a_hash(error)) {
            self.registrations.refund(&network);
        }
        Ok(outcome?)
    }

    /// Counts a meeting that is about to be created.
    pub(super) fn creating(&self, user: UserId) -> Result<(), ApiError> {
        self.creations.check(&user, Tick::now()).map_err(|wait| ApiError::throttled(wait.0))
    }
}

/// Whether a registration was refused only after its password was hashed. When in doubt, it was.
const fn costs_a_hash(error: &AuthError) -> bool {
    match error {
        AuthError::InvalidEmail(_)
        | AuthError::InvalidName(_)
        | AuthError::InvalidPassword(_)
        | AuthError::RegistrationClosed
        | AuthError::SetupDone => false,
        AuthError::EmailTaken
        | AuthError::SetupTokenInvalid
        | AuthError::WrongCredentials
        | AuthError::Unauthenticated
        | AuthError::Throttled { .. }
        | AuthError::Unavailable(_) => true,
    }
}

/// Refuses requests beyond what one network may send.
pub(super) async fn throttle(State(api): State<Api>, client: ClientAddress, request: Request, next: Next) -> Response {
    if is_counted(&request)
        && let Err(wait) = api.limits.requests.check(&client.0.into(), Tick::now())
    {
        return ApiError::throttled(wait.0).into_response();
    }
    next.run(request).await
}

/// The page's files cost nothing and belong to no route. Neither does it cost anything to say whether the server is well, and a
/// server that doesn't say so under load would be restarted for it. Its figures are counted only when they are refused.
fn is_counted(request: &Request) -> bool {
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some("/healthz" | "/readyz" | "/metrics") => false,
        Some(_) => true,
        None => request.uri().path().starts_with("/api/") || !matches!(*request.method(), Method::GET | Method::HEAD),
    }
}

/// Gives up a handler that hangs.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(HANDLER_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timed_out",
            "The server took too long to answer. Try again in a moment.",
        )
        .into_response(),
    }
}
