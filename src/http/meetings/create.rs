//! `POST /api/meetings/create`, alias `POST /meeting/create` (rows M1, M2).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{text, view};
use crate::clock::Timestamp;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{Body, SignedInCaller};
use crate::ids::RoomId;
use crate::meeting::{MAX_DESCRIPTION_CHARS, MAX_PARTICIPANTS, MAX_TITLE_CHARS, Meeting, Settings, Status};
use crate::wire::error::ErrorBody;
use crate::wire::meetings::{CreateMeetingRequest, MeetingReply, SettingsRequest};

/// The most e-mail domains that a meeting may name.
const MAX_DOMAINS: usize = 50;

/// Creates a meeting for whoever is signed in.
#[utoipa::path(
    post, path = "/api/meetings/create", operation_id = "createMeeting", tag = "meetings", security(("bearer" = [])),
    request_body = CreateMeetingRequest,
    responses(
        (status = 201, body = MeetingReply, description = "The meeting was created"),
        (status = 403, body = ErrorBody, description = "`identity_mismatch`"),
        (status = 422, body = ErrorBody, description = "`invalid_field`"),
    ),
)]
pub(in crate::http) async fn create(
    State(api): State<Api>,
    SignedInCaller(caller): SignedInCaller,
    Body(request): Body<CreateMeetingRequest>,
) -> Result<(StatusCode, Json<MeetingReply>), ApiError> {
    let user = caller.user();
    if request.host_id.is_some_and(|named| named != user.id) {
        return Err(ApiError::identity_mismatch("hostId"));
    }
    let title = text::one_line(&request.title);
    if title.is_empty() || title.chars().count() > MAX_TITLE_CHARS {
        return Err(ApiError::invalid("title", format!("Give the meeting a title of 1 to {MAX_TITLE_CHARS} characters.")));
    }
    let description = text::paragraphs(&request.description.unwrap_or_default());
    if description.chars().count() > MAX_DESCRIPTION_CHARS {
        let message = format!("The description is too long. Keep it under {MAX_DESCRIPTION_CHARS} characters.");
        return Err(ApiError::invalid("description", message));
    }
    let settings = settings_of(request.settings.unwrap_or_default(), &api.settings.get().meeting_defaults)?;
    api.limits.creating(user.id)?;
    let meeting = Meeting {
        room: RoomId::random(),
        host: user.id,
        host_name: user.name.clone(),
        title,
        description,
        scheduled_at: request.scheduled_at,
        settings,
        status: Status::Waiting,
        created_at: Timestamp::now(),
        started_at: None,
        ended_at: None,
    };
    api.store.create_meeting(meeting.clone()).await?;
    tracing::info!(event = "meeting_created", host = %user.id, "a meeting was created");
    Ok((StatusCode::CREATED, Json(MeetingReply { success: true, meeting: view(&api, meeting).await })))
}

fn settings_of(request: SettingsRequest, defaults: &Settings) -> Result<Settings, ApiError> {
    let max_participants = request.max_participants.unwrap_or(defaults.max_participants);
    if !(2..=MAX_PARTICIPANTS).contains(&max_participants) {
        let message = format!("A meeting is for 2 to {MAX_PARTICIPANTS} people.");
        return Err(ApiError::invalid("settings.maxParticipants", message));
    }
    let allowed_domains = match request.allowed_domains {
        Some(domains) => domains_of(&domains)?,
        None => defaults.allowed_domains.clone(),
    };
    Ok(Settings {
        max_participants,
        recording_enabled: request.is_recording_enabled.unwrap_or(defaults.recording_enabled),
        chat_enabled: request.is_chat_enabled.unwrap_or(defaults.chat_enabled),
        screen_share_enabled: request.is_screen_share_enabled.unwrap_or(defaults.screen_share_enabled),
        require_approval: request.require_approval.unwrap_or(defaults.require_approval),
        allowed_domains,
        guests_allowed: request.guests_allowed.unwrap_or(defaults.guests_allowed),
    })
}

fn domains_of(domains: &[String]) -> Result<Vec<String>, ApiError> {
    let invalid = || {
        let message = format!("Name at most {MAX_DOMAINS} e-mail domains, each like example.org.");
        ApiError::invalid("settings.allowedDomains", message)
    };
    if domains.len() > MAX_DOMAINS {
        return Err(invalid());
    }
    let mut named: Vec<String> = Vec::with_capacity(domains.len());
    for domain in domains {
        let domain = domain.trim().trim_start_matches('@').to_lowercase();
        let plain = domain.split('.').all(|label| {
            !label.is_empty() && !label.starts_with('-') && label.chars().all(|char| char.is_alphanumeric() || char == '-')
        });
        if !plain || domain.len() > 253 {
            return Err(invalid());
        }
        if !named.contains(&domain) {
            named.push(domain);
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m12_domains_are_folded_and_nonsense_is_refused() {
        let named = domains_of(&["Example.ORG".into(), "@example.org".into(), "bücher.example".into()]).unwrap();
        assert_eq!(named, ["example.org", "bücher.example"]);
        for bad in ["", "a b.org", "exa..mple", "-x.org", "a@b.org", "*.org"] {
            assert!(domains_of(&[bad.into()]).is_err(), "{bad:?} was taken");
        }
    }
}
