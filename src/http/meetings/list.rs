//! `GET /api/meetings` and `GET /api/meetings/user/{userId}` (row M6): one's own meetings, newest first.

use axum::Json;
use axum::extract::{Path, State};

use super::{status_in, view};
use crate::auth::Caller;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{Params, SignedInCaller};
use crate::ids::UserId;
use crate::store::MeetingFilter;
use crate::wire::meetings::{ListQuery, MeetingList};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The caller's own meetings.
pub(in crate::http) async fn own(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    Params(query): Params<ListQuery>,
) -> Result<Json<MeetingList>, ApiError> {
    list(&api, &caller, &query).await
}

/// The same under the user's id. Other people's lists don't exist (attack H1).
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
