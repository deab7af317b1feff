//! `GET /api/signaling`: the door to the socket.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::Api;
use super::error::ApiError;
use super::extract::{ClientAddress, ReachedHost};
use super::places::ConnectionPlace;
use crate::signaling::Opening;

/// How soon a socket that found no place may try again: those before it have a few seconds to take their seats.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Turns the request into a socket; [`super::origin`] has checked where it comes from.
pub(super) async fn upgrade(
    State(api): State<Api>,
    reached: ReachedHost,
    ClientAddress(client): ClientAddress,
    Extension(place): Extension<ConnectionPlace>,
    request: Request,
) -> Result<Response, ApiError> {
    let opening = Opening::of(request)
        .ok_or_else(|| ApiError::new(StatusCode::UPGRADE_REQUIRED, "not_a_websocket", "This address speaks WebSocket only."))?;
    let seatless = api.seatless.take(client).ok_or_else(|| ApiError::throttled(RETRY_AFTER))?;
    api.signaling
        .upgrade(opening, reached.authority, client, place, seatless)
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "unknown_subprotocol", error.to_string()))
}
