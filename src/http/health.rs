//! `GET /healthz` and `GET /readyz`, for whoever keeps the server running.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Api;
use crate::wire::server::Health;

/// The program runs and answers.
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok".into() })
}

/// The program can do its work, writing included.
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    if api.store.is_degraded() {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "degraded".into() }))
    } else {
        (StatusCode::OK, Json(Health { status: "ok".into() }))
    }
}
