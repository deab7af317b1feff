//! What the relay does, in figures.

use super::exposition::Exposition;
use crate::hub::RelayCounters;

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

pub(super) fn add(page: &mut Exposition, counters: &RelayCounters) {
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
    page.gauge("hearth_relay_allocations", "Allocations alive, by the transport of their client.", &by_transport);
    page.counter("hearth_relay_allocations_made_total", "Allocations made.", &[("", counters.allocated)]);
    page.counter("hearth_relay_messages_received_total", "Datagrams and frames from clients.", &[("", counters.received)]);
    page.counter("hearth_relay_bindings_total", "STUN Binding requests answered.", &[("", counters.bindings)]);
    page.counter(
        "hearth_relay_packets_total",
        "Packets taken on for relaying. Those lost on the way out are also in hearth_relay_drops_total.",
        &packets,
    );
    page.counter("hearth_relay_bytes_total", "Payload bytes of the packets taken on for relaying.", &bytes);
    page.counter("hearth_relay_challenges_total", CHALLENGES, &[("", counters.challenged)]);
    page.counter("hearth_relay_authentication_failures_total", FAILURES, &[("", counters.failed_authentications)]);
    page.counter("hearth_relay_denials_total", DENIALS, &denials);
    page.counter("hearth_relay_drops_total", DROPS, &drops);
}
