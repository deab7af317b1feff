//! `GET /healthz` and `GET /readyz`, for whoever keeps the server running.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Api;
use crate::wire::server::Health;

/// Tells that the program runs and answers.
#[utoipa::path(
    get, path = "/healthz", operation_id = "alive", tag = "server",
    responses((status = 200, body = Health, description = "It does")),
)]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok".into() })
}

/// Tells whether the program can do its work, writing included.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "server",
    responses(
        (status = 200, body = Health, description = "It can"),
        (status = 503, body = Health, description = "It can't write"),
    ),
)]
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    if api.store.is_degraded() {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "degraded".into() }))
    } else {
        (StatusCode::OK, Json(Health { status: "ok".into() }))
    }
}
