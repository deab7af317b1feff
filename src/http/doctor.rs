//! `/api/admin/doctor*`: what is wrong with the place where this server stands, for its administrators; and the link by which a
//! phone looks from outside.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fast_qr::{ECL, QRBuilder};

use super::Api;
use super::error::ApiError;
use super::extract::{AdminCaller, ReachedHost};
use crate::clock::{Tick, Timestamp};
use crate::doctor::{self, Finding, Outcome};
use crate::wire::doctor as wire;
use crate::wire::error::ErrorBody;

/// Empty squares around a QR code, as cameras need them.
const QUIET_ZONE: usize = 4;

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
    let qr = draw(&link);
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

/// One rectangle for each run of dark squares in a row.
fn draw(link: &str) -> wire::QrCode {
    let code = QRBuilder::new(link).ecl(ECL::M).build().expect("a link to this server is shorter than the largest code holds");
    let mut path = String::new();
    for y in 0..code.size {
        let mut x = 0;
        while x < code.size {
            let run = code[y][x..].iter().take_while(|module| module.value()).count();
            if run > 0 {
                path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE));
            }
            x += run.max(1);
        }
    }
    wire::QrCode { size: u32::try_from(code.size + 2 * QUIET_ZONE).expect("a code has at most 177 squares"), path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_quiet_zone_and_its_three_corners() {
        let code = draw("https://meet.example.org/check#0123456789abcdef");
        let side = code.size - 2 * 4;
        assert!(side >= 21 && (side - 17).is_multiple_of(4), "{side}");
        for corner in [String::from("M4 4h7v1h-7z"), format!("M{} 4h7v1h-7z", side - 3), format!("M4 {}h7v1h-7z", side - 3)] {
            assert!(code.path.contains(&corner), "{corner}");
        }
    }

    #[test]
    fn the_longest_link_fits() {
        draw(&format!("https://{}/check#{}", "a".repeat(255), "b".repeat(32)));
    }
}
