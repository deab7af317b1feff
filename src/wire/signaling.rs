//! The messages of the WebSocket at `/api/signaling`, subprotocol `hearth.v1`. `PROTOCOL.md` tells their story.

use serde::{Deserialize, Serialize};

use super::error::ErrorDetail;
use super::meetings::{IceServer, MeetingSettings};
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, RoomId};

/// What a person sends at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaState {
    /// The microphone is on.
    pub audio: bool,
    /// The camera is on.
    pub video: bool,
    /// A screen is being shared.
    pub screen: bool,
}

/// What somebody may do in a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum ParticipantRole {
    /// Whose meeting it is.
    Host,
    /// Everybody else.
    Participant,
}

/// Somebody in the meeting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The seat.
    #[schema(value_type = String)]
    pub id: ParticipantId,
    /// The name to show.
    pub name: String,
    /// What this person may do.
    pub role: ParticipantRole,
    /// True for people without an account.
    pub guest: bool,
    /// False while the seat waits for its person to come back.
    pub connected: bool,
    /// What this person sends.
    pub media: MediaState,
}

/// An ICE candidate (W3C WebRTC, `RTCIceCandidateInit`). An empty `candidate` marks the end of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields = nullable))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Candidate {
    /// The candidate line of RFC 8839, without `a=`.
    pub candidate: String,
    /// The media section it belongs to, by name.
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by position.
    #[serde(rename = "sdpMLineIndex")]
    pub sdp_m_line_index: Option<u16>,
    /// Which ICE generation it belongs to.
    pub username_fragment: Option<String>,
}

/// A line of chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    /// Chosen by the sender; with `from` it is unique in the meeting.
    pub id: String,
    /// Who wrote it.
    pub from: ParticipantId,
    /// The writer's name, which outlives the writer's seat.
    pub from_name: String,
    /// Null for everybody; otherwise the only one who gets it beside the writer.
    pub to: Option<ParticipantId>,
    /// The text, as written. Never markup.
    pub text: String,
    /// When the server took it.
    pub sent_at: Timestamp,
}

/// How a connection between two people turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum ConnectionState {
    /// It stands.
    Connected,
    /// It did not come about. It may still do so later.
    Failed,
}

/// What a browser sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ClientMessage {
    /// First message of somebody new: takes the seat that join held.
    Join {
        /// From the answer to join.
        ticket: String,
        /// What is switched on at the start.
        media: MediaState,
    },
    /// First message of somebody who lost the socket: takes the same seat back.
    Resume {
        /// From the last `welcome`.
        resume_token: String,
        /// What is switched on now.
        media: MediaState,
    },
    /// An offer for one peer.
    Offer {
        /// For whom.
        to: ParticipantId,
        /// The session description.
        sdp: String,
    },
    /// An answer for one peer.
    Answer {
        /// For whom.
        to: ParticipantId,
        /// The session description.
        sdp: String,
    },
    /// An ICE candidate for one peer.
    Candidate {
        /// For whom.
        to: ParticipantId,
        /// The candidate.
        candidate: Candidate,
    },
    /// Microphone, camera or screen was switched.
    Media {
        /// The state of all three.
        media: MediaState,
    },
    /// A line of chat. It comes back to the sender as `chat`; until then it may be sent again without appearing twice.
    Chat {
        /// Chosen by the sender, 1 to 36 characters; a repeated one is taken as the same line.
        id: String,
        /// Null for everybody.
        to: Option<ParticipantId>,
        /// 1 to 4,000 characters.
        text: String,
    },
    /// How the connection to one peer turned out, for the server's figures and nothing else: once when it stands for the first time,
    /// once when the person has been told that there is none.
    Connection {
        /// To whom.
        to: ParticipantId,
        /// How it turned out.
        state: ConnectionState,
    },
    /// Asks for a `pong`: the browser's way to notice a dead connection.
    Ping {},
    /// Gives up the seat.
    Leave {},
}

/// Why somebody is no longer in the meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum LeaveReason {
    /// Wanted to.
    Left,
    /// The connection was lost and did not come back in time.
    TimedOut,
}

/// Why a meeting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    /// The host ended it for everybody.
    EndedByHost,
    /// The host deleted it.
    Deleted,
}

/// The meeting as those in it see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// The meeting's code.
    pub room_id: RoomId,
    /// What it is called.
    pub title: String,
    /// The host's choices.
    pub settings: MeetingSettings,
    /// When the first person entered.
    pub started_at: Timestamp,
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The seat is yours. Always the first message, and a complete picture: it replaces what was known before.
    Welcome {
        /// The protocol version of the server.
        protocol: u32,
        /// Your seat.
        participant_id: ParticipantId,
        /// Takes the seat back after the socket was lost: for 24 hours, unless you leave or the meeting ends before.
        resume_token: String,
        /// How long the seat is kept when the socket is lost.
        resume_window_ms: u32,
        /// True when the seat was yours before.
        resumed: bool,
        /// The meeting.
        meeting: RoomInfo,
        /// Everybody, you included.
        participants: Vec<Participant>,
        /// Not zero after the server was restarted: for so long, peers missing from `participants` may still come back.
        settles_in_ms: u32,
        /// What was written so far and is meant for you.
        chat: Vec<ChatMessage>,
        /// How to find a way to the others; newer than those of the join reply.
        ice_servers: Vec<IceServer>,
    },
    /// Somebody new took a seat.
    ParticipantJoined {
        /// Who.
        participant: Participant,
    },
    /// Somebody's socket is gone; the seat is kept, and peer connections stay as they are.
    ParticipantDisconnected {
        /// Who.
        participant_id: ParticipantId,
    },
    /// Somebody took the seat back.
    ParticipantReturned {
        /// Who, as things stand now.
        participant: Participant,
    },
    /// A seat was given up or lost.
    ParticipantLeft {
        /// Who.
        participant_id: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// An offer from one peer.
    Offer {
        /// From whom.
        from: ParticipantId,
        /// The session description.
        sdp: String,
    },
    /// An answer from one peer.
    Answer {
        /// From whom.
        from: ParticipantId,
        /// The session description.
        sdp: String,
    },
    /// An ICE candidate from one peer.
    Candidate {
        /// From whom.
        from: ParticipantId,
        /// The candidate.
        candidate: Candidate,
    },
    /// Somebody switched microphone, camera or screen.
    MediaChanged {
        /// Who.
        participant_id: ParticipantId,
        /// The state of all three.
        media: MediaState,
    },
    /// A line of chat, one's own included.
    Chat {
        /// The line.
        message: ChatMessage,
    },
    /// New relay credentials, before the old ones end. For the next ICE restart; connections that are relayed want one now.
    IceServers {
        /// Replaces the list of the welcome.
        ice_servers: Vec<IceServer>,
    },
    /// The meeting is over; the socket closes.
    MeetingEnded {
        /// Why.
        reason: EndReason,
    },
    /// The server stops; come back with `resume` after the time given, give or take. Calls go on meanwhile.
    ServerRestart {
        /// How long to wait at least.
        retry_after_ms: u32,
    },
    /// The answer to `ping`.
    Pong {},
    /// The last message could not be obeyed. The connection stays unless a close frame follows.
    Error {
        /// What was wrong with it.
        error: ErrorDetail,
        /// The `id` of the chat line that was refused, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        chat_id: Option<String>,
    },
}
