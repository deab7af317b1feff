//! `/api/admin/doctor*`: what is wrong with the place where this server stands, for its administrators; and the link by which a
//! phone looks from outside.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Api;
use super::error::ApiError;
use super::extract::{AdminCaller, ReachedHost};
use super::qr;
use crate::clock::{Tick, Timestamp};
use crate::doctor::{self, Finding, Outcome};
use crate::wire::doctor as wire;
use crate::wire::error::ErrorBody;

/// Tells what the doctor found last.
#[utoipa::path(
    get, path = "/api/admin/doctor", operation_id = "doctorState", tag = "admin", security(("bearer" = [])),
    responses(
        (status = 200, body = wire::DoctorState, description = "What it found last, and whether it is looking just now"),
        (status = 403, body = ErrorBody, description = "`admins_only`"),
    ),
)]
pub(super) async fn state(State(api): State<Api>, AdminCaller(_): AdminCaller) -> Json<wire::DoctorState> {
    Json(state_of(&api))
}

/// Lets the doctor look again. It takes some seconds; what it finds is told by `GET`.
#[utoipa::path(
    post, path = "/api/admin/doctor", operation_id = "beginDoctor", tag = "admin", security(("bearer" = [])),
    responses(
        (status = 200, body = wire::DoctorState, description = "It is looking"),
        (status = 403, body = ErrorBody, description = "`admins_only`"),
    ),
)]
pub(super) async fn begin(State(api): State<Api>, AdminCaller(_): AdminCaller) -> Result<Json<wire::DoctorState>, ApiError> {
    api.doctor.begin(Tick::now()).map_err(ApiError::throttled)?;
    Ok(Json(state_of(&api)))
}

/// Makes a link by which a phone tries the relay from outside. The one before is good no more.
#[utoipa::path(
    post, path = "/api/admin/doctor/outside", operation_id = "prepareOutsideTest", tag = "admin", security(("bearer" = [])),
    responses(
        (status = 200, body = wire::OutsideLink, description = "The link, which is not told again"),
        (status = 403, body = ErrorBody, description = "`admins_only`"),
        (status = 409, body = ErrorBody, description = "`relay_disabled`"),
    ),
)]
pub(super) async fn prepare(
    State(api): State<Api>,
    AdminCaller(_): AdminCaller,
    ReachedHost { authority }: ReachedHost,
) -> Result<Json<wire::OutsideLink>, ApiError> {
    if api.doctor.settings().await.relay.is_none() {
        let message = "There is nothing to try: the relay inside is switched off (relay.enabled).";
        return Err(ApiError::new(StatusCode::CONFLICT, "relay_disabled", message));
    }
    let (token, expires_at) = api.doctor.outside().prepare(Timestamp::now());
    let link = format!("https://{authority}/check#{}", token.expose());
    let qr = qr::draw(&link).expect("a link to this server is shorter than the largest code holds");
    Ok(Json(wire::OutsideLink { link, qr, expires_at }))
}

fn state_of(api: &Api) -> wire::DoctorState {
    let (running, last) = api.doctor.seen();
    let (examined_at, report) = last.unzip();
    let outside = api.doctor.outside().standing().map(|standing| {
        let doctor::outside::Standing { expires_at, opened, done, findings } = standing;
        wire::OutsideTest { expires_at, opened, done, findings: findings.into_iter().map(finding).collect() }
    });
    let findings = report.map(|report| report.findings).unwrap_or_default();
    wire::DoctorState { running, examined_at, findings: findings.into_iter().map(finding).collect(), outside }
}

fn finding(Finding { check, outcome, sentence, mend }: Finding) -> wire::DoctorFinding {
    let outcome = match outcome {
        Outcome::Good => wire::DoctorOutcome::Good,
        Outcome::Skipped => wire::DoctorOutcome::Skipped,
        Outcome::Warning => wire::DoctorOutcome::Warning,
        Outcome::Bad => wire::DoctorOutcome::Bad,
    };
    wire::DoctorFinding { check: check.name(), outcome, sentence, mend }
}
