//! Meetings over HTTP: `/api/meetings/*` and its aliases under `/meeting/*`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{ParticipantId, RoomId, UserId};

/// Where a meeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum MeetingStatus {
    /// Nobody is in it now.
    Waiting,
    /// Somebody is in it. In a list's filter: or was a few minutes ago.
    Active,
    /// Over for good.
    Ended,
}

/// What the host decided for a meeting. Fields left out of a request take the server's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsRequest {
    /// How many people at most, 2 to 50. The server's own limit holds beside it.
    pub max_participants: Option<u32>,
    /// Whether the meeting may be recorded.
    pub is_recording_enabled: Option<bool>,
    /// Whether people may write to each other.
    pub is_chat_enabled: Option<bool>,
    /// Whether people may share their screens.
    pub is_screen_share_enabled: Option<bool>,
    /// Whether the host lets people in one by one.
    pub require_approval: Option<bool>,
    /// When not empty: only accounts with an e-mail address at one of these domains may join.
    /// Addresses are not verified: where everybody may register, anybody can claim one, and this keeps out nobody who wants in.
    pub allowed_domains: Option<Vec<String>>,
    /// Whether people without an account may join with a name.
    pub guests_allowed: Option<bool>,
}

/// A meeting's settings, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct MeetingSettings {
    /// How many people at most.
    pub max_participants: u32,
    /// Whether the meeting may be recorded.
    pub is_recording_enabled: bool,
    /// Whether people may write to each other.
    pub is_chat_enabled: bool,
    /// Whether people may share their screens.
    pub is_screen_share_enabled: bool,
    /// Whether the host lets people in one by one.
    pub require_approval: bool,
    /// When not empty: only accounts with an e-mail address at one of these domains may join.
    /// Addresses are not verified: where everybody may register, anybody can claim one, and this keeps out nobody who wants in.
    pub allowed_domains: Vec<String>,
    /// Whether people without an account may join with a name.
    pub guests_allowed: bool,
}

/// `POST /api/meetings/create`, alias `POST /meeting/create`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateMeetingRequest {
    /// What the meeting is called, 1 to 120 characters.
    pub title: String,
    /// More about it, at most 2,000 characters.
    pub description: Option<String>,
    /// When it is meant to begin.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scheduled_at: Option<Timestamp>,
    /// The host's choices.
    pub settings: Option<SettingsRequest>,
    /// Only to agree with the access token; any other id is refused.
    #[schema(value_type = Option<String>)]
    pub host_id: Option<UserId>,
    /// Accepted from older clients and not used: the account's name counts.
    pub host_name: Option<String>,
}

/// A meeting as its host sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Meeting {
    /// The meeting's code.
    #[schema(value_type = String)]
    pub room_id: RoomId,
    /// What it is called.
    pub title: String,
    /// More about it; empty when nothing was written.
    pub description: String,
    /// The account that hosts it.
    #[schema(value_type = String)]
    pub host_id: UserId,
    /// That account's name.
    pub host_name: String,
    /// Where it stands.
    pub status: MeetingStatus,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it is meant to begin.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scheduled_at: Option<Timestamp>,
    /// When the first person entered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it was ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The host's choices.
    pub settings: MeetingSettings,
    /// How many people are in it now.
    pub participant_count: u32,
}

/// The answer to create, read and end.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct MeetingReply {
    /// Always true.
    pub success: bool,
    /// The meeting.
    pub meeting: Meeting,
}

/// `GET /api/meetings` (one's own) and `GET /api/meetings/user/{userId}`.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct MeetingList {
    /// Always true.
    pub success: bool,
    /// Newest first.
    pub meetings: Vec<Meeting>,
    /// How many there are in all, before `limit` and `skip`.
    pub total: u32,
}

/// The query of a meeting list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only meetings that stand there.
    pub status: Option<MeetingStatus>,
    /// At most this many, 1 to 100; 20 when left out.
    pub limit: Option<u32>,
    /// Leave out this many from the front.
    pub skip: Option<u32>,
}

/// `GET /api/meetings/{roomId}/preview`: what somebody who was given the code sees before joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct MeetingPreview {
    /// The meeting's code, as it is written.
    #[schema(value_type = String)]
    pub room_id: RoomId,
    /// What it is called.
    pub title: String,
    /// Who hosts it.
    pub host_name: String,
    /// Where it stands.
    pub status: MeetingStatus,
    /// Whether one may join without an account.
    pub guests_allowed: bool,
}

/// `GET /api/meetings/{roomId}/participants`: who is in the meeting now.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct ParticipantList {
    /// Always true.
    pub success: bool,
    /// In the order of coming.
    pub participants: Vec<super::signaling::Participant>,
}

/// `DELETE` and sign-out have nothing to tell but that they worked.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Always true.
    pub success: bool,
}

/// `POST /api/meetings/{roomId}/end`. The body may be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndMeetingRequest {
    /// Only to agree with the access token; any other id is refused.
    #[schema(value_type = Option<String>)]
    pub host_id: Option<UserId>,
}

/// `POST /api/meetings/join`, alias `POST /meeting/join`.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// The meeting's code.
    #[schema(value_type = String)]
    pub room_id: RoomId,
    /// The name to be seen under; guests need one, accounts may leave it out. 1 to 60 characters.
    pub display_name: Option<String>,
    /// Only to agree with the access token; any other id is refused.
    #[schema(value_type = Option<String>)]
    pub user_id: Option<UserId>,
}

/// A STUN or TURN server, in the shape that `RTCPeerConnection` takes (W3C WebRTC, `RTCIceServer`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct IceServer {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<String>,
    /// For TURN: the name, `<expiry>:<participant>` for our own relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN: the password that goes with the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The answer to join: a seat is held for 30 seconds.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct JoinReply {
    /// Always true.
    pub success: bool,
    /// The seat.
    #[schema(value_type = String)]
    pub participant_id: ParticipantId,
    /// To be sent as the first message over the socket. Good once, for a minute.
    pub ticket: String,
    /// Where the socket is.
    pub signaling_url: String,
    /// How to find a way to the others.
    pub ice_servers: Vec<IceServer>,
    /// The meeting.
    pub meeting: MeetingPreview,
}
