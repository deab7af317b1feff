//! What the doctor found, and the test from outside.

use serde::{Deserialize, Serialize};

use super::meetings::IceServer;
use crate::clock::Timestamp;

/// `GET /api/admin/doctor`, and the answer to `POST /api/admin/doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct DoctorState {
    /// It is looking just now.
    pub running: bool,
    /// When it looked last; null when it has not looked yet.
    #[schema(value_type = Option<String>)]
    pub examined_at: Option<Timestamp>,
    /// What it found then.
    pub findings: Vec<DoctorFinding>,
    /// The test from outside; null when none was asked for.
    pub outside: Option<OutsideTest>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct DoctorFinding {
    /// What was looked at; stable, in snake_case.
    pub check: String,
    /// How it stands.
    pub outcome: DoctorOutcome,
    /// What is so, for people.
    pub sentence: String,
    /// What mends it: a command, a line of the configuration, or a rule of a router. Null where nothing is to be mended.
    pub mend: Option<String>,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum DoctorOutcome {
    /// As it should be.
    Good,
    /// It was not looked at, and the sentence says why.
    Skipped,
    /// It works, but not for everybody or not for ever.
    Warning,
    /// It doesn't work.
    Bad,
}

/// A test by somebody outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct OutsideTest {
    /// Until when its link is good.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// Somebody has opened the link.
    pub opened: bool,
    /// Everything has been reported.
    pub done: bool,
    /// What was found, as far as it has been reported.
    pub findings: Vec<DoctorFinding>,
}

/// `POST /api/admin/doctor/outside`: a link for a phone, told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct OutsideLink {
    /// The address to open.
    pub link: String,
    /// The same to be photographed.
    pub qr: QrCode,
    /// Until when it is good.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

/// A QR code (ISO/IEC 18004) as a drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    /// Its width and height in squares, with four empty ones on each side.
    pub size: u32,
    /// Its dark squares, as the path data of SVG 1.1, in units of one square.
    pub path: String,
}

/// `POST /api/check/begin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckRequest {
    /// What stands behind `#` in the link.
    pub token: String,
}

/// What a phone needs to try the ways to the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct CheckReply {
    /// Each way by itself.
    pub lanes: Vec<CheckLane>,
}

/// One way to the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct CheckLane {
    /// Which.
    pub transport: CheckTransport,
    /// The servers to reach by it alone.
    pub ice_servers: Vec<IceServer>,
}

/// How the relay is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum CheckTransport {
    /// By UDP.
    Udp,
    /// By TCP.
    Tcp,
    /// By TLS.
    Tls,
}

/// `POST /api/check/report`: how far a phone got on one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckReport {
    /// What stands behind `#` in the link.
    pub token: String,
    /// Which way.
    pub transport: CheckTransport,
    /// There was a candidate of its own (`host`).
    pub host: bool,
    /// There was one with the address that it has outside (`srflx`).
    pub reflexive: bool,
    /// There was one of the relay (`relay`).
    pub relayed: bool,
    /// What the browser says about what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub reason: Option<String>,
}
