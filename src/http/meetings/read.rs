//! `GET /api/meetings/{roomId}` (alias `GET /meeting/{id}`), `…/preview` and `…/participants` (rows M4, M5).

use axum::Json;
use axum::extract::State;

use super::{preview_of, sits_in, view};
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{ClientAddress, RoomPath, SignedInCaller};
use crate::meeting::Status;
use crate::wire::meetings::{MeetingPreview, MeetingReply, ParticipantList};

/// The whole meeting, for its host and for those who sit in it with an account.
pub(in crate::http) async fn read(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    client: ClientAddress,
    RoomPath(room): RoomPath,
) -> Result<Json<MeetingReply>, ApiError> {
    let Some(meeting) = api.store.meeting(room).await? else { return Err(api.limits.missed(client)) };
    if caller.as_host_of(room, meeting.host).is_none() && !sits_in(&api, &caller, room).await {
        return Err(ApiError::meeting_not_found());
    }
    Ok(Json(MeetingReply { success: true, meeting: view(&api, meeting).await }))
}

/// What somebody who was given the code sees before joining. Who is inside is not part of it.
pub(in crate::http) async fn preview(
    State(api): State<Api>,
    client: ClientAddress,
    RoomPath(room): RoomPath,
) -> Result<Json<MeetingPreview>, ApiError> {
    let Some(meeting) = api.store.meeting(room).await? else { return Err(api.limits.missed(client)) };
    if meeting.status == Status::Ended {
        return Err(crate::meeting::Refusal::MeetingEnded.into());
    }
    Ok(Json(preview_of(&meeting)))
}

/// Who is in the meeting now, for its host and for those who sit in it with an account.
pub(in crate::http) async fn participants(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    client: ClientAddress,
    RoomPath(room): RoomPath,
) -> Result<Json<ParticipantList>, ApiError> {
    let Some(meeting) = api.store.meeting(room).await? else { return Err(api.limits.missed(client)) };
    if caller.as_host_of(room, meeting.host).is_none() && !sits_in(&api, &caller, room).await {
        return Err(ApiError::meeting_not_found());
    }
    let participants = api.hub.participants(room).await.into_iter().map(crate::signaling::participant).collect();
    Ok(Json(ParticipantList { success: true, participants }))
}
