//! `GET /api/server`: what the page needs before anybody has signed in.

use axum::Json;
use axum::extract::State;

use super::Api;
use super::error::ApiError;
use crate::tls::Source;
use crate::wire::PROTOCOL_VERSION;
use crate::wire::server::ServerInfo;

/// Tells what anybody may know of this server.
#[utoipa::path(
    get, path = "/api/server", operation_id = "serverInfo", tag = "server",
    responses((status = 200, body = ServerInfo, description = "What the page needs before anybody has signed in")),
)]
pub(super) async fn info(State(api): State<Api>) -> Result<Json<ServerInfo>, ApiError> {
    let settings = api.settings.get();
    Ok(Json(ServerInfo {
        name: settings.name.clone(),
        protocol: PROTOCOL_VERSION,
        registration: settings.registration,
        needs_setup: !api.store.has_users().await?,
        max_participants: settings.max_participants,
        own_authority: api.certificate.status().source == Source::LocalCa,
    }))
}
