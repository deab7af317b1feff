//! `GET /api/meetings/{roomId}` (alias `GET /meeting/{id}`), `…/preview` and `…/participants` (rows M4, M5).

use axum::Json;
use axum::extract::State;

use super::{preview_of, sits_in, view};
use crate::auth::Caller;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{ClientAddress, RoomPath, SignedInCaller};
use crate::ids::RoomId;
use crate::meeting::{Meeting, Status};
use crate::wire::error::ErrorBody;
use crate::wire::meetings::{MeetingPreview, MeetingReply, ParticipantList};

/// Tells everything about a meeting to its host and to those who sit in it with an account.
#[utoipa::path(
    get, path = "/api/meetings/{room}", operation_id = "readMeeting", tag = "meetings", security(("bearer" = [])),
    params(RoomPath),
    responses(
        (status = 200, body = MeetingReply, description = "The meeting"),
        (status = 404, body = ErrorBody, description = "`meeting_not_found`"),
    ),
)]
pub(in crate::http) async fn read(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    client: ClientAddress,
    RoomPath(room): RoomPath,
) -> Result<Json<MeetingReply>, ApiError> {
    let meeting = visible(&api, &caller, client, room).await?;
    Ok(Json(MeetingReply { success: true, meeting: view(&api, meeting).await }))
}

/// Tells what somebody who was given the code sees before joining. Who is inside is not part of it.
#[utoipa::path(
    get, path = "/api/meetings/{room}/preview", operation_id = "previewMeeting", tag = "meetings", params(RoomPath),
    responses(
        (status = 200, body = MeetingPreview, description = "The meeting, from outside"),
        (status = 404, body = ErrorBody, description = "`meeting_not_found`"),
        (status = 410, body = ErrorBody, description = "`meeting_ended`"),
    ),
)]
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

/// Tells who is in the meeting now, to its host and to those who sit in it with an account.
#[utoipa::path(
    get, path = "/api/meetings/{room}/participants", operation_id = "listParticipants", tag = "meetings",
    security(("bearer" = [])), params(RoomPath),
    responses(
        (status = 200, body = ParticipantList, description = "The people"),
        (status = 404, body = ErrorBody, description = "`meeting_not_found`"),
    ),
)]
pub(in crate::http) async fn participants(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    client: ClientAddress,
    RoomPath(room): RoomPath,
) -> Result<Json<ParticipantList>, ApiError> {
    visible(&api, &caller, client, room).await?;
    let participants = api.hub.participants(room).await.into_iter().map(crate::signaling::participant).collect();
    Ok(Json(ParticipantList { success: true, participants }))
}

/// The meeting, for its host and those who sit in it. To everybody else it is a code that no meeting has, and counted as one.
async fn visible(api: &Api, caller: &Caller, client: ClientAddress, room: RoomId) -> Result<Meeting, ApiError> {
    let Some(meeting) = api.store.meeting(room).await? else { return Err(api.limits.missed(client)) };
    if caller.as_host_of(room, meeting.host).is_none() && !sits_in(api, caller, room).await {
        return Err(api.limits.missed(client));
    }
    Ok(meeting)
}
