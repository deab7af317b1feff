//! `POST /api/meetings/{roomId}/end` and `DELETE /api/meetings/{roomId}` (row M4): over for everybody, and gone.

use axum::Json;
use axum::extract::State;

use super::{as_host, view};
use crate::clock::Timestamp;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{OptionalBody, RoomPath, SignedInCaller};
use crate::meeting::EndReason;
use crate::wire::meetings::{Done, EndMeetingRequest, MeetingReply};

/// Ends a meeting. Ending it again changes nothing.
pub(in crate::http) async fn end(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    RoomPath(room): RoomPath,
    OptionalBody(request): OptionalBody<EndMeetingRequest>,
) -> Result<Json<MeetingReply>, ApiError> {
    let (_, right) = as_host(&api, &caller, room).await?;
    if request.host_id.is_some_and(|named| named != right.user()) {
        return Err(ApiError::identity_mismatch("hostId"));
    }
    let ended = api.store.end_meeting(right.room(), Timestamp::now()).await?.ok_or_else(ApiError::meeting_not_found)?;
    api.hub.end(right.room(), EndReason::EndedByHost).await;
    Ok(Json(MeetingReply { success: true, meeting: view(&api, ended).await }))
}

/// Deletes a meeting. Whoever is in it is told that it is over.
pub(in crate::http) async fn delete(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    RoomPath(room): RoomPath,
) -> Result<Json<Done>, ApiError> {
    let (_, right) = as_host(&api, &caller, room).await?;
    if !api.store.delete_meeting(right.room()).await? {
        return Err(ApiError::meeting_not_found());
    }
    api.hub.end(right.room(), EndReason::Deleted).await;
    Ok(Json(Done { success: true }))
}
