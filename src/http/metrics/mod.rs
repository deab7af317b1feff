//! `GET /metrics`: what the server does, in figures, as Prometheus reads them (text exposition format 0.0.4).
//!
//! Only sums. No label names a person, a meeting or an address, and every label has a fixed set of values, so that nobody can make
//! the page grow (attack D10).

mod exposition;
mod relay;

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, HeaderName, VIA};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;

use super::Api;
use super::error::ApiError;
use super::extract::ClientAddress;
use super::vitals::{Disk, Process};
use crate::auth::AuthError;
use crate::backup::BackupStatus;
use crate::clock::Timestamp;
use crate::hub::{DURATION_CLASSES, Figures, Totals};
use crate::telemetry;
use crate::tls::CertificateStatus;
use exposition::Exposition;

/// What Prometheus wants to be told of the format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Tells what the server does, in figures.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    description = "In the text format of Prometheus. For programs on the server's own machine, and for others with the token of \
                   `metrics.token_file` as `Authorization: Bearer`.",
    responses(
        (status = 200, content_type = "text/plain", body = String, description = "The figures"),
        (status = 401, body = crate::wire::error::ErrorBody, description = "`unauthenticated`"),
        (status = 403, body = crate::wire::error::ErrorBody, description = "`metrics_local_only`"),
        (status = 429, body = crate::wire::error::ErrorBody, description = "`too_many_requests`"),
    ),
)]
pub(super) async fn page(
    State(api): State<Api>,
    client: ClientAddress,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    admit(&api, client, &headers)?;
    let seen = Seen {
        figures: api.hub.figures(),
        certificate: api.certificate.status(),
        process: Process::read(),
        disk: api.disk.read().await,
        backups: api.backups.status(),
        store_degraded: api.store.is_degraded(),
        log: telemetry::figures(),
        started_at: api.started_at,
    };
    Ok(([(CONTENT_TYPE, FORMAT)], write(&seen)))
}

/// Lets in who has the token, and programs on this machine.
fn admit(api: &Api, client: ClientAddress, headers: &HeaderMap) -> Result<(), ApiError> {
    let refused = match (&api.settings.get().metrics_token, bearer(headers)) {
        (Some(token), Some(offered)) if token.is(offered) => return Ok(()),
        // A wrong token is a mistake, wherever it comes from.
        (_, Some(_)) => AuthError::Unauthenticated.into(),
        (_, None) if is_of_this_machine(client, headers) => return Ok(()),
        (Some(_), None) => AuthError::Unauthenticated.into(),
        (None, None) => ApiError::new(
            StatusCode::FORBIDDEN,
            "metrics_local_only",
            "The figures are told on the server's own machine only. To read them from elsewhere, set metrics.token_file.",
        ),
    };
    Err(api.limits.turned_away(client, refused))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether the request was made on this machine, and not by a proxy on it for somebody else.
fn is_of_this_machine(ClientAddress(address): ClientAddress, headers: &HeaderMap) -> bool {
    let forwarding = [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];
    address.to_canonical().is_loopback() && !forwarding.iter().any(|name| headers.contains_key(name))
}

/// All that the page tells.
#[derive(Clone, Debug)]
struct Seen {
    figures: Figures,
    certificate: CertificateStatus,
    process: Process,
    disk: Disk,
    backups: BackupStatus,
    store_degraded: bool,
    log: telemetry::Figures,
    started_at: Timestamp,
}

fn write(seen: &Seen) -> String {
    let Seen { figures, certificate, process, disk, backups, store_degraded, log, started_at } = seen;
    let mut page = Exposition::default();
    add_meetings(&mut page, figures);
    if let Some(works) = figures.relay_works {
        let help = "Whether the relay passed its own last test (1) or not (0). Absent until a test has ended.";
        page.gauge("hearth_relay_works", help, &[("", u8::from(works))]);
    }
    if let Some(counters) = &figures.relay {
        relay::add(&mut page, counters);
    }
    add_certificate(&mut page, certificate);
    add_storage(&mut page, *store_degraded, disk);
    add_backups(&mut page, backups);
    add_log(&mut page, log);
    add_process(&mut page, process, *started_at);
    page.into_text()
}

fn add_meetings(page: &mut Exposition, figures: &Figures) {
    let Totals { meetings_started, durations, joined, left_direct, left_relayed, connected, failed } = figures.totals;
    page.gauge("hearth_meetings", "Meetings in which somebody has a seat.", &[("", figures.meetings)]);
    page.gauge("hearth_seats", "Seats in meetings that are taken or held.", &[("", figures.seats)]);
    let started = "How often somebody entered a meeting in which nobody was.";
    page.counter("hearth_meetings_started_total", started, &[("", meetings_started)]);
    let lasted = "How long meetings lasted that are over or empty, from the first to the last person in them.";
    page.histogram("hearth_meeting_duration_seconds", lasted, &DURATION_CLASSES, &durations.counts, durations.seconds);
    let came = "How often somebody took a new seat. Coming back to one doesn't count.";
    page.counter("hearth_participants_joined_total", came, &[("", joined)]);
    let left = "Seats given up, by whether the relay carried their call, for the whole time or a good part of it.";
    let by_relay = [(r#"{relayed="yes"}"#, left_relayed), (r#"{relayed="no"}"#, left_direct)];
    page.counter("hearth_participants_left_total", left, &by_relay);
    let outcomes = "Connections between two people, as their pages tell of them, each end for itself: that it stands for the first \
                    time (connected), that it did not come about (failed). One that came about late is counted as both.";
    let by_outcome = [(r#"{outcome="connected"}"#, connected), (r#"{outcome="failed"}"#, failed)];
    page.counter("hearth_peer_connections_total", outcomes, &by_outcome);
}

fn add_certificate(page: &mut Exposition, certificate: &CertificateStatus) {
    let expires = "When the certificate that the server shows expires, in seconds since 1970.";
    page.gauge("hearth_certificate_expires_timestamp_seconds", expires, &[("", certificate.not_after.as_secs())]);
    let soon = "Whether less than a third of the certificate's life is left and no other has come (1) or not (0).";
    page.gauge("hearth_certificate_expires_soon", soon, &[("", u8::from(certificate.expires_soon))]);
    let problem = "Whether the certificate that should be there can't be had (1) or not (0). The log and the admin page say why.";
    page.gauge("hearth_certificate_problem", problem, &[("", u8::from(certificate.problem.is_some()))]);
}

fn add_storage(page: &mut Exposition, degraded: bool, disk: &Disk) {
    let help = "Whether nothing can be written because the disk is full or fails (1) or not (0).";
    page.gauge("hearth_store_degraded", help, &[("", u8::from(degraded))]);
    if let (Some(free), Some(total)) = (disk.free_bytes, disk.total_bytes) {
        page.gauge("hearth_disk_free_bytes", "Space left on the disk of the data directory.", &[("", free)]);
        page.gauge("hearth_disk_size_bytes", "Space in all on the disk of the data directory.", &[("", total)]);
    }
}

fn add_backups(page: &mut Exposition, backups: &BackupStatus) {
    if let Some(last) = backups.last_at {
        let help = "When the last daily backup was made, in seconds since 1970. Absent until there is one.";
        page.gauge("hearth_last_backup_timestamp_seconds", help, &[("", last.as_secs())]);
    }
    let help = "Whether the last attempt at a daily backup failed (1) or not (0). The log and the admin page say why.";
    page.gauge("hearth_backup_problem", help, &[("", u8::from(backups.last_error.is_some()))]);
}

fn add_log(page: &mut Exposition, log: &telemetry::Figures) {
    let panics = "Panics. Each has cost a request, a connection or a room, and is a fault of the program.";
    page.counter("hearth_panics_total", panics, &[("", log.panics)]);
    let missing = "Lines that are not in the log: nobody took them (blocked), there were too many in a second (limited).";
    let by_reason = [(r#"{reason="blocked"}"#, log.dropped), (r#"{reason="limited"}"#, log.left_out)];
    page.counter("hearth_log_lines_missing_total", missing, &by_reason);
}

/// Under the names that Prometheus has for them in every program.
fn add_process(page: &mut Exposition, process: &Process, started_at: Timestamp) {
    let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    page.gauge("hearth_build_info", "Always 1. The version of the program is its label.", &[(version, 1)]);
    page.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", &[("", started_at.as_secs())]);
    if let Some(seconds) = process.cpu_seconds {
        page.counter("process_cpu_seconds_total", "Time spent on all processors.", &[("", seconds)]);
    }
    let gauges = [
        ("process_resident_memory_bytes", "Memory that the process has, in bytes.", process.resident_bytes),
        ("process_virtual_memory_bytes", "Addresses that the process has taken, in bytes.", process.virtual_bytes),
        ("process_open_fds", "Files and sockets that the process has open.", process.open_descriptors),
        ("process_max_fds", "How many files and sockets it may have open.", process.most_descriptors),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            page.gauge(name, help, &[("", value)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::RelayCounters;
    use crate::tls::Source;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn certificate() -> CertificateStatus {
        CertificateStatus {
            source: Source::Acme,
            names: Vec::new(),
            fingerprint: String::new(),
            not_before: Timestamp::default(),
            not_after: Timestamp::from_millis(1_700_000_000_999),
            renews_at: None,
            expires_soon: true,
            problem: None,
        }
    }

    fn seen(figures: Figures) -> Seen {
        Seen {
            figures,
            certificate: certificate(),
            process: Process { resident_bytes: Some(4096), cpu_seconds: Some(1.5), ..Process::default() },
            disk: Disk { free_bytes: Some(1), total_bytes: Some(2) },
            backups: BackupStatus {
                last_at: Some(Timestamp::from_millis(5_000)),
                last_error: Some(String::from("no room")),
                ..BackupStatus::default()
            },
            store_degraded: false,
            log: telemetry::Figures { dropped: 1, left_out: 2, panics: 3 },
            started_at: Timestamp::from_millis(1_600_000_000_000),
        }
    }

    fn quiet(relay: Option<RelayCounters>, relay_works: Option<bool>) -> Figures {
        Figures { meetings: 1, seats: 4, totals: Totals::default(), relay, relay_works }
    }

    #[test]
    fn every_metric_has_help_and_a_type_before_its_samples() {
        let counters = RelayCounters { bytes_out: 7, failed_authentications: 3, ..RelayCounters::default() };
        let mut figures = quiet(Some(counters), Some(true));
        figures.totals = Totals { meetings_started: 3, joined: 9, left_relayed: 2, connected: 5, failed: 1, ..Totals::default() };
        figures.totals.durations.add(std::time::Duration::from_secs(90));
        let text = write(&seen(figures));
        for line in [
            "hearth_seats 4",
            "hearth_meetings_started_total 3",
            r#"hearth_meeting_duration_seconds_bucket{le="60"} 0"#,
            r#"hearth_meeting_duration_seconds_bucket{le="300"} 1"#,
            r#"hearth_meeting_duration_seconds_bucket{le="+Inf"} 1"#,
            "hearth_meeting_duration_seconds_sum 90",
            "hearth_participants_joined_total 9",
            r#"hearth_participants_left_total{relayed="yes"} 2"#,
            r#"hearth_peer_connections_total{outcome="connected"} 5"#,
            r#"hearth_peer_connections_total{outcome="failed"} 1"#,
            "process_resident_memory_bytes 4096",
            "process_cpu_seconds_total 1.5",
            "process_start_time_seconds 1600000000",
            concat!("hearth_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            r#"hearth_relay_bytes_total{direction="to_peer"} 7"#,
            "hearth_relay_authentication_failures_total 3",
            "hearth_relay_works 1",
            "hearth_certificate_expires_timestamp_seconds 1700000000",
            "hearth_certificate_expires_soon 1",
            "hearth_certificate_problem 0",
            "hearth_store_degraded 0",
            "hearth_disk_free_bytes 1",
            "hearth_last_backup_timestamp_seconds 5",
            "hearth_backup_problem 1",
            "hearth_panics_total 3",
            r#"hearth_log_lines_missing_total{reason="blocked"} 1"#,
            r#"hearth_log_lines_missing_total{reason="limited"} 2"#,
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn whether_the_relay_works_is_told_once_it_is_known() {
        let told = |relay_works| {
            let text = write(&seen(quiet(Some(RelayCounters::default()), relay_works)));
            text.lines().find(|line| line.starts_with("hearth_relay_works")).map(str::to_owned)
        };
        assert_eq!((told(None), told(Some(false)).as_deref()), (None, Some("hearth_relay_works 0")));
    }

    #[test]
    fn every_packet_and_request_is_counted_by_one_reason() {
        let counters = RelayCounters {
            challenged: 1,
            refused: 2,
            forbidden: 3,
            limited: 4,
            malformed: 5,
            send_errors: 6,
            receive_errors: 7,
            throttled: 8,
            unpermitted: 9,
            forbidden_packets: 10,
            ..RelayCounters::default()
        };
        let text = write(&seen(quiet(Some(counters), None)));
        let mut told: Vec<u64> = ["challenges_total", "denials_total", "drops_total"]
            .iter()
            .flat_map(|name| text.lines().filter_map(move |line| line.strip_prefix("hearth_relay_")?.strip_prefix(name)))
            .map(|rest| rest.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        told.sort_unstable();
        assert_eq!(told, (1..=10).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        let mut seen = seen(quiet(None, None));
        (seen.process, seen.disk, seen.backups) = (Process::default(), Disk::default(), BackupStatus::default());
        let text = write(&seen);
        for part in ["hearth_relay", "process_resident", "process_cpu", "hearth_disk", "hearth_last_backup"] {
            assert!(!text.contains(part), "{part} is in {text}");
        }
    }

    #[test]
    fn a_proxy_on_this_machine_asks_for_somebody_else() {
        let local = |address: &str, lines: &[_]| is_of_this_machine(ClientAddress(address.parse().unwrap()), &headers(lines));
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(local(address, &[]), "{address}");
            for name in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
                assert!(!local(address, &[(name, "203.0.113.7")]), "{address} with {name}");
            }
        }
        assert!(!local("203.0.113.7", &[]) && !local("10.0.0.1", &[]));
    }
}
