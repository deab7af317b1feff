//! `/api/check/*`: a phone with a link from an administrator tries the ways to the relay and reports. It needs no account; the
//! link's secret is all that it has, and all that counts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Api;
use super::error::ApiError;
use super::extract::{Body, ClientAddress, ReachedHost};
use crate::clock::Timestamp;
use crate::doctor::outside::{LINK_LIFE, Lane, LinkInvalid, Reached};
use crate::wire::doctor as wire;
use crate::wire::error::ErrorBody;
use crate::wire::meetings::Done;

/// Gives whoever has a good link what it needs to try the relay, by each transport alone.
#[utoipa::path(
    post, path = "/api/check/begin", operation_id = "beginCheck", tag = "server",
    request_body = wire::CheckRequest,
    responses(
        (status = 200, body = wire::CheckReply, description = "The ways to try, with credentials that are good as long as a link"),
        (status = 403, body = ErrorBody, description = "`check_link_invalid`"),
    ),
)]
pub(super) async fn begin(
    State(api): State<Api>,
    client: ClientAddress,
    ReachedHost { authority }: ReachedHost,
    Body(wire::CheckRequest { token }): Body<wire::CheckRequest>,
) -> Result<Json<wire::CheckReply>, ApiError> {
    let now = Timestamp::now();
    let participant = api.doctor.outside().open(&token, now).map_err(|invalid| refused(&api, client, invalid))?;
    let transports = api.ice.transports_for(participant, &authority, LINK_LIFE, now);
    let lanes = transports.into_iter().flat_map(|transports| {
        let lane = |transport, ice_servers| wire::CheckLane { transport, ice_servers };
        [
            lane(wire::CheckTransport::Udp, transports.udp),
            lane(wire::CheckTransport::Tcp, transports.tcp),
            lane(wire::CheckTransport::Tls, transports.tls),
        ]
    });
    Ok(Json(wire::CheckReply { lanes: lanes.collect() }))
}

/// Takes down how far a phone got on one way. Each is reported once.
#[utoipa::path(
    post, path = "/api/check/report", operation_id = "reportCheck", tag = "server",
    request_body = wire::CheckReport,
    responses(
        (status = 200, body = Done, description = "It was taken down"),
        (status = 403, body = ErrorBody, description = "`check_link_invalid`"),
    ),
)]
pub(super) async fn report(
    State(api): State<Api>,
    client: ClientAddress,
    Body(report): Body<wire::CheckReport>,
) -> Result<Json<Done>, ApiError> {
    let wire::CheckReport { token, transport, host, reflexive, relayed, reason } = report;
    let lane = match transport {
        wire::CheckTransport::Udp => Lane::Udp,
        wire::CheckTransport::Tcp => Lane::Tcp,
        wire::CheckTransport::Tls => Lane::Tls,
    };
    let reached = Reached { host, reflexive, relayed, reason };
    let taken = api.doctor.report_outside(&token, lane, reached, Timestamp::now()).await;
    taken.map_err(|invalid| refused(&api, client, invalid))?;
    Ok(Json(Done { success: true }))
}

/// Counted like other guesses.
fn refused(api: &Api, client: ClientAddress, invalid: LinkInvalid) -> ApiError {
    let refusal = ApiError::new(StatusCode::FORBIDDEN, "check_link_invalid", invalid.to_string());
    api.limits.turned_away(client, refusal)
}
