//! How the server is doing, for its administrators.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::RoomId;

/// `GET /api/admin/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// The program's version.
    pub version: String,
    /// When it started.
    #[schema(value_type = String)]
    pub started_at: Timestamp,
    /// The present, by the server's clock.
    #[schema(value_type = String)]
    pub now: Timestamp,
    /// What is not as it should be; each has its code and a sentence.
    pub problems: Vec<super::server::HealthProblem>,
    /// Meetings in which somebody is now; those with most people first.
    pub meetings: Vec<LiveMeeting>,
    /// How many people are in them.
    pub people: u32,
    /// What has been since the program started.
    pub totals: StatusTotals,
    /// The relay; null where none runs.
    pub relay: Option<RelayStatus>,
    /// The certificate that the server shows.
    pub certificate: CertificateInfo,
    /// Memory, files and the disk.
    pub resources: Resources,
    /// What stands in the log, and what is missing in it.
    pub log: LogStatus,
}

/// A meeting in which somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct LiveMeeting {
    /// The short name that it has in the log.
    pub label: String,
    /// How many people are in it.
    pub people: u32,
    /// Since when somebody has been in it; null while its people are still on their way.
    #[schema(value_type = Option<String>)]
    pub started_at: Option<Timestamp>,
    /// Its title; null where it is somebody else's meeting: running a server gives no right to what is said on it.
    pub title: Option<String>,
    /// Its code; null where it is somebody else's meeting: it would let its reader in.
    #[schema(value_type = Option<String>)]
    pub room_id: Option<RoomId>,
}

/// Sums since the program started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct StatusTotals {
    /// How often somebody entered a meeting in which nobody was.
    pub meetings: u32,
    /// How long meetings lasted on average that are over or empty; null before the first.
    pub average_seconds: Option<u32>,
    /// How often somebody took a new seat.
    pub joined: u32,
    /// Connections between two people that stood, told by each end for itself.
    pub connected: u32,
    /// Those that did not come about.
    pub failed: u32,
    /// People who have left whose call the relay carried.
    pub left_relayed: u32,
    /// People who have left whose call it did not carry.
    pub left_direct: u32,
}

/// What the relay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RelayStatus {
    /// Whether it passed its own last test; null before the first has ended.
    pub works: Option<bool>,
    /// Allocations of clients that came by UDP.
    pub by_udp: u32,
    /// Of those that came by TCP.
    pub by_tcp: u32,
    /// Of those that came by TLS.
    pub by_tls: u32,
    /// Allocations made since the start.
    pub made: u32,
    /// Bytes relayed to peers since the start.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes_to_peers: u64,
    /// Bytes relayed from peers since the start.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes_from_peers: u64,
    /// Requests with a bad name or password since the start.
    pub authentication_failures: u32,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum CertificateSource {
    /// A public authority, or another that speaks ACME.
    Acme,
    /// This server's own authority.
    LocalCa,
    /// Files of the administrator.
    Files,
}

/// The certificate that the server shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct CertificateInfo {
    /// Where it comes from.
    pub source: CertificateSource,
    /// The names and addresses that it is good for.
    pub names: Vec<String>,
    /// Its SHA-256 hash as browsers show it.
    pub fingerprint: String,
    /// Until when it is good.
    #[schema(value_type = String)]
    pub not_after: Timestamp,
    /// When the next one is to be fetched or made; null when that is up to somebody else.
    #[schema(value_type = Option<String>)]
    pub renews_at: Option<Timestamp>,
    /// Less than a third of its life is left, and no other has come.
    pub expires_soon: bool,
    /// What keeps the certificate that should be there from being there, in a sentence.
    pub problem: Option<String>,
}

/// Memory, files and the disk. Null is what this system doesn't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Memory of the process, in bytes.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub memory_bytes: Option<u64>,
    /// Files and sockets that it has open.
    pub open_files: Option<u32>,
    /// How many it may have open.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub most_files: Option<u64>,
    /// Space left on the disk of the data directory, in bytes.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub disk_free_bytes: Option<u64>,
    /// Space in all on it.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub disk_total_bytes: Option<u64>,
    /// When the last backup was made; null when there is none.
    #[schema(value_type = Option<String>)]
    pub last_backup: Option<Timestamp>,
}

/// What stands in the log, and what is missing in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct LogStatus {
    /// The last warnings and errors, newest first, at most 50.
    pub recent: Vec<LogRemark>,
    /// Lines lost because nobody took them.
    pub dropped: u32,
    /// Lines left out because there were too many in a second.
    pub left_out: u32,
    /// Faults of the program that cost a request, a connection or a room.
    pub panics: u32,
}

/// A warning or an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct LogRemark {
    /// When it was last said.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// Whether it is an error rather than a warning.
    pub is_error: bool,
    /// What it says.
    pub text: String,
    /// How often it was said.
    pub times: u32,
}
