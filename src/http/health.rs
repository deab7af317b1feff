//! `GET /healthz` and `GET /readyz`, for whoever keeps the server running.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Api;
use crate::wire::server::{Health, HealthProblem};

/// Tells that the program runs and answers.
#[utoipa::path(
    get, path = "/healthz", operation_id = "alive", tag = "server",
    responses((status = 200, body = Health, description = "It does")),
)]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok".into(), problems: Vec::new() })
}

/// Tells whether the program can do its work, writing included.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "server",
    responses(
        (status = 200, body = Health, description = "It can. `problems` may name `relay_not_working`"),
        (status = 503, body = Health, description = "It can't: `problems` names `store_degraded` or `stopping`"),
    ),
)]
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let status = Trouble::of(&api).find_map(Trouble::status);
    let code = if status.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(Health { status: status.unwrap_or("ok").into(), problems: problems(&api) }))
}

/// What is not as it should be.
pub(super) fn problems(api: &Api) -> Vec<HealthProblem> {
    Trouble::of(api).map(Trouble::told).collect()
}

/// The same with what keeps backups from being made, which names places on the disk and so is not for everybody.
pub(super) fn problems_for_administrators(api: &Api) -> Vec<HealthProblem> {
    let backup = api.backups.status().problem().map(|message| HealthProblem { code: "backup_failed".into(), message });
    problems(api).into_iter().chain(backup).collect()
}

/// What can be the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Stopping,
    Store,
    Relay,
}

impl Trouble {
    fn of(api: &Api) -> impl Iterator<Item = Self> {
        [Self::Stopping, Self::Store, Self::Relay].into_iter().filter(|trouble| trouble.is_there(api))
    }

    fn is_there(self, api: &Api) -> bool {
        match self {
            Self::Stopping => api.tasks.is_stopping(),
            Self::Store => api.store.is_degraded(),
            Self::Relay => api.hub.figures().relay_works == Some(false),
        }
    }

    /// What the server is then, if it can't do its work. Most calls need no relay, and nobody is helped when none is possible any more.
    const fn status(self) -> Option<&'static str> {
        match self {
            Self::Stopping => Some("stopping"),
            Self::Store => Some("degraded"),
            Self::Relay => None,
        }
    }

    fn told(self) -> HealthProblem {
        let (code, message) = match self {
            Self::Stopping => ("stopping", "The server stops, and takes nothing new."),
            Self::Store => ("store_degraded", "The server can't write its data: its disk is full or fails."),
            Self::Relay => ("relay_not_working", "The relay did not pass its own last test. The log says why."),
        };
        HealthProblem { code: code.into(), message: message.into() }
    }
}
