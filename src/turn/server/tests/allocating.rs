//! How allocations come to be, and in which shapes.

use std::net::SocketAddr;

use stun::attributes::{ATTR_LIFETIME, ATTR_RESERVATION_TOKEN};
use stun::message::{METHOD_ALLOCATE, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Setter};

use super::super::{Family, NoPort, Output, Port, RelayId};
use super::scenario::*;
use crate::ids::ParticipantId;

fn family(number: u8) -> Box<dyn Setter> {
    raw(0x0017, &[number, 0, 0, 0])
}

fn additional(number: u8) -> Box<dyn Setter> {
    raw(0x8000, &[number, 0, 0, 0])
}

fn even_port(flags: u8) -> Box<dyn Setter> {
    raw(0x0018, &[flags])
}

/// The relay sockets that these outputs ask for; and they ask for nothing else.
fn asked(outputs: &[Output]) -> Vec<(RelayId, Family, Port)> {
    let asked = outputs.iter().map(|output| {
        let Output::OpenRelay { relay, family, port } = output else { panic!("{output:?}") };
        (*relay, *family, *port)
    });
    asked.collect()
}

#[test]
fn an_allocate_opens_a_relay_and_is_answered_when_it_is_open() {
    let mut site = Site::new();
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp()]);
    let [(relay, Family::V4, Port::Any)] = asked(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(site.client_sends(person.client, &request.raw), [], "asked again too early");
    assert_eq!(site.code(&person, METHOD_ALLOCATE, vec![udp()]), 437, "another request while the first waits");
    let bound = SocketAddr::new(OWN_V4, 50_000);
    let expected = [person.allocated(&request, bound, 600)];
    assert_eq!(site.opened(relay, Ok(bound)), expected);
    assert_eq!(site.opened(relay, Ok(bound)), [], "told twice");
    assert_eq!(site.client_sends(person.client, &request.raw), expected, "the same request gets the same answer");
    assert_eq!(site.code(&person, METHOD_ALLOCATE, vec![udp()]), 437, "a second allocation on one 5-tuple");
    assert_eq!(site.server.counters().allocated, 1);
}

#[test]
fn behind_a_nat_the_outside_address_is_told() {
    let inside = "10.0.0.5".parse().unwrap();
    let mut site = Site::with(|config| config.published = vec![(inside, OWN_V4)]);
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp()]);
    let (relay, ..) = asked(&outputs)[0];
    let expected = person.allocated(&request, SocketAddr::new(OWN_V4, 50_000), 600);
    assert_eq!(site.opened(relay, Ok(SocketAddr::new(inside, 50_000))), [expected]);
}

#[test]
fn t20_without_a_free_port_the_answer_is_508() {
    let mut site = Site::new();
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp()]);
    assert_eq!(site.opened(asked(&outputs)[0].0, Err(NoPort)), [person.refusal(&request, 508)]);
    assert!(site.server.table.relays.is_empty() && site.server.poll_timeout().is_none());
    site.allocate(&person);
}

#[test]
fn an_edge_that_never_answers_holds_no_place() {
    let mut site = Site::new();
    let person = site.person(1);
    let (_, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp()]);
    let (relay, ..) = asked(&outputs)[0];
    assert_eq!(site.seconds(11), [Output::CloseRelay { relay }]);
    assert_eq!(site.opened(relay, Ok(address("198.41.0.4:50000"))), []);
    site.allocate(&person);
}

#[test]
fn families_are_served_where_there_is_an_address() {
    let mut site = Site::new();
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), family(2)]);
    let [(relay, Family::V6, Port::Any)] = asked(&outputs)[..] else { panic!("{outputs:?}") };
    let bound = SocketAddr::new(OWN_V6, 50_000);
    assert_eq!(site.opened(relay, Ok(bound)), [person.allocated(&request, bound, 600)]);

    let mut site = Site::with(|config| config.published = vec![(OWN_V4, OWN_V4)]);
    let person = site.person(1);
    for (attribute, code) in [(family(2), 440), (family(9), 440), (raw(0x0017, &[1]), 400)] {
        assert_eq!(site.code(&person, METHOD_ALLOCATE, vec![udp(), attribute]), code);
    }
}

#[test]
fn two_families_at_once_get_two_addresses() {
    let mut site = Site::new();
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), additional(2)]);
    let [(four, Family::V4, Port::Any), (six, Family::V6, Port::Any)] = asked(&outputs)[..] else { panic!("{outputs:?}") };
    let (at_four, at_six) = (SocketAddr::new(OWN_V4, 50_000), SocketAddr::new(OWN_V6, 50_002));
    assert_eq!(site.opened(six, Ok(at_six)), []);
    let addresses = vec![relayed_address(at_four), relayed_address(at_six), lifetime(600), mapped(person.client)];
    assert_eq!(site.opened(four, Ok(at_four)), [person.success(&request, addresses)]);

    // Each family lives and ends by itself.
    let (request, outputs) = site.permit(&person, &[PEER_V6]);
    assert_eq!(outputs, [person.success(&request, vec![])]);
    let (request, outputs) = site.ask(&person, METHOD_REFRESH, vec![lifetime(0), family(1)]);
    assert_eq!(outputs, [Output::CloseRelay { relay: four }, person.success(&request, vec![lifetime(0)])]);
    assert_eq!(site.code(&person, METHOD_REFRESH, vec![family(1)]), 443);
    assert_eq!(site.code(&person, METHOD_CREATE_PERMISSION, vec![peer(PEER)]), 443);
    let to_peer = Output::ToPeer { relay: six, peer: super::super::PeerSocket(address(PEER_V6)), payload: 48..50, whole: false };
    assert_eq!(site.say(&person, PEER_V6, b"hi"), [to_peer]);
    let (request, outputs) = site.ask(&person, METHOD_REFRESH, vec![lifetime(0)]);
    assert_eq!(outputs, [Output::CloseRelay { relay: six }, person.success(&request, vec![lifetime(0)])]);
}

#[test]
fn of_two_families_one_may_fail() {
    let mut site = Site::new();
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), additional(2)]);
    let (four, six) = (asked(&outputs)[0].0, asked(&outputs)[1].0);
    let bound = SocketAddr::new(OWN_V4, 50_000);
    assert_eq!(site.opened(four, Ok(bound)), []);
    let attributes = vec![relayed_address(bound), raw(0x8001, &[2, 0, 5, 8]), lifetime(600), mapped(person.client)];
    assert_eq!(site.opened(six, Err(NoPort)), [person.success(&request, attributes)]);

    let mut site = Site::with(|config| config.published = vec![(OWN_V6, OWN_V6)]);
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), additional(2)]);
    let [(six, Family::V6, Port::Any)] = asked(&outputs)[..] else { panic!("{outputs:?}") };
    let bound = SocketAddr::new(OWN_V6, 50_000);
    let attributes = vec![relayed_address(bound), raw(0x8001, &[1, 0, 4, 40]), lifetime(600), mapped(person.client)];
    assert_eq!(site.opened(six, Ok(bound)), [person.success(&request, attributes)]);

    let other = site.person(2);
    let (request, outputs) = site.ask(&other, METHOD_ALLOCATE, vec![udp(), family(2)]);
    assert_eq!(site.opened(asked(&outputs)[0].0, Err(NoPort)), [other.refusal(&request, 508)]);
}

#[test]
fn attributes_that_contradict_each_other_are_refused() {
    let mut site = Site::new();
    let person = site.person(1);
    let token = || raw(0x0022, &[1; 8]);
    let wrong: Vec<Attributes> = vec![
        vec![additional(1)],
        vec![additional(9)],
        vec![additional(2), family(1)],
        vec![additional(2), even_port(0x80)],
        vec![raw(0x8000, &[2])],
        vec![token(), even_port(0)],
        vec![token(), family(1)],
        vec![token(), additional(2)],
        vec![raw(0x0022, &[1; 7])],
        vec![raw(0x0018, &[])],
        vec![raw(0x000d, &[0, 0, 1])],
    ];
    for (row, mut attributes) in wrong.into_iter().enumerate() {
        attributes.push(udp());
        let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, attributes);
        assert_eq!(outputs, [person.refusal(&request, 400)], "row {row}");
    }
}

#[test]
fn even_ports_are_asked_for() {
    let mut site = Site::new();
    let person = site.person(1);
    let (_, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), even_port(0)]);
    assert!(matches!(asked(&outputs)[..], [(_, Family::V4, Port::Even)]));
}

/// Person 1 with an allocation at port 50000, and 50001 in reserve under the token.
fn reserved(site: &mut Site) -> (Person, Vec<u8>, RelayId) {
    let person = site.person(1);
    let (_, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), even_port(0x80)]);
    let [(relay, Family::V4, Port::EvenAndNext(next))] = asked(&outputs)[..] else { panic!("{outputs:?}") };
    let answer = answer(&site.opened(relay, Ok(address("198.41.0.4:50000"))));
    (person, answer.get(ATTR_RESERVATION_TOKEN).unwrap(), next)
}

#[test]
fn t29_a_port_in_reserve_is_its_participants_for_thirty_seconds() {
    let mut site = Site::new();
    let (person, token, next) = reserved(&mut site);
    let stranger = site.person(2);
    assert_eq!(site.code(&stranger, METHOD_ALLOCATE, vec![udp(), raw(0x0022, &token)]), 508, "another's token");
    let again = site.person_at(client(3), person.participant);
    for guess in 0..=255 {
        let guess = [&token[..7], &[guess]].concat();
        if guess != token {
            assert_eq!(site.code(&again, METHOD_ALLOCATE, vec![udp(), raw(0x0022, &guess)]), 508);
        }
    }
    let (request, outputs) = site.ask(&again, METHOD_ALLOCATE, vec![udp(), raw(0x0022, &token)]);
    assert_eq!(outputs, [again.allocated(&request, address("198.41.0.4:50001"), 600)]);
    assert_eq!(site.client_sends(again.client, &request.raw), outputs, "the same request gets the same answer");
    let third = site.person_at(client(4), person.participant);
    assert_eq!(site.code(&third, METHOD_ALLOCATE, vec![udp(), raw(0x0022, &token)]), 508, "a token is good once");

    let (request, outputs) = site.permit(&again, &[PEER]);
    assert_eq!(outputs, [again.success(&request, vec![])]);
    assert_eq!(site.peer_sends(next, PEER, b"hi").len(), 1, "the port is not the allocation's");

    let mut site = Site::new();
    let (person, token, next) = reserved(&mut site);
    assert_eq!(site.seconds(29), []);
    assert_eq!(site.seconds(2), [Output::CloseRelay { relay: next }]);
    let again = site.person_at(client(3), person.participant);
    assert_eq!(site.code(&again, METHOD_ALLOCATE, vec![udp(), raw(0x0022, &token)]), 508);
}

#[test]
fn t29_ports_in_reserve_count_against_the_quota() {
    let mut site = Site::with(|config| config.limits.allocations_per_user = 3);
    let (person, ..) = reserved(&mut site);
    let again = site.person_at(client(3), person.participant);
    assert_eq!(site.code(&again, METHOD_ALLOCATE, vec![udp(), even_port(0x80)]), 486);
    site.allocate(&again);
    let third = site.person_at(client(4), person.participant);
    assert_eq!(site.code(&third, METHOD_ALLOCATE, vec![udp()]), 486);
}

#[test]
fn t20_quotas_of_user_source_and_relay() {
    let limits = |user, source, all| {
        Site::with(|config| {
            config.limits.allocations_per_user = user;
            config.limits.allocations_per_source = source;
            config.limits.allocations = all;
        })
    };
    let of = |site: &mut Site, n: u8, port: u16| {
        let mut socket = client(1);
        socket.remote.set_port(port);
        site.person_at(socket, ParticipantId::from_bytes([n; 10]))
    };
    let mut site = limits(2, 99, 99);
    for port in [1001, 1002] {
        let person = of(&mut site, 1, port);
        site.allocate(&person);
    }
    let third = of(&mut site, 1, 1003);
    assert_eq!(site.code(&third, METHOD_ALLOCATE, vec![udp()]), 486);
    let first = of(&mut site, 1, 1001);
    site.ask(&first, METHOD_REFRESH, vec![lifetime(0)]);
    site.allocate(&third);

    for mut site in [limits(99, 2, 99), limits(99, 99, 2)] {
        for n in [1, 2] {
            let person = of(&mut site, n, 1000 + u16::from(n));
            site.allocate(&person);
        }
        let third = of(&mut site, 3, 1003);
        assert_eq!(site.code(&third, METHOD_ALLOCATE, vec![udp()]), 508);
    }
    let mut site = limits(99, 2, 99);
    (1..=3).for_each(|n| drop(site.allocated(n)));
    let mut site = limits(1, 99, 99);
    let person = site.person(1);
    site.ask(&person, METHOD_ALLOCATE, vec![udp()]);
    let again = site.person_at(client(2), person.participant);
    assert_eq!(site.code(&again, METHOD_ALLOCATE, vec![udp()]), 486, "one that is being opened has its place");
}

#[test]
fn lifetimes_are_kept_between_ten_minutes_and_half_an_hour() {
    for (asked, granted) in [(0, 600), (1, 600), (900, 900), (1801, 1800), (u64::from(u32::MAX), 1800)] {
        let mut site = Site::new();
        let person = site.person(1);
        let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![udp(), lifetime(asked)]);
        let bound = SocketAddr::new(OWN_V4, 50_000);
        let (relay, ..) = super::allocating::asked(&outputs)[0];
        assert_eq!(site.opened(relay, Ok(bound)), [person.allocated(&request, bound, granted)]);
        if asked > 0 {
            let (request, outputs) = site.ask(&person, METHOD_REFRESH, vec![lifetime(asked)]);
            assert_eq!(outputs, [person.success(&request, vec![lifetime(granted)])]);
        }
        assert_eq!(site.code(&person, METHOD_REFRESH, vec![raw(ATTR_LIFETIME.value(), &[1])]), 400);
        assert_eq!(site.seconds(granted - 1), []);
        assert_eq!(site.seconds(1), [Output::CloseRelay { relay }]);
    }
}
