//! `GET /api/meetings` and `GET /api/meetings/user/{userId}` (row M6): one's own meetings, newest first. Nobody else can
//! see them or learn whether there are any (attack H1).

use axum::Json;
use axum::extract::{Path, State};

use super::{status_in, view};
use crate::auth::Caller;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{Params, SignedInCaller};
use crate::ids::UserId;
use crate::store::MeetingFilter;
use crate::wire::error::ErrorBody;
use crate::wire::meetings::{ListQuery, MeetingList};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Lists the caller's own meetings.
#[utoipa::path(
    get, path = "/api/meetings", operation_id = "listMeetings", tag = "meetings", security(("bearer" = [])),
    params(ListQuery),
    responses(
        (status = 200, body = MeetingList, description = "The meetings"),
        (status = 400, body = ErrorBody, description = "`invalid_query`"),
    ),
)]
pub(in crate::http) async fn own(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    Params(query): Params<ListQuery>,
) -> Result<Json<MeetingList>, ApiError> {
    list(&api, &caller, &query).await
}

/// Lists the caller's own meetings, by the caller's id.
///
/// Other people's lists don't exist.
#[utoipa::path(
    get, path = "/api/meetings/user/{user}", operation_id = "listMeetingsOfUser", tag = "meetings", security(("bearer" = [])),
    params(("user" = String, Path, description = "The caller's id"), ListQuery),
    responses(
        (status = 200, body = MeetingList, description = "The meetings"),
        (status = 400, body = ErrorBody, description = "`invalid_query`"),
        (status = 404, body = ErrorBody, description = "`user_not_found`"),
    ),
)]
pub(in crate::http) async fn of_user(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    Path(user): Path<String>,
    Params(query): Params<ListQuery>,
) -> Result<Json<MeetingList>, ApiError> {
    if user.parse::<UserId>().ok() != Some(caller.user().id) {
        let message = "There is no such account, or it is not yours.";
        return Err(ApiError::new(axum::http::StatusCode::NOT_FOUND, "user_not_found", message));
    }
    list(&api, &caller, &query).await
}

async fn list(api: &Api, caller: &Caller, query: &ListQuery) -> Result<Json<MeetingList>, ApiError> {
    let filter = MeetingFilter {
        status: query.status.map(status_in),
        limit: query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize,
        skip: query.skip.unwrap_or(0) as usize,
    };
    let (found, total) = api.store.meetings_of(caller.user().id, filter).await?;
    let mut meetings = Vec::with_capacity(found.len());
    for meeting in found {
        meetings.push(view(api, meeting).await);
    }
    Ok(Json(MeetingList { success: true, meetings, total: u32::try_from(total).unwrap_or(u32::MAX) }))
}
