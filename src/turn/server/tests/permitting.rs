//! Permissions and channels: who gets them, for whom, and how long they last.

use stun::message::{METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH};

use super::super::{Output, PeerSocket};
use super::scenario::*;

fn to_peer(relay: super::super::RelayId, peer: &str, payload: std::ops::Range<usize>) -> Output {
    Output::ToPeer { relay, peer: PeerSocket(address(peer)), payload, whole: false }
}

#[test]
fn t6_t7_t8_t9_t10_forbidden_peers_are_refused_in_every_spelling() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    let v4 = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"];
    let special = ["192.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "224.0.0.1"];
    let mapped = ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::"];
    let v6 = ["::1", "::", "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fc00::1", "fec0::1", "fd00:ec2::254", "ff02::1"];
    let v4 = v4.into_iter().chain(special).map(|ip| format!("{ip}:5000"));
    let v6 = mapped.into_iter().chain(v6).map(|ip| format!("[{ip}]:5000"));
    for forbidden in v4.chain(v6) {
        let (request, outputs) = site.permit(&person, &[&forbidden]);
        assert_eq!(outputs, [person.refusal(&request, 403)], "permission for {forbidden}");
        let (request, outputs) = site.bind(&person, 0x4000, &forbidden);
        assert_eq!(outputs, [person.refusal(&request, 403)], "channel to {forbidden}");
        assert_eq!(site.say(&person, &forbidden, b"boo"), [], "data for {forbidden}");
        assert_eq!(site.peer_sends(relay, &forbidden, b"boo"), [], "data from {forbidden}");
    }
}

#[test]
fn t6_a_permission_opens_no_forbidden_port_of_its_address() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    let (_, _, other) = site.allocated(2);
    site.permit(&person, &[&other.to_string()]);
    for port in [22, 443, 3478, other.port() + 1] {
        let own = format!("{}:{port}", other.ip());
        assert_eq!(site.say(&person, &own, b"boo"), []);
        assert_eq!(site.peer_sends(relay, &own, b"boo"), []);
    }
    assert_eq!(site.server.counters().forbidden_packets, 8);
}

#[test]
fn t12_an_address_that_this_machine_gets_later_is_closed_from_then_on() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.permit(&person, &[PEER]);
    assert_eq!(site.say(&person, PEER, b"hi"), [to_peer(relay, PEER, 36..38)]);
    site.server.set_local_addresses([address(PEER).ip()].into());
    assert_eq!(site.say(&person, PEER, b"hi"), []);
    assert_eq!(site.peer_sends(relay, PEER, b"hi"), []);
    assert_eq!(site.code(&person, METHOD_CREATE_PERMISSION, vec![peer(PEER)]), 403);
}

#[test]
fn t14_all_peers_of_a_request_are_permitted_or_none() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    for (peers, code) in [(vec![PEER, "10.0.0.1:1"], 403), (vec![PEER, PEER_V6], 443), (vec![], 400)] {
        let (request, outputs) = site.permit(&person, &peers);
        assert_eq!(outputs, [person.refusal(&request, code)]);
        assert_eq!(site.say(&person, PEER, b"boo"), []);
    }
    let malformed = raw(0x0012, &[0, 1, 0, 0, 0, 0]);
    assert_eq!(site.code(&person, METHOD_CREATE_PERMISSION, vec![peer(PEER), malformed]), 400);
    let (request, outputs) = site.permit(&person, &["9.9.9.10:1", PEER, PEER]);
    assert_eq!(outputs, [person.success(&request, vec![])]);
    for peer in ["9.9.9.10:1", PEER] {
        assert_eq!(site.say(&person, peer, b"hi"), [to_peer(relay, peer, 36..38)]);
    }
}

#[test]
fn what_stands_before_the_family_of_a_peer_is_ignored() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    // RFC 8489 §14.1 and §14.2: 9.9.9.9:5000 under the magic cookie, behind a byte that says nothing.
    let peer = raw(0x0012, &[0x80, 1, 0x32, 0x9a, 0x28, 0x1b, 0xad, 0x4b]);
    site.ask(&person, METHOD_CREATE_PERMISSION, vec![peer]);
    assert_eq!(site.say(&person, PEER, b"hi"), [to_peer(relay, PEER, 36..38)]);
}

#[test]
fn t15_nothing_passes_without_a_permission() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    assert_eq!(site.say(&person, PEER, b"boo"), []);
    assert_eq!(site.peer_sends(relay, PEER, b"boo"), []);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"boo")), []);
    assert_eq!(site.say(&person, PEER_V6, b"boo"), []);
    assert_eq!(site.server.counters().unpermitted, 4);
    let nobody = site.person(2);
    assert_eq!(site.say(&nobody, PEER, b"boo"), [], "no allocation");
}

#[test]
fn a_permission_lasts_five_minutes_unless_renewed() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.permit(&person, &[PEER]);
    assert_eq!(site.seconds(200), []);
    let (request, outputs) = site.permit(&person, &["9.9.9.9:1"]);
    assert_eq!(outputs, [person.success(&request, vec![])], "renewed, for any port");
    assert_eq!(site.seconds(299), []);
    assert_eq!(site.say(&person, PEER, b"hi"), [to_peer(relay, PEER, 36..38)]);
    assert_eq!(site.seconds(1), []);
    assert_eq!(site.say(&person, PEER, b"hi"), []);
    assert_eq!(site.peer_sends(relay, PEER, b"hi"), []);
}

#[test]
fn t17_channels_are_bound_within_their_range_and_to_one_peer() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    for number in [0, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF] {
        let (request, outputs) = site.bind(&person, number, PEER);
        assert_eq!(outputs, [person.refusal(&request, 400)], "{number:#x}");
    }
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![peer(PEER)]), 400);
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![channel(0x4000)]), 400);
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![channel(0x4000), peer(PEER_V6)]), 443);
    let (request, outputs) = site.bind(&person, 0x4FFF, PEER);
    assert_eq!(outputs, [person.success(&request, vec![])]);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4FFF, b"hi")), [to_peer(relay, PEER, 4..6)]);
    let (request, outputs) = site.bind(&person, 0x4FFF, PEER);
    assert_eq!(outputs, [person.success(&request, vec![])], "renewed");
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![channel(0x4FFF), peer("9.9.9.9:5001")]), 400);
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![channel(0x4000), peer(PEER)]), 400);
}

#[test]
fn a_channel_lasts_ten_minutes_and_rests_for_five() {
    let mut site = Site::new();
    let (mut person, relay, _) = site.allocated(1);
    site.ask(&person, METHOD_REFRESH, vec![lifetime(1800)]);
    site.bind(&person, 0x4000, PEER);
    assert_eq!(site.seconds(300), []);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"hi")), [], "bound, but not permitted");
    site.permit(&person, &[PEER]);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"hi")), [to_peer(relay, PEER, 4..6)]);
    assert_eq!(site.seconds(299), []);
    assert_eq!(site.seconds(1), []);
    site.renew_nonce(&mut person);
    site.permit(&person, &[PEER, "9.9.9.10:1"]);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"hi")), []);
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![channel(0x4000), peer("9.9.9.10:1")]), 400, "the number rests");
    assert_eq!(site.code(&person, METHOD_CHANNEL_BIND, vec![channel(0x4001), peer(PEER)]), 400, "the peer rests");
    site.seconds(300);
    let (request, outputs) = site.bind(&person, 0x4000, "9.9.9.10:1");
    assert_eq!(outputs, [person.success(&request, vec![])]);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"hi")), [to_peer(relay, "9.9.9.10:1", 4..6)]);
}

#[test]
fn a_channel_that_ended_may_be_bound_to_its_own_peer_at_once() {
    let mut site = Site::new();
    let (mut person, relay, _) = site.allocated(1);
    site.ask(&person, METHOD_REFRESH, vec![lifetime(1800)]);
    site.bind(&person, 0x4000, PEER);
    site.seconds(601);
    site.renew_nonce(&mut person);
    let (request, outputs) = site.bind(&person, 0x4000, PEER);
    assert_eq!(outputs, [person.success(&request, vec![])]);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"hi")), [to_peer(relay, PEER, 4..6)]);
}

#[test]
fn t20_permissions_and_channels_are_capped() {
    let mut site = Site::with(|config| {
        config.limits.permissions_per_allocation = 3;
        config.limits.channels_per_allocation = 2;
    });
    let (person, ..) = site.allocated(1);
    let bind = |site: &mut Site, number, to: &str| {
        let (_, outputs) = site.bind(&person, number, to);
        code(&answer(&outputs[outputs.len() - 1..]))
    };
    assert_eq!((bind(&mut site, 0x4000, "9.9.9.1:1"), bind(&mut site, 0x4001, "9.9.9.2:1")), (0, 0));
    assert_eq!(bind(&mut site, 0x4002, "9.9.9.1:2"), 508);
    assert_eq!(bind(&mut site, 0x4001, "9.9.9.2:1"), 0, "renewing needs no room");
    let permit = |site: &mut Site, peers: &[&str]| {
        let (_, outputs) = site.permit(&person, peers);
        code(&answer(&outputs[outputs.len() - 1..]))
    };
    assert_eq!(permit(&mut site, &["9.9.9.3:1", "9.9.9.4:1"]), 508);
    assert_eq!(permit(&mut site, &["9.9.9.3:1"]), 0);
    assert_eq!(permit(&mut site, &["9.9.9.4:1"]), 508);
    assert_eq!(permit(&mut site, &["9.9.9.1:9", "9.9.9.3:9"]), 0, "renewing needs no room");
    let open = site.server.table.open.values().next().unwrap();
    assert_eq!(open.holdings(), (3, 2));
}
