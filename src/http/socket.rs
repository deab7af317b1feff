//! `GET /api/signaling`: the door to the socket.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};

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
    let version = request.version();
    let Some(opening) = Opening::of(request) else { return Ok(not_a_websocket(version)) };
    let seatless = api.seatless.take(client).ok_or_else(|| ApiError::throttled(RETRY_AFTER))?;
    api.signaling
        .upgrade(opening, reached.authority, client, place, seatless)
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "unknown_subprotocol", error.to_string()))
}

/// Tells a client what it should have asked for (RFC 9110 §15.5.22, RFC 6455 §4.4).
fn not_a_websocket(version: Version) -> Response {
    let message = "This address speaks WebSocket only.";
    let mut answer = ApiError::new(StatusCode::UPGRADE_REQUIRED, "not_a_websocket", message).into_response();
    // HTTP/2 has no such headers.
    if version == Version::HTTP_11 {
        for (name, value) in [(CONNECTION, "upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")] {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    answer
}
