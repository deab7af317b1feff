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
use crate::lifecycle::Live;

/// Codes without a meeting that one network may ask for. Codes have 60 random bits: this limits noise, not guessing.
const MISSES: Rate = Rate::new(30, Duration::from_secs(60));
/// How many clients are remembered by each limit.
const REMEMBERED: usize = 16_384;
/// A handler that takes longer than this is given up.
const HANDLER_DEADLINE: Duration = Duration::from_secs(30);

/// What the administrators decide of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Requests from one network, but for the page's files and the questions whether the server is well. Wide, because a whole
    /// office comes from one address when its meeting begins.
    pub requests: Rate,
    /// Meetings that one account may create.
    pub creations: Rate,
    /// Accounts that may be asked for from one network; each costs a password hash. An office may register in its first hour.
    pub registrations: Rate,
}

/// The limits of the API.
pub(super) struct Limits {
    rates: Live<Rates>,
    requests: Live<Throttle<ClientNet>>,
    misses: Throttle<ClientNet>,
    creations: Live<Throttle<UserId>>,
    registrations: Live<Throttle<ClientNet>>,
}

impl Limits {
    /// Limits that count nothing yet.
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            rates: Live::new(rates),
            requests: Live::new(Throttle::new(rates.requests, REMEMBERED)),
            misses: Throttle::new(MISSES, REMEMBERED),
            creations: Live::new(Throttle::new(rates.creations, REMEMBERED)),
            registrations: Live::new(Throttle::new(rates.registrations, REMEMBERED)),
        }
    }

    /// Allows so much from now on. What was counted by a rate that changes is forgotten.
    pub(super) fn reconfigure(&self, rates: Rates) {
        let before = self.rates.get();
        if before.requests != rates.requests {
            self.requests.set(Throttle::new(rates.requests, REMEMBERED));
        }
        if before.creations != rates.creations {
            self.creations.set(Throttle::new(rates.creations, REMEMBERED));
        }
        if before.registrations != rates.registrations {
            self.registrations.set(Throttle::new(rates.registrations, REMEMBERED));
        }
        self.rates.set(rates);
    }

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
        let registrations = self.registrations.get();
        registrations.check(&network, Tick::now()).map_err(|wait| ApiError::throttled(wait.0))?;
        let outcome = register.await;
        if outcome.as_ref().is_err_and(|error| !costs_a_hash(error)) {
            registrations.refund(&network);
        }
        Ok(outcome?)
    }

    /// Counts a meeting that is about to be created.
    pub(super) fn creating(&self, user: UserId) -> Result<(), ApiError> {
        self.creations.get().check(&user, Tick::now()).map_err(|wait| ApiError::throttled(wait.0))
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
        && let Err(wait) = api.limits.requests.get().check(&client.0.into(), Tick::now())
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
