//! `GET /api/signaling`: the door to the socket.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;
use axum::response::Response;

use super::Api;
use super::error::ApiError;
use super::extract::{ClientAddress, ReachedHost};

/// Turns the request into a socket; [`super::origin`] has checked where it comes from.
pub(super) async fn upgrade(
    State(api): State<Api>,
    reached: ReachedHost,
    ClientAddress(client): ClientAddress,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade
        .map_err(|_| ApiError::new(StatusCode::UPGRADE_REQUIRED, "not_a_websocket", "This address speaks WebSocket only."))?;
    api.signaling
        .upgrade(upgrade, reached.host, client)
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "unknown_subprotocol", error.to_string()))
}
