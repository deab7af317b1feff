//! `POST /api/meetings/{roomId}/end` and `DELETE /api/meetings/{roomId}` (row M4): over for everybody, and gone.
//!
//! The store is changed and the room is told in one piece of work that a client that hangs up doesn't interrupt: a meeting that is
//! over on disk while people go on talking in it could not be ended again.

use axum::Json;
use axum::extract::State;

use super::{as_host, view};
use crate::clock::Timestamp;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{ClientAddress, OptionalBody, RoomPath, SignedInCaller};
use crate::meeting::EndReason;
use crate::store::StoreError;
use crate::wire::error::ErrorBody;
use crate::wire::meetings::{Done, EndMeetingRequest, MeetingReply};

/// Ends a meeting. Ending it again changes nothing.
#[utoipa::path(
    post, path = "/api/meetings/{room}/end", operation_id = "endMeeting", tag = "meetings", security(("bearer" = [])),
    params(RoomPath), request_body = Option<EndMeetingRequest>,
    responses(
        (status = 200, body = MeetingReply, description = "The meeting is over"),
        (status = 403, body = ErrorBody, description = "`host_only`, `identity_mismatch`"),
        (status = 404, body = ErrorBody, description = "`meeting_not_found`"),
        (status = 503, body = ErrorBody, description = "`server_restarting`"),
    ),
)]
pub(in crate::http) async fn end(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    client: ClientAddress,
    RoomPath(room): RoomPath,
    OptionalBody(request): OptionalBody<EndMeetingRequest>,
) -> Result<Json<MeetingReply>, ApiError> {
    let right = as_host(&api, &caller, client, room).await?;
    if request.host_id.is_some_and(|named| named != right.user()) {
        return Err(ApiError::identity_mismatch("hostId"));
    }
    let (store, hub, room) = (api.store.clone(), api.hub.clone(), right.room());
    let ended = api.finish(async move {
        let ended = store.end_meeting(room, Timestamp::now()).await?;
        hub.end(room, EndReason::EndedByHost).await;
        Ok::<_, StoreError>(ended)
    });
    let ended = ended.await??.ok_or_else(ApiError::meeting_not_found)?;
    Ok(Json(MeetingReply { success: true, meeting: view(&api, ended).await }))
}

/// Deletes a meeting. Whoever is in it is told that it is over.
#[utoipa::path(
    delete, path = "/api/meetings/{room}", operation_id = "deleteMeeting", tag = "meetings", security(("bearer" = [])),
    params(RoomPath),
    responses(
        (status = 200, body = Done, description = "The meeting is gone"),
        (status = 403, body = ErrorBody, description = "`host_only`"),
        (status = 404, body = ErrorBody, description = "`meeting_not_found`"),
        (status = 503, body = ErrorBody, description = "`server_restarting`"),
    ),
)]
pub(in crate::http) async fn delete(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    client: ClientAddress,
    RoomPath(room): RoomPath,
) -> Result<Json<Done>, ApiError> {
    let right = as_host(&api, &caller, client, room).await?;
    let (store, hub, room) = (api.store.clone(), api.hub.clone(), right.room());
    let was_there = api.finish(async move {
        let was_there = store.delete_meeting(room).await?;
        hub.end(room, EndReason::Deleted).await;
        Ok::<_, StoreError>(was_there)
    });
    if !was_there.await?? {
        return Err(ApiError::meeting_not_found());
    }
    Ok(Json(Done { success: true }))
}
