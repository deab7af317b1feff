//! `/api/meetings/*` and its aliases under `/meeting/*`, one file per thing one can do with a meeting.

pub(super) mod create;
pub(super) mod end;
pub(super) mod join;
pub(super) mod list;
pub(super) mod read;
mod text;

use super::Api;
use super::error::ApiError;
use super::extract::ClientAddress;
use crate::auth::{Caller, HostOf};
use crate::ids::RoomId;
use crate::meeting::{Meeting, Role, Settings, Status};
use crate::wire::meetings as wire;

/// A meeting as its host sees it, with who is there now.
async fn view(api: &Api, meeting: Meeting) -> wire::Meeting {
    let present = api.hub.participants(meeting.room).await.len();
    wire::Meeting {
        room_id: meeting.room,
        title: meeting.title,
        description: meeting.description,
        host_id: meeting.host,
        host_name: meeting.host_name,
        // The store learns some minutes later that everybody has left.
        status: if meeting.status == Status::Active && present == 0 {
            wire::MeetingStatus::Waiting
        } else {
            status_out(meeting.status)
        },
        created_at: meeting.created_at,
        scheduled_at: meeting.scheduled_at,
        started_at: meeting.started_at,
        ended_at: meeting.ended_at,
        settings: crate::signaling::settings(&meeting.settings),
        participant_count: u32::try_from(present).unwrap_or(u32::MAX),
    }
}

fn preview_of(meeting: &Meeting) -> wire::MeetingPreview {
    wire::MeetingPreview {
        room_id: meeting.room,
        title: meeting.title.clone(),
        host_name: meeting.host_name.clone(),
        status: status_out(meeting.status),
        guests_allowed: admits_guests(&meeting.settings),
    }
}

/// Whether somebody without an account may come in. A list of e-mail domains leaves no room for them.
fn admits_guests(settings: &Settings) -> bool {
    settings.guests_allowed && settings.allowed_domains.is_empty()
}

/// The right of a meeting's host to change it.
///
/// To everybody else it does not exist (attack H1), except to those who sit in it: they know of it, and are told that they may
/// not (attack H3).
async fn as_host(api: &Api, caller: &Caller, client: ClientAddress, room: RoomId) -> Result<HostOf, ApiError> {
    let Some(meeting) = api.store.meeting(room).await? else { return Err(api.limits.missed(client)) };
    if let Some(right) = caller.as_host_of(room, meeting.host) {
        return Ok(right);
    }
    if sits_in(api, caller, room).await {
        let message = "Only the host of the meeting may do this.";
        return Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, "host_only", message));
    }
    // Counted like a code that no meeting has: what is limited and what is not must not tell them apart.
    Err(api.limits.missed(client))
}

async fn sits_in(api: &Api, caller: &Caller, room: RoomId) -> bool {
    api.hub.participants(room).await.iter().any(|participant| participant.profile.user == Some(caller.user().id))
}

const fn status_out(status: Status) -> wire::MeetingStatus {
    match status {
        Status::Waiting => wire::MeetingStatus::Waiting,
        Status::Active => wire::MeetingStatus::Active,
        Status::Ended => wire::MeetingStatus::Ended,
    }
}

const fn status_in(status: wire::MeetingStatus) -> Status {
    match status {
        wire::MeetingStatus::Waiting => Status::Waiting,
        wire::MeetingStatus::Active => Status::Active,
        wire::MeetingStatus::Ended => Status::Ended,
    }
}

/// The role of an account in a meeting.
fn role_of(caller: Option<&Caller>, meeting: &Meeting) -> Role {
    match caller.and_then(|caller| caller.as_host_of(meeting.room, meeting.host)) {
        Some(_) => Role::Host,
        None => Role::Participant,
    }
}
