//! `/api/admin/settings` and `/api/admin/relay-test`: what administrators may change while the server runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Api;
use super::error::ApiError;
use super::extract::{AdminCaller, Body};
use crate::wire::error::{ErrorBody, SettingProblem};
use crate::wire::settings::{ChangeSettingsRequest, RelayTestReply, SettingChange, SettingsReply};

/// Who keeps the settings. Its methods read and write files, and take as long as a disk does.
pub trait SettingsKeeper: Send + Sync {
    /// What holds.
    fn settings(&self) -> SettingsReply;

    /// Makes all changes, for good and at once.
    ///
    /// # Errors
    /// Why none was made.
    fn change(&self, changes: Vec<SettingChange>) -> Result<SettingsReply, SettingsRefusal>;
}

/// Why no setting was changed.
#[derive(Debug)]
pub enum SettingsRefusal {
    /// Something would be wrong: all of it.
    Wrong(Vec<SettingProblem>),
    /// They could not be written down.
    Unwritten(std::io::Error),
}

impl From<SettingsRefusal> for ApiError {
    fn from(refusal: SettingsRefusal) -> Self {
        match refusal {
            SettingsRefusal::Wrong(problems) => {
                let message = "These settings can't be taken. Nothing was changed.";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_settings", message).with_problems(problems)
            }
            SettingsRefusal::Unwritten(error) => {
                tracing::error!(%error, "the settings could not be written");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "storage_unavailable",
                    "The server can't write its settings at the moment, and nothing was changed. Look at its disk, and try again.",
                )
            }
        }
    }
}

/// Tells the settings that may be changed here, without anything secret.
#[utoipa::path(
    get, path = "/api/admin/settings", operation_id = "settings", tag = "admin", security(("bearer" = [])),
    responses(
        (status = 200, body = SettingsReply, description = "The settings"),
        (status = 403, body = ErrorBody, description = "`admins_only`"),
    ),
)]
pub(super) async fn read(State(api): State<Api>, _: AdminCaller) -> Result<Json<SettingsReply>, ApiError> {
    let keeper = keeper(&api)?;
    blocking(move || keeper.settings()).await.map(Json)
}

/// Changes settings, all of them or none.
#[utoipa::path(
    put, path = "/api/admin/settings", operation_id = "changeSettings", tag = "admin", security(("bearer" = [])),
    request_body = ChangeSettingsRequest,
    responses(
        (status = 200, body = SettingsReply, description = "They were changed; this is what holds now"),
        (status = 403, body = ErrorBody, description = "`admins_only`"),
        (status = 422, body = ErrorBody, description = "`invalid_settings`, with all `problems`"),
    ),
)]
pub(super) async fn change(
    State(api): State<Api>,
    AdminCaller(admin): AdminCaller,
    Body(request): Body<ChangeSettingsRequest>,
) -> Result<Json<SettingsReply>, ApiError> {
    let keeper = keeper(&api)?;
    let keys = request.changes.iter().map(|change| change.key.as_str()).collect::<Vec<_>>().join(", ");
    let reply = blocking(move || keeper.change(request.changes)).await??;
    tracing::info!(event = "settings_changed", admin = %admin.user(), keys = ?keys, "settings were changed in the browser");
    Ok(Json(reply))
}

/// Lets the relay send a packet through itself, by the address that people are told.
#[utoipa::path(
    post, path = "/api/admin/relay-test", operation_id = "testRelay", tag = "admin", security(("bearer" = [])),
    responses(
        (status = 200, body = RelayTestReply, description = "What was found"),
        (status = 403, body = ErrorBody, description = "`admins_only`"),
        (status = 404, body = ErrorBody, description = "`no_relay`"),
    ),
)]
pub(super) async fn test_relay(State(api): State<Api>, _: AdminCaller) -> Result<Json<RelayTestReply>, ApiError> {
    let hub = api.hub.clone();
    let tested = api.finish(async move { hub.test_relay().await }).await?;
    let tested = tested.ok_or_else(|| {
        let message = "This server has no relay that could be tested. Set relay.enabled, and relay.address where it finds none.";
        ApiError::new(StatusCode::NOT_FOUND, "no_relay", message)
    })?;
    Ok(Json(RelayTestReply { works: tested.works, finding: tested.told }))
}

fn keeper(api: &Api) -> Result<Arc<dyn SettingsKeeper>, ApiError> {
    api.keeper.clone().ok_or_else(|| {
        let message = "The settings of this server can't be changed while it runs.";
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "the settings could not be read");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on the server. Try again.")
    })
}
