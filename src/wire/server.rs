//! What anybody may know of this server.

use serde::{Deserialize, Serialize};

/// Who may make an account for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum Registration {
    /// Everybody who can reach the server.
    Open,
    /// Nobody; an admin makes accounts.
    Closed,
}

/// `GET /api/server`: what the page needs before anybody has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// What this place is called.
    pub name: String,
    /// The version of the protocol of the socket; a page that was built for another one reloads.
    pub protocol: u32,
    /// Whether people may register.
    pub registration: Registration,
    /// True until the first admin exists: the one-time link is waiting to be used.
    pub needs_setup: bool,
    /// How many people a meeting can hold at most.
    pub max_participants: u32,
    /// Whether devices have to be told to trust this server: its own authority vouches for its certificate.
    pub own_authority: bool,
}

/// `GET /healthz` and `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, `degraded` when the server can't write, or `stopping`.
    pub status: String,
    /// What is not as it should be. Some of it keeps the server from doing its work, and some doesn't.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<HealthProblem>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct HealthProblem {
    /// Stable: `store_degraded`, `stopping` or `relay_not_working`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}
