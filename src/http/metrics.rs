//! `GET /metrics`: what the server does, in figures, as Prometheus reads them (text exposition format 0.0.4).
//!
//! Only sums. No label names a person, a meeting or an address, and every label has a fixed set of values, so that nobody can make
//! the page grow (attack D10).

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, HeaderName, VIA};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;

use super::Api;
use super::error::ApiError;
use super::extract::ClientAddress;
use crate::auth::AuthError;
use crate::hub::{Figures, RelayCounters};

/// What Prometheus wants to be told of the format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the system tells this process about itself, where there is such a thing.
const OWN_STATUS: &str = "/proc/self/status";

/// What is said of the requests that were answered with a challenge.
const CHALLENGES: &str = "Requests asked for a name and password, as every client's first request is.";
/// What is said of bad names and passwords. The one figure that counts what others count too.
const FAILURES: &str = "Requests with a bad name or password, each also a challenge or, where it got no answer, limited.";
/// What is said of messages that the relay would not act on.
const DENIALS: &str = "Messages of clients turned away: requests refused, for the peer they name (forbidden_peer) or otherwise \
                       (refused), those not answered because their source had its share (limited), and what is no message that \
                       a client may send (malformed).";
/// What is said of packets that were lost here.
const DROPS: &str = "Packets dropped: the system would not send them or their client reads too slowly (send), it would not receive \
                     them or they are too long (receive), they are above a share (throttled), no permission or channel covers them \
                     (unpermitted), their peer is not allowed (forbidden_peer).";

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
    Ok(([(CONTENT_TYPE, FORMAT)], write(&api.hub.figures(), resident_bytes())))
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

fn write(figures: &Figures, resident_bytes: Option<u64>) -> String {
    let mut text = String::new();
    metric(&mut text, "hearth_meetings gauge", "Meetings in which somebody has a seat.", &[("", figures.meetings as u64)]);
    metric(&mut text, "hearth_seats gauge", "Seats in meetings that are taken or held.", &[("", figures.seats as u64)]);
    if let Some(bytes) = resident_bytes {
        metric(&mut text, "process_resident_memory_bytes gauge", "Memory that the process has, in bytes.", &[("", bytes)]);
    }
    if let Some(works) = figures.relay_works {
        let help = "Whether the relay passed its own last test (1) or not (0). Absent until a test has ended.";
        metric(&mut text, "hearth_relay_works gauge", help, &[("", works.into())]);
    }
    if let Some(counters) = &figures.relay {
        relay(&mut text, counters);
    }
    text
}

fn relay(text: &mut String, counters: &RelayCounters) {
    let by_transport = [
        (r#"{transport="udp"}"#, counters.allocations_by_udp),
        (r#"{transport="tcp"}"#, counters.allocations_by_tcp),
        (r#"{transport="tls"}"#, counters.allocations_by_tls),
    ];
    let directions = |to_peer, from_peer| [(r#"{direction="to_peer"}"#, to_peer), (r#"{direction="from_peer"}"#, from_peer)];
    let denials = [
        (r#"{reason="refused"}"#, counters.refused),
        (r#"{reason="forbidden_peer"}"#, counters.forbidden),
        (r#"{reason="limited"}"#, counters.limited),
        (r#"{reason="malformed"}"#, counters.malformed),
    ];
    let drops = [
        (r#"{reason="send"}"#, counters.send_errors),
        (r#"{reason="receive"}"#, counters.receive_errors),
        (r#"{reason="throttled"}"#, counters.throttled),
        (r#"{reason="unpermitted"}"#, counters.unpermitted),
        (r#"{reason="forbidden_peer"}"#, counters.forbidden_packets),
    ];
    let packets = directions(counters.packets_out, counters.packets_in);
    let bytes = directions(counters.bytes_out, counters.bytes_in);
    let mut add = |kind: &str, help: &str, samples: &[(&str, u64)]| metric(text, kind, help, samples);
    add("hearth_relay_allocations gauge", "Allocations alive, by the transport of their client.", &by_transport);
    add("hearth_relay_allocations_made_total counter", "Allocations made.", &[("", counters.allocated)]);
    add("hearth_relay_messages_received_total counter", "Datagrams and frames from clients.", &[("", counters.received)]);
    add("hearth_relay_bindings_total counter", "STUN Binding requests answered.", &[("", counters.bindings)]);
    add(
        "hearth_relay_packets_total counter",
        "Packets taken on for relaying. Those lost on the way out are also in hearth_relay_drops_total.",
        &packets,
    );
    add("hearth_relay_bytes_total counter", "Payload bytes of the packets taken on for relaying.", &bytes);
    add("hearth_relay_challenges_total counter", CHALLENGES, &[("", counters.challenged)]);
    add("hearth_relay_authentication_failures_total counter", FAILURES, &[("", counters.failed_authentications)]);
    add("hearth_relay_denials_total counter", DENIALS, &denials);
    add("hearth_relay_drops_total counter", DROPS, &drops);
}

/// Adds one metric. `kind` is its name and its type, each sample its labels and its value.
fn metric(text: &mut String, kind: &str, help: &str, samples: &[(&str, u64)]) {
    let name = kind.split(' ').next().unwrap_or(kind);
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes all that is written");
    line(format_args!("# HELP {name} {help}"));
    line(format_args!("# TYPE {kind}"));
    for (labels, value) in samples {
        line(format_args!("{name}{labels} {value}"));
    }
}

/// How much memory this process has, in bytes.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string(OWN_STATUS).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_metric_has_help_and_a_type_before_its_samples() {
        let counters = RelayCounters { bytes_out: 7, failed_authentications: 3, ..RelayCounters::default() };
        let text = write(&Figures { meetings: 1, seats: 4, relay: Some(counters), relay_works: Some(true) }, Some(4096));
        let mut known = None;
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["#", "HELP", name, _, ..] => known = Some(name),
                ["#", "TYPE", name, "gauge"] => assert!(Some(name) == known && !name.ends_with("_total"), "{line}"),
                ["#", "TYPE", name, "counter"] => assert!(Some(name) == known && name.ends_with("_total"), "{line}"),
                [sample, value] => {
                    assert_eq!(sample.split('{').next(), known, "{line}");
                    assert!(value.parse::<u64>().is_ok(), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
        for line in [
            "hearth_seats 4",
            "process_resident_memory_bytes 4096",
            r#"hearth_relay_bytes_total{direction="to_peer"} 7"#,
            "hearth_relay_authentication_failures_total 3",
            "hearth_relay_works 1",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn whether_the_relay_works_is_told_once_it_is_known() {
        let told = |relay_works| {
            let figures = Figures { meetings: 0, seats: 0, relay: Some(RelayCounters::default()), relay_works };
            let text = write(&figures, None);
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
        let text = write(&Figures { meetings: 0, seats: 0, relay: Some(counters), relay_works: None }, None);
        let mut seen: Vec<u64> = ["challenges_total", "denials_total", "drops_total"]
            .iter()
            .flat_map(|name| text.lines().filter_map(move |line| line.strip_prefix("hearth_relay_")?.strip_prefix(name)))
            .map(|rest| rest.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    }

    #[test]
    fn without_a_relay_nothing_is_said_of_one() {
        let text = write(&Figures { meetings: 0, seats: 0, relay: None, relay_works: None }, None);
        assert!(!text.contains("relay") && !text.contains("process") && text.ends_with("hearth_seats 0\n"), "{text}");
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

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_knows_how_much_memory_it_has() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
