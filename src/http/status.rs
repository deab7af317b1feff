//! `GET /api/admin/status`: how the server is doing, for its administrators.

use axum::Json;
use axum::extract::State;

use super::Api;
use super::extract::AdminCaller;
use super::health;
use super::vitals::Process;
use crate::auth::Admin;
use crate::clock::Timestamp;
use crate::hub::{Figures, LiveMeeting, RelayCounters, Totals};
use crate::telemetry;
use crate::tls::{CertificateStatus, Source};
use crate::wire::status::{
    CertificateInfo, CertificateSource, LiveMeeting as LiveMeetingInfo, LogRemark, LogStatus, RelayStatus, Resources,
    ServerStatus, StatusTotals,
};

/// Tells how the server is doing.
#[utoipa::path(
    get, path = "/api/admin/status", operation_id = "serverStatus", tag = "admin", security(("bearer" = [])),
    responses(
        (status = 200, body = ServerStatus, description = "How the server is doing"),
        (status = 403, body = crate::wire::error::ErrorBody, description = "`admins_only`"),
    ),
)]
pub(super) async fn status(State(api): State<Api>, AdminCaller(admin): AdminCaller) -> Json<ServerStatus> {
    let figures = api.hub.figures();
    Json(ServerStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: api.started_at,
        now: Timestamp::now(),
        problems: health::problems_for_administrators(&api),
        meetings: meetings(api.hub.live(), admin),
        people: small(figures.seats as u64),
        totals: totals(&figures.totals),
        relay: figures.relay.as_ref().map(|counters| relay(&figures, counters)),
        certificate: certificate(api.certificate.status()),
        resources: resources(&api).await,
        log: log(),
    })
}

/// Titles and codes are the host's own, whoever runs the server.
fn meetings(mut live: Vec<LiveMeeting>, admin: Admin) -> Vec<LiveMeetingInfo> {
    live.sort_by_key(|live| (std::cmp::Reverse(live.seats), live.meeting.room));
    let told = |LiveMeeting { meeting, seats, since }: LiveMeeting| {
        let own = meeting.host == admin.user();
        LiveMeetingInfo {
            label: meeting.room.label(),
            people: small(seats as u64),
            started_at: since,
            title: own.then(|| meeting.title.clone()),
            room_id: own.then_some(meeting.room),
        }
    };
    live.into_iter().map(told).collect()
}

fn totals(totals: &Totals) -> StatusTotals {
    let Totals { meetings_started, durations, joined, left_direct, left_relayed, connected, failed } = *totals;
    StatusTotals {
        meetings: small(meetings_started),
        average_seconds: durations.seconds.checked_div(durations.counts.iter().sum()).map(small),
        joined: small(joined),
        connected: small(connected),
        failed: small(failed),
        left_relayed: small(left_relayed),
        left_direct: small(left_direct),
    }
}

fn relay(figures: &Figures, counters: &RelayCounters) -> RelayStatus {
    RelayStatus {
        works: figures.relay_works,
        by_udp: small(counters.allocations_by_udp),
        by_tcp: small(counters.allocations_by_tcp),
        by_tls: small(counters.allocations_by_tls),
        made: small(counters.allocated),
        bytes_to_peers: counters.bytes_out,
        bytes_from_peers: counters.bytes_in,
        authentication_failures: small(counters.failed_authentications),
    }
}

fn certificate(status: CertificateStatus) -> CertificateInfo {
    let CertificateStatus { source, names, fingerprint, not_before: _, not_after, renews_at, expires_soon, problem } = status;
    let source = match source {
        Source::Acme => CertificateSource::Acme,
        Source::LocalCa => CertificateSource::LocalCa,
        Source::Files => CertificateSource::Files,
    };
    CertificateInfo { source, names, fingerprint, not_after, renews_at, expires_soon, problem }
}

async fn resources(api: &Api) -> Resources {
    let (process, disk) = (Process::read(), api.disk.read().await);
    Resources {
        memory_bytes: process.resident_bytes,
        open_files: process.open_descriptors.map(small),
        most_files: process.most_descriptors,
        disk_free_bytes: disk.free_bytes,
        disk_total_bytes: disk.total_bytes,
        last_backup: api.backups.status().last_at,
    }
}

fn log() -> LogStatus {
    let telemetry::Figures { dropped, left_out, panics } = telemetry::figures();
    let told = |telemetry::Remark { at, is_error, text, times }| LogRemark { at, is_error, text, times: small(times) };
    LogStatus {
        recent: telemetry::recent().into_iter().map(told).collect(),
        dropped: small(dropped),
        left_out: small(left_out),
        panics: small(panics),
    }
}

/// A number that never comes near the limit, and stays there if it does.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
