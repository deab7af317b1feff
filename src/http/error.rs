//! How failures of the inside become answers. Which error to use where: handlers return [`ApiError`]; everything below returns its
//! own small enum, which is turned into one here and nowhere else.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::AuthError;
use crate::hub::HubError;
use crate::meeting::Refusal;
use crate::store::StoreError;
use crate::wire::error::{ErrorBody, ErrorDetail, SettingProblem};

/// An answer that is not a success: a status, a stable code, and a sentence for people.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<&'static str>,
    retry_after: Option<Duration>,
    problems: Option<Vec<SettingProblem>>,
}

impl ApiError {
    /// A failure with this status, code and sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, retry_after: None, problems: None }
    }

    /// A field of the request that is well-formed but can't be taken.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", message) }
    }

    /// Nothing is there, or nothing that the caller may know of.
    pub fn meeting_not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "meeting_not_found",
            "There is no meeting with this code. Check the code or ask for a new link.",
        )
    }

    /// The request names somebody other than its access token does.
    pub fn identity_mismatch(field: &'static str) -> Self {
        let message = "The request names somebody else than the one who is signed in. Leave this field out.";
        Self { field: Some(field), ..Self::new(StatusCode::FORBIDDEN, "identity_mismatch", message) }
    }

    /// Too many of these for the moment.
    pub fn throttled(retry_after: Duration) -> Self {
        let message = "That was too often in a short time. Wait a moment and try again.";
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message) }
    }

    /// The same failure, with everything that is wrong.
    pub(super) fn with_problems(self, problems: Vec<SettingProblem>) -> Self {
        Self { problems: Some(problems), ..self }
    }

    fn with_field(self, field: Option<&'static str>) -> Self {
        Self { field, ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry_after_seconds =
            self.retry_after.map(|wait| u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1));
        let detail = ErrorDetail {
            code: self.code.to_owned(),
            message: self.message,
            field: self.field.map(str::to_owned),
            retry_after_seconds,
            problems: self.problems,
        };
        let mut response = (self.status, Json(ErrorBody { error: detail })).into_response();
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed a request");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage_unavailable",
            "The server can't read or write its data at the moment. Try again later, or tell its admin.",
        )
    }
}

impl From<HubError> for ApiError {
    fn from(error: HubError) -> Self {
        match error {
            HubError::NotFound => Self::meeting_not_found(),
            HubError::Ended => Refusal::MeetingEnded.into(),
            HubError::Refused(refusal) => refusal.into(),
            HubError::Store(error) => error.into(),
            HubError::Stopping => Self {
                retry_after: Some(Duration::from_secs(2)),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_restarting", error.to_string())
            },
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::MeetingEnded => StatusCode::GONE,
            Refusal::Full | Refusal::TicketUsed | Refusal::AlreadySeated | Refusal::ParticipantAway => StatusCode::CONFLICT,
            Refusal::UnknownParticipant => StatusCode::NOT_FOUND,
            Refusal::SeatGone | Refusal::NotSeated | Refusal::ChatDisabled | Refusal::ScreenShareDisabled => {
                StatusCode::FORBIDDEN
            }
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let status = match &error {
            AuthError::WrongCredentials | AuthError::Unauthenticated => StatusCode::UNAUTHORIZED,
            AuthError::EmailTaken => StatusCode::CONFLICT,
            AuthError::RegistrationClosed | AuthError::SetupTokenInvalid => StatusCode::FORBIDDEN,
            AuthError::SetupDone => StatusCode::GONE,
            AuthError::Throttled { retry_after } => return Self::throttled(*retry_after),
            AuthError::Unavailable(cause) => {
                tracing::error!(error = %cause, "the store failed a sign-in");
                StatusCode::SERVICE_UNAVAILABLE
            }
            AuthError::InvalidPassword(_) | AuthError::InvalidEmail(_) | AuthError::InvalidName(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::new(status, error.code(), error.to_string()).with_field(error.field())
    }
}
