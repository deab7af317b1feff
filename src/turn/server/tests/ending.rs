//! How what was granted ends.

use std::time::Duration;

use ::turn::proto::lifetime::Lifetime;
use stun::message::{METHOD_ALLOCATE, METHOD_REFRESH};

use super::super::Output;
use super::scenario::*;
use crate::turn::counters::Traffic;

#[test]
fn t27_revoking_ends_all_that_a_participant_holds_and_refuses_its_name() {
    let mut site = Site::new();
    let (one, relay, _) = site.allocated(1);
    let again = site.person_at(client(3), one.participant);
    let (other_relay, _) = site.allocate(&again);
    let third = site.person_at(client(4), one.participant);
    let (_, outputs) = site.ask(&third, METHOD_ALLOCATE, vec![udp()]);
    let [Output::OpenRelay { relay: half_open, .. }] = outputs[..] else { panic!("{outputs:?}") };
    let (bystander, ..) = site.allocated(2);
    site.permit(&one, &[PEER]);

    site.server.revoke(one.participant, site.now);
    let closed = [relay, other_relay, half_open].map(|relay| Output::CloseRelay { relay });
    assert_eq!(site.outputs(), closed);
    assert_eq!(site.say(&one, PEER, b"still there?"), []);
    assert_eq!(site.peer_sends(relay, PEER, b"still there?"), []);
    assert_eq!(site.opened(half_open, Ok(address("198.41.0.4:50009"))), [], "opened too late");
    for method in [METHOD_REFRESH, METHOD_ALLOCATE] {
        assert_eq!(site.code(&one, method, vec![udp()]), 401);
    }
    assert_eq!(site.code(&bystander, METHOD_REFRESH, vec![]), 0);
    assert_eq!(site.server.counters().allocations, 1);

    site.server.readmit(one.participant);
    site.allocate(&one);
}

#[test]
fn what_was_relayed_for_a_participant_can_be_asked_for_after_the_end() {
    let mut site = Site::new();
    let (one, relay, _) = site.allocated(1);
    let again = site.person_at(client(3), one.participant);
    let (other_relay, _) = site.allocate(&again);
    let nobody = site.person(2);
    assert_eq!(site.server.traffic_of(nobody.participant), None);
    assert_eq!(site.server.traffic_of(one.participant), Some(Traffic::default()));
    site.permit(&one, &[PEER]);
    site.permit(&again, &[PEER]);
    site.say(&one, PEER, b"12345");
    site.peer_sends(relay, PEER, b"123");
    site.peer_sends(other_relay, PEER, b"1234");
    let moved = Traffic { packets_out: 1, bytes_out: 5, packets_in: 2, bytes_in: 7, throttled: 0 };
    assert_eq!(site.server.traffic_of(one.participant), Some(moved), "while they live");
    site.ask(&again, METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]);
    assert_eq!(site.server.traffic_of(one.participant), Some(moved), "when one of them has ended");
    site.server.revoke(one.participant, site.now);
    site.outputs();
    assert_eq!(site.server.traffic_of(one.participant), Some(moved), "when all have");
    site.server.readmit(one.participant);
    let (relay, _) = site.allocate(&one);
    site.permit(&one, &[PEER]);
    site.peer_sends(relay, PEER, b"1");
    let more = Traffic { packets_in: 3, bytes_in: 8, ..moved };
    assert_eq!(site.server.traffic_of(one.participant), Some(more), "when there is another");
}

#[test]
fn a_revoked_port_in_reserve_is_given_back() {
    let mut site = Site::new();
    let person = site.person(1);
    let (_, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), raw(0x0018, &[0x80])]);
    let [Output::OpenRelay { relay, port: super::super::Port::EvenAndNext(next), .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    site.server.revoke(person.participant, site.now);
    assert_eq!(site.outputs(), [Output::CloseRelay { relay }, Output::CloseRelay { relay: next }], "before they are open");

    let mut site = Site::new();
    let person = site.person(1);
    site.ask(&person, METHOD_ALLOCATE, vec![udp(), raw(0x0018, &[0x80])]);
    site.opened(relay, Ok(address("198.41.0.4:50000")));
    site.server.revoke(person.participant, site.now);
    assert_eq!(site.outputs(), [Output::CloseRelay { relay }, Output::CloseRelay { relay: next }], "when they are open");
}

#[test]
fn an_allocation_ends_with_its_lifetime_and_all_with_it() {
    let mut site = Site::new();
    let (person, relay, bound) = site.allocated(1);
    site.bind(&person, 0x4000, PEER);
    assert_eq!(site.seconds(599), []);
    assert_eq!(site.seconds(1), [Output::CloseRelay { relay }]);
    assert_eq!(site.peer_sends(relay, PEER, b"hi"), []);
    assert_eq!(site.client_sends(person.client, &channel_data(0x4000, b"hi")), []);
    assert_eq!(site.server.peers.owner(bound), None);
    assert_eq!((site.server.poll_timeout(), site.server.counters().allocations), (None, 0));
}

#[test]
fn nothing_passes_after_its_end_even_when_the_timer_is_late() {
    let both = |site: &mut Site, person: &Person, relay| {
        let outputs = site.client_sends(person.client, &channel_data(0x4000, b"hi"));
        [outputs, site.peer_sends(relay, PEER, b"hi")].concat()
    };
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.bind(&person, 0x4000, PEER);
    site.oversleep(300);
    assert_eq!(both(&mut site, &person, relay), []);
    site.oversleep(299);
    site.bind(&person, 0x4000, PEER);
    site.oversleep(1);
    assert_eq!(both(&mut site, &person, relay), [Output::CloseRelay { relay }]);
}

#[test]
fn refreshing_with_no_lifetime_ends_the_allocation() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.permit(&person, &[PEER]);
    let (request, outputs) = site.ask(&person, METHOD_REFRESH, vec![lifetime(0)]);
    assert_eq!(outputs, [Output::CloseRelay { relay }, person.success(&request, vec![lifetime(0)])]);
    assert_eq!(site.code(&person, METHOD_REFRESH, vec![]), 437);
    assert_eq!(site.server.poll_timeout(), None);
    site.allocate(&person);
}

#[test]
fn a_refreshed_allocation_lives_on() {
    let mut site = Site::new();
    let (mut person, relay, _) = site.allocated(1);
    for _ in 0..5 {
        assert_eq!(site.seconds(590), []);
        site.renew_nonce(&mut person);
        assert_eq!(site.code(&person, METHOD_REFRESH, vec![]), 0);
    }
    assert_eq!(site.seconds(600), [Output::CloseRelay { relay }]);
}

#[test]
fn a_refresh_may_bring_the_end_nearer() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.ask(&person, METHOD_REFRESH, vec![lifetime(1800)]);
    site.ask(&person, METHOD_REFRESH, vec![lifetime(600)]);
    assert_eq!(site.seconds(600), [Output::CloseRelay { relay }]);
}

#[test]
fn a_stream_that_ends_takes_its_allocation_with_it_and_closing_takes_all() {
    let mut site = Site::new();
    let ((one, relay, _), (_, other, _)) = (site.allocated(1), site.allocated(2));
    site.server.client_gone(one.client);
    assert_eq!(site.outputs(), [Output::CloseRelay { relay }]);
    site.server.client_gone(one.client);
    assert_eq!(site.outputs(), []);
    site.server.close();
    assert_eq!(site.outputs(), [Output::CloseRelay { relay: other }]);
    assert_eq!(site.server.poll_timeout(), None);
}

#[test]
fn a_request_that_comes_again_after_its_allocation_was_given_back_makes_no_other() {
    let mut site = Site::new();
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp()]);
    let [Output::OpenRelay { relay, .. }] = outputs[..] else { panic!("{outputs:?}") };
    site.opened(relay, Ok(address("198.41.0.4:50001")));
    site.ask(&person, METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]);

    assert_eq!(site.client_sends(person.client, &request.raw), [], "late");
    site.seconds(39);
    assert_eq!(site.client_sends(person.client, &request.raw), [], "as late as may be");
    assert_eq!(site.server.counters().allocations, 0);
    // Another request of the same client is as good as the first one was.
    site.allocate(&person);
}
