//! Who gets an answer, and which.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};

use ::turn::proto::PROTO_TCP;
use ::turn::proto::reqtrans::RequestedTransport;
use stun::attributes::{ATTR_NONCE, ATTR_REALM};
use stun::fingerprint::FINGERPRINT;
use stun::message::{
    BINDING_REQUEST, CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING,
    METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CONNECTION_BIND, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH,
    METHOD_SEND, MessageType, Method,
};

use super::super::{ClientSocket, Output, Transport};
use super::scenario::*;
use crate::ids::{ParticipantId, Secret};
use crate::turn::credentials::SharedSecret;
use crate::turn::{Limits, MAX_REALM_BYTES};

const METHODS: [Method; 6] =
    [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CONNECTION_BIND];

/// What IP and UDP add to a message.
fn headers(client: ClientSocket) -> usize {
    if client.remote.is_ipv4() { 28 } else { 48 }
}

fn holds_nothing(site: &Site) -> bool {
    let table = &site.server.table;
    table.open.is_empty() && table.opening.is_empty() && table.reserved.is_empty() && table.relays.is_empty()
}

#[test]
fn a_binding_request_is_answered_with_the_senders_address_alone() {
    let mut site = Site::new();
    let person = site.person(1);
    let request = plain(METHOD_BINDING, vec![]);
    let expected = person.unsealed(&request, CLASS_SUCCESS_RESPONSE, vec![mapped(person.client)]);
    assert_eq!(site.client_sends(person.client, &request.raw), [expected]);

    let request = plain(METHOD_BINDING, vec![Box::new(FINGERPRINT)]);
    let expected = person.unsealed(&request, CLASS_SUCCESS_RESPONSE, vec![mapped(person.client), Box::new(FINGERPRINT)]);
    assert_eq!(site.client_sends(person.client, &request.raw), [expected]);
}

#[test]
fn t1_requests_without_integrity_are_challenged_and_leave_nothing() {
    let mut site = Site::new();
    for method in METHODS {
        let answer = answer(&site.client_sends(client(1), &plain(method, vec![udp()]).raw));
        assert_eq!((code(&answer), text(&answer, ATTR_REALM).as_str()), (401, REALM));
        assert_eq!(text(&answer, ATTR_NONCE).len(), 16);
        assert_eq!(answer.attributes.0.len(), 3, "the answer says more than it must");
    }
    assert!(holds_nothing(&site) && site.server.poll_timeout().is_none());
}

#[test]
fn t2_every_wrong_credential_gets_a_401_of_one_shape() {
    let mut site = Site::new();
    let good = site.person(1);
    let wrong_password = Person { password: "x".to_owned(), ..good.clone() };
    let wrong_name = Person { username: format!("{}0", good.username), ..good.clone() };
    let not_ours = forged(&good, "1700003600:nobody");
    let mut shapes = HashSet::new();
    for wrong in [wrong_password, wrong_name, not_ours] {
        let (_, outputs) = site.ask(&wrong, METHOD_ALLOCATE, vec![udp()]);
        let answer = answer(&outputs);
        assert_eq!(code(&answer), 401);
        shapes.insert(answer.attributes.0.iter().map(|attribute| (attribute.typ.value(), attribute.length)).collect::<Vec<_>>());
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    assert_eq!(site.server.counters().failed_authentications, 3, "the first challenge, which every client gets, is no failure");
    assert!(holds_nothing(&site));
}

#[test]
fn t3_t4_names_work_until_they_expire_and_never_for_more_than_a_day() {
    let mut site = Site::new();
    let (mut person, relay, _) = site.allocated(1);
    let now = site.now.wall.as_secs();
    for (expiry, expected) in [(now - 1, 401), (now, 401), (now + 1, 0), (now + 86_400, 0), (now + 86_401, 401)] {
        let person = forged(&person, &format!("{expiry}:{}", person.participant));
        assert_eq!(site.code(&person, METHOD_REFRESH, vec![lifetime(1800)]), expected, "{expiry}");
    }
    // The allocation of a name that has expired since ends within its lifetime.
    person = forged(&person, &format!("{}:{}", now + 100, person.participant));
    assert_eq!(site.seconds(101), []);
    assert_eq!(site.code(&person, METHOD_REFRESH, vec![lifetime(1800)]), 401);
    assert_eq!(site.seconds(1700), [Output::CloseRelay { relay }]);
}

#[test]
fn t5_malformed_names_are_refused_even_with_their_password() {
    let mut site = Site::new();
    let person = site.person(1);
    let long = "9".repeat(513);
    for name in ["", ":", "-1:x", "18446744073709551616:x", &long] {
        assert_eq!(site.code(&forged(&person, name), METHOD_ALLOCATE, vec![udp()]), 401, "{name:?}");
    }
    assert_eq!(site.code(&person, METHOD_ALLOCATE, vec![raw(0x0006, &[0xff, 0xfe])]), 400, "a name that is no text");
    let request = plain(METHOD_ALLOCATE, vec![Box::new(person.key())]);
    assert_eq!(code(&answer(&site.client_sends(person.client, &request.raw))), 400, "no name");
}

/// A relay that other software may use, and a user of it, with the right password for any name.
fn shared_site() -> (Site, impl Fn(&Person, &str) -> Person) {
    let secret = SharedSecret::new(&Secret::new(String::from("a secret of two programs")));
    let site = Site::with(|config| config.shared_secret = Some(secret.clone()));
    let foreign = move |person: &Person, name: &str| Person {
        username: name.to_owned(),
        password: secret.password(name),
        ..person.clone()
    };
    (site, foreign)
}

#[test]
fn t2_t3_t4_t5_names_of_other_software_are_taken_with_the_shared_secret_and_no_others() {
    let (mut site, foreign) = shared_site();
    let now = site.now.wall.as_secs();
    let long = format!("{}:{}", now + 100, "x".repeat(129));
    let expired = format!("{now}:ada");
    let too_long_lived = format!("{}:ada", now + 86_401);
    let person = site.person(1);
    for name in ["", ":", ":ada", "ada", "-1:ada", "18446744073709551616:ada", &expired, &too_long_lived, &long] {
        assert_eq!(site.code(&foreign(&person, name), METHOD_ALLOCATE, vec![udp()]), 401, "{name:?}");
    }
    let good = format!("{}:ada", now + 86_400);
    assert_eq!(site.code(&Person { password: "x".to_owned(), ..foreign(&person, &good) }, METHOD_ALLOCATE, vec![udp()]), 401);
    assert_eq!(site.code(&forged(&person, &good), METHOD_ALLOCATE, vec![udp()]), 401, "our own secret is not for such names");
    assert!(holds_nothing(&site));
    for (n, name) in [(1, good.clone()), (2, (now + 100).to_string())] {
        let somebody = site.person(n);
        let (_, outputs) = site.ask(&foreign(&somebody, &name), METHOD_ALLOCATE, vec![udp()]);
        assert!(matches!(outputs[..], [Output::OpenRelay { .. }]), "{name}: {outputs:?}");
    }
    // What stands behind the seal disturbs the check of neither secret.
    for (n, name) in [(3, Some(&good)), (4, None)] {
        let own = site.person(n);
        let somebody = name.map_or_else(|| own.clone(), |name| foreign(&own, name));
        let seals = somebody.seals().chain([Box::new(FINGERPRINT) as Box<_>]);
        let request = plain(METHOD_ALLOCATE, std::iter::once(udp()).chain(seals).collect());
        let outputs = site.client_sends(somebody.client, &request.raw);
        assert!(matches!(outputs[..], [Output::OpenRelay { .. }]), "{n}: {outputs:?}");
    }

    let mut closed = Site::new();
    let person = closed.person(1);
    assert_eq!(closed.code(&foreign(&person, &good), METHOD_ALLOCATE, vec![udp()]), 401, "an admin has to turn it on");
}

#[test]
fn t16_t20_each_user_of_other_software_is_somebody_else_with_quotas_of_its_own() {
    let (mut site, foreign) = shared_site();
    let (now, quota) = (site.now.wall.as_secs(), u8::try_from(Limits::default().allocations_per_user).unwrap());
    let mut ask = |n: u8, name: &str| {
        let person = site.person(n);
        let (_, outputs) = site.ask(&foreign(&person, name), METHOD_ALLOCATE, vec![udp()]);
        if let [Output::OpenRelay { .. }] = outputs[..] { 0 } else { code(&answer(&outputs)) }
    };
    for n in 0..quota {
        assert_eq!(ask(100 + n, &format!("{}:ada", now + 100 + u64::from(n))), 0, "another expiry makes nobody else");
    }
    assert_eq!(ask(13, &format!("{}:ada", now + 500)), 486);
    assert_eq!(ask(14, &format!("{}:ben", now + 500)), 0);
    assert_eq!(ask(14, &format!("{}:cleo", now + 500)), 441);
    // A name that spells a participant is none of ours, and revoking the participant doesn't concern it.
    let participant = ParticipantId::from_bytes([15; 10]);
    assert_eq!(ask(15, &format!("{}:{participant}", now + 500)), 0);
    site.server.revoke(participant, site.now);
    assert_eq!(site.outputs(), []);
}

#[test]
fn t13_tcp_relays_are_refused() {
    let mut site = Site::new();
    let person = site.person(1);
    let tcp = Box::new(RequestedTransport { protocol: PROTO_TCP });
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, vec![tcp]);
    assert_eq!(outputs, [person.refusal(&request, 442)]);
    for method in [METHOD_ALLOCATE, METHOD_CONNECT, METHOD_CONNECTION_BIND] {
        let (request, outputs) = site.ask(&person, method, vec![]);
        assert_eq!(outputs, [person.refusal(&request, 400)]);
    }
}

#[test]
fn t16_another_participant_is_refused_on_the_first_ones_five_tuple() {
    let mut site = Site::new();
    let (person, relay, bound) = site.allocated(1);
    let other = site.person_at(person.client, ParticipantId::from_bytes([99; 10]));
    for method in METHODS {
        let (request, outputs) = site.ask(&other, method, vec![udp(), peer(PEER), channel(0x4000)]);
        assert_eq!(outputs, [other.refusal(&request, 441)]);
    }
    assert_eq!(site.server.table.relays.get(&relay), Some(&person.client));
    assert!(site.server.peers.owner(bound).is_some());
}

#[test]
fn t18_nonces_of_others_and_old_ones_are_stale() {
    let mut site = Site::new();
    let (one, two) = (site.person(1), site.person(2));
    let stolen = Person { nonce: two.nonce, ..one.clone() };
    assert_eq!(site.code(&stolen, METHOD_ALLOCATE, vec![udp()]), 438);
    site.seconds(599);
    assert_eq!(site.code(&one, METHOD_REFRESH, vec![]), 437, "the nonce is still good");
    site.seconds(2);
    let (_, outputs) = site.ask(&one, METHOD_ALLOCATE, vec![udp()]);
    let answer = answer(&outputs);
    assert_eq!(code(&answer), 438);
    let renewed = Person { nonce: text(&answer, ATTR_NONCE), ..one };
    site.allocate(&renewed);
}

#[test]
fn t21_a_flood_of_strangers_leaves_nothing() {
    let mut site = Site::with(|config| config.limits.challenges_per_second = 10);
    let packet = plain(METHOD_ALLOCATE, vec![udp()]).raw;
    let mut answers = 0;
    for n in 0..30_000u32 {
        let remote = SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + n % 3000), 4000));
        answers += site.client_sends(ClientSocket { remote, ..client(1) }, &packet).len();
    }
    assert!(answers <= 30_000 && holds_nothing(&site) && site.server.table.timers.len() == 0);
    let counters = site.server.counters();
    assert_eq!((counters.challenged + counters.limited, counters.challenged), (30_000, answers as u64));
}

#[test]
fn t22_strangers_get_their_share_of_answers_each_second() {
    let mut site = Site::with(|config| {
        config.limits.challenges_per_second = 10;
        config.limits.bindings_per_second = 20;
    });
    for _ in 0..3 {
        let mut answers = |method| {
            let packet = plain(method, vec![]).raw;
            (0..100).map(|_| site.client_sends(client(1), &packet).len()).sum::<usize>()
        };
        assert_eq!((answers(METHOD_ALLOCATE), answers(METHOD_BINDING)), (10, 20));
        site.seconds(1);
    }
}

#[test]
fn t22_a_source_gets_a_wider_share_by_streams_beside_that_by_datagrams() {
    let mut site = Site::with(|config| config.limits.challenges_per_second = 10);
    let packet = plain(METHOD_ALLOCATE, vec![]).raw;
    let mut answers = |transport| {
        let client = ClientSocket { transport, ..client(1) };
        (0..1000).map(|_| site.client_sends(client, &packet).len()).sum::<usize>()
    };
    assert_eq!((answers(Transport::Udp), answers(Transport::Tcp), answers(Transport::Tls)), (10, 160, 0));
}

#[test]
fn t22_no_unproven_source_gets_more_than_twice_what_it_sent() {
    let mut site = Site::with(|config| config.realm = "x".repeat(MAX_REALM_BYTES));
    let v6 = ClientSocket { local: "[2a00:1450::4]:3478".parse().unwrap(), remote: address("[2a00::1]:4000"), ..client(1) };
    let many = || (0x7000..0x7100).map(|typ| raw(typ, &[])).collect();
    let requests = [
        plain(METHOD_BINDING, vec![]),
        plain(METHOD_BINDING, vec![raw(0x7fff, &[])]),
        plain(METHOD_BINDING, many()),
        plain(METHOD_ALLOCATE, vec![]),
        plain(METHOD_ALLOCATE, vec![Box::new(FINGERPRINT)]),
        plain(METHOD_ALLOCATE, vec![raw(0x0008, &[0; 20])]),
        plain(METHOD_CONNECT, many()),
    ];
    for (client, request) in requests.iter().flat_map(|request| [(client(1), request), (v6, request)]) {
        let answer = answer(&site.client_sends(client, &request.raw));
        let (question, answer) = (request.raw.len() + headers(client), answer.raw.len() + headers(client));
        assert!(answer <= 2 * question, "{answer} bytes for {question}");
    }
}

#[test]
fn t23_what_no_client_may_send_gets_no_answer() {
    let mut site = Site::new();
    let (person, ..) = site.allocated(1);
    let id = || stun::agent::TransactionId::new();
    for class in [CLASS_SUCCESS_RESPONSE, CLASS_ERROR_RESPONSE, CLASS_INDICATION] {
        for method in [METHOD_BINDING, METHOD_ALLOCATE, METHOD_SEND, METHOD_DATA] {
            let message = build(MessageType::new(method, class), id(), vec![udp()]);
            assert_eq!(site.client_sends(person.client, &message.raw), [], "{method} {class}");
        }
    }
    let good = plain(METHOD_BINDING, vec![udp()]).raw;
    let altered = |at: usize, to: u8| [&good[..at], &[to], &good[at + 1..]].concat();
    let mut wrong_fingerprint = plain(METHOD_BINDING, vec![Box::new(FINGERPRINT)]).raw;
    *wrong_fingerprint.last_mut().unwrap() ^= 1;
    let garbage = [
        vec![],
        vec![0],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        good[..19].to_vec(),
        good[..24].to_vec(),
        [&good[..], &[0; 4]].concat(),
        altered(4, 0),
        altered(0, 0x80),
        altered(23, 200),
        wrong_fingerprint,
        vec![0x40],
        vec![0x40, 0, 0xff, 0xff],
        channel_data(0x4000, b"unbound"),
        channel_data(0x4fff, b""),
    ];
    for packet in garbage {
        assert_eq!(site.client_sends(person.client, &packet), [], "{packet:?}");
    }
}

#[test]
fn t23_nothing_is_answered_to_ports_of_chattering_services() {
    let mut site = Site::new();
    let packet = build(BINDING_REQUEST, stun::agent::TransactionId::new(), vec![]).raw;
    for (port, answers) in [(0, 0), (7, 0), (19, 0), (53, 0), (123, 0), (124, 1)] {
        let remote = SocketAddr::new(client(1).remote.ip(), port);
        assert_eq!(site.client_sends(ClientSocket { remote, ..client(1) }, &packet).len(), answers, "port {port}");
    }
    assert_eq!((site.server.counters().received, site.server.counters().malformed), (6, 5));
}

#[test]
fn unknown_required_attributes_are_named_in_a_420() {
    let mut site = Site::new();
    let person = site.person(1);
    let request = plain(METHOD_BINDING, vec![raw(0x0003, &[0; 4])]);
    let expected = person.unsealed(&request, CLASS_ERROR_RESPONSE, vec![error(420), unknown(&[3])]);
    assert_eq!(site.client_sends(person.client, &request.raw), [expected]);

    // DONT-FRAGMENT is among them where the system knows no such thing.
    let attributes = || vec![udp(), raw(0x001a, &[]), raw(0x7ffe, &[1]), raw(0xc001, &[1])];
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, attributes());
    assert_eq!(outputs, [person.answer(&request, CLASS_ERROR_RESPONSE, vec![error(420), unknown(&[0x7ffe])])]);
    let mut site = Site::with(|config| config.keeps_whole = false);
    let person = site.person(1);
    let (request, outputs) = site.ask(&person, METHOD_ALLOCATE, attributes());
    assert_eq!(outputs, [person.answer(&request, CLASS_ERROR_RESPONSE, vec![error(420), unknown(&[0x1a, 0x7ffe])])]);
}

#[test]
fn a_fingerprint_is_answered_with_one() {
    let mut site = Site::new();
    let person = site.person(1);
    let bare = person.request(METHOD_REFRESH, vec![]);
    let request = build(bare.typ, bare.transaction_id, person.seals().chain([Box::new(FINGERPRINT) as _]).collect());
    let attributes = vec![error(437), Box::new(person.key()), Box::new(FINGERPRINT)];
    let expected = person.unsealed(&request, CLASS_ERROR_RESPONSE, attributes);
    assert_eq!(site.client_sends(person.client, &request.raw), [expected]);
}

#[test]
fn without_an_allocation_the_answer_is_437() {
    let mut site = Site::new();
    let person = site.person(1);
    for method in [METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND] {
        let (request, outputs) = site.ask(&person, method, vec![peer(PEER), channel(0x4000)]);
        assert_eq!(outputs, [person.refusal(&request, 437)]);
    }
}
