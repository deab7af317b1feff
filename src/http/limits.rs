//! How much and how long: per-client rates, and a deadline for every answer.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::error::ApiError;
use super::extract::ClientAddress;
use crate::auth::throttle::{ClientNet, Rate, Throttle};
use crate::clock::Tick;
use crate::ids::UserId;

/// API requests from one network. Wide, because a whole office comes from one address when its meeting begins.
const REQUESTS: Rate = Rate::new(600, Duration::from_secs(60));
/// Codes without a meeting that one network may ask for. Codes have 60 random bits: this limits noise, not guessing.
const MISSES: Rate = Rate::new(30, Duration::from_secs(60));
/// Meetings that one account may create.
const CREATIONS: Rate = Rate::new(60, Duration::from_secs(3600));
/// Accounts that may be asked for from one network; each costs a password hash.
const REGISTRATIONS: Rate = Rate::new(30, Duration::from_secs(3600));
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

    /// Counts an account that is asked for.
    pub(super) fn registering(&self, client: ClientAddress) -> Result<(), ApiError> {
        self.registrations.check(&client.0.into(), Tick::now()).map_err(|wait| ApiError::throttled(wait.0))
    }

    /// Counts a meeting that is about to be created.
    pub(super) fn creating(&self, user: UserId) -> Result<(), ApiError> {
        self.creations.check(&user, Tick::now()).map_err(|wait| ApiError::throttled(wait.0))
    }
}

/// Refuses API requests beyond what one network may send.
pub(super) async fn throttle(State(api): State<Api>, client: ClientAddress, request: Request, next: Next) -> Response {
    let counted = request.uri().path().starts_with("/api/") || request.method() != axum::http::Method::GET;
    if counted && let Err(wait) = api.limits.requests.check(&client.0.into(), Tick::now()) {
        return ApiError::throttled(wait.0).into_response();
    }
    next.run(request).await
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
