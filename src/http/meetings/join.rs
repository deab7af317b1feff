//! `POST /api/meetings/join`, alias `POST /meeting/join` (rows M3, M12, A5): who may come in, and by what.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{admits_guests, preview_of, role_of};
use crate::auth::{Caller, PersonName, SeatClaims};
use crate::clock::Timestamp;
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::extract::{Body, ClientAddress, MaybeCaller, ReachedHost};
use crate::ids::ParticipantId;
use crate::meeting::{Meeting, Profile, Refusal, Role, Status};
use crate::wire::error::ErrorBody;
use crate::wire::meetings::{JoinReply, JoinRequest};

/// Checks code, policy and capacity, and holds a seat.
#[utoipa::path(
    post, path = "/api/meetings/join", operation_id = "joinMeeting", tag = "meetings", security((), ("bearer" = [])),
    request_body = JoinRequest,
    responses((status = 200, body = JoinReply, description = "A seat is held"), NotAdmitted),
)]
pub(in crate::http) async fn join(
    State(api): State<Api>,
    MaybeCaller(caller): MaybeCaller,
    client: ClientAddress,
    reached: ReachedHost,
    Body(request): Body<JoinRequest>,
) -> Result<Json<JoinReply>, ApiError> {
    let Some(meeting) = api.store.meeting(request.room_id).await? else { return Err(api.limits.missed(client)) };
    if meeting.status == Status::Ended {
        return Err(Refusal::MeetingEnded.into());
    }
    let user = caller.as_ref().map(|caller| caller.user().id);
    if request.user_id.is_some() && request.user_id != user {
        return Err(ApiError::identity_mismatch("userId"));
    }
    let role = role_of(caller.as_ref(), &meeting);
    admit(&meeting, caller.as_ref(), role)?;
    let name = name_of(request.display_name, caller.as_ref())?;

    let participant = ParticipantId::random();
    let profile = Profile { name: name.clone(), user, role };
    api.hub.reserve(meeting.room, participant, profile).await?;
    let now = Timestamp::now();
    let claims = SeatClaims { room: meeting.room, participant, user, name, host: role == Role::Host };
    Ok(Json(JoinReply {
        success: true,
        participant_id: participant,
        ticket: api.auth.issue_ticket(&claims, now).expose().clone(),
        signaling_url: format!("wss://{}/api/signaling", reached.authority),
        ice_servers: api.ice.servers_for(participant, &reached.authority, now),
        meeting: preview_of(&meeting),
    }))
}

/// Why somebody gets no seat, for the description of the API.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes answers that are made as `ApiError`")]
enum NotAdmitted {
    /// `invalid_host`
    #[response(status = 400)]
    NoHost(ErrorBody),
    /// `members_only`, `domain_not_allowed`, `approval_required`, `identity_mismatch`
    #[response(status = 403)]
    NotWelcome(ErrorBody),
    /// `meeting_not_found`
    #[response(status = 404)]
    NoMeeting(ErrorBody),
    /// `meeting_full`
    #[response(status = 409)]
    Full(ErrorBody),
    /// `meeting_ended`
    #[response(status = 410)]
    Ended(ErrorBody),
    /// `invalid_field`
    #[response(status = 422)]
    NoName(ErrorBody),
    /// `server_restarting`
    #[response(status = 503)]
    Stopping(ErrorBody),
}

/// Whether this person may come in, by the host's choices. What signing in would not mend is said before it is asked for.
fn admit(meeting: &Meeting, caller: Option<&Caller>, role: Role) -> Result<(), ApiError> {
    if role == Role::Host {
        return Ok(());
    }
    let settings = &meeting.settings;
    if settings.require_approval {
        // Nobody is let in who should first be asked for: this server has no waiting room to ask from.
        let message = "The host lets people into this meeting one by one, which this server can't do. Ask the host to change it.";
        return Err(forbidden("approval_required", message));
    }
    match caller {
        None if admits_guests(settings) => Ok(()),
        None => Err(forbidden("members_only", "This meeting is for people with an account. Sign in to join.")),
        Some(caller) if settings.allowed_domains.is_empty() || has_domain(&caller.user().email, &settings.allowed_domains) => {
            Ok(())
        }
        Some(_) => {
            let message = "This meeting is for people with an e-mail address of certain domains, and yours is of another.";
            Err(forbidden("domain_not_allowed", message))
        }
    }
}

fn has_domain(email: &str, domains: &[String]) -> bool {
    email.rsplit_once('@').is_some_and(|(_, domain)| domains.iter().any(|allowed| allowed == domain))
}

fn forbidden(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

fn name_of(display_name: Option<String>, caller: Option<&Caller>) -> Result<String, ApiError> {
    let name = match (display_name, caller) {
        (Some(name), _) => name,
        (None, Some(caller)) => return Ok(caller.user().name.clone()),
        (None, None) => return Err(ApiError::invalid("displayName", "Say what you want to be called.")),
    };
    name.parse::<PersonName>().map(PersonName::into_string).map_err(|error| ApiError::invalid("displayName", error.to_string()))
}
