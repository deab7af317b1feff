//! Payloads: where they come out, in which dress, and how many.

use std::time::Duration;

use ::turn::proto::data::Data;
use stun::agent::TransactionId;
use stun::message::{CLASS_INDICATION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Message, MessageType};

use super::super::{ClientSocket, Output, PeerSocket, Transport};
use super::scenario::*;
use crate::ids::ParticipantId;

/// The bytes that a client gets by this output, given what was handed in.
fn shown(output: &Output, received: &[u8]) -> (ClientSocket, Vec<u8>) {
    let Output::ToClient { client, head, payload, padding } = output else { panic!("{output:?}") };
    (*client, [head.as_bytes(), &received[payload.clone()], &vec![0; *padding]].concat())
}

fn data_indication(like: &[u8], from: &str, data: &[u8]) -> Vec<u8> {
    let id = TransactionId(like[8..20].try_into().unwrap());
    build(MessageType::new(METHOD_DATA, CLASS_INDICATION), id, vec![peer(from), Box::new(Data(data.to_vec()))]).raw
}

#[test]
fn a_send_indication_goes_to_its_peer_and_back_comes_a_data_indication() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.permit(&person, &[PEER]);
    let to_peer = Output::ToPeer { relay, peer: PeerSocket(address(PEER)), payload: 36..41, whole: false };
    let indication = send_indication(PEER, b"hello");
    assert_eq!(site.client_sends(person.client, &indication), [to_peer]);
    assert_eq!(&indication[36..41], b"hello");
    for data in [&b""[..], b"h", b"hi!", b"four", &[7; 1200], &[7; 65_000]] {
        let [output] = &site.peer_sends(relay, "9.9.9.9:6000", data)[..] else { panic!("nothing comes back") };
        let (client, bytes) = shown(output, data);
        assert_eq!((client, &bytes), (person.client, &data_indication(&bytes, "9.9.9.9:6000", data)));
    }
}

#[test]
fn malformed_send_indications_are_dropped() {
    let mut site = Site::new();
    let (person, ..) = site.allocated(1);
    site.permit(&person, &[PEER]);
    let data = || Box::new(Data(b"x".to_vec()));
    // Without data, without a peer, with two, and with something that isn't understood.
    let wrong: Vec<Attributes> = vec![
        vec![peer(PEER)],
        vec![data()],
        vec![peer(PEER), peer("9.9.9.9:1"), data()],
        vec![peer(PEER), raw(0x7ffe, &[]), data()],
    ];
    for attributes in wrong {
        let message = build(MessageType::new(METHOD_SEND, CLASS_INDICATION), TransactionId::new(), attributes);
        assert_eq!(site.client_sends(person.client, &message.raw), []);
    }
    assert_eq!(site.server.counters().malformed, 4);
}

#[test]
fn an_address_outside_that_is_found_later_leads_to_those_who_were_told_another() {
    let inside = "10.0.0.5".parse().unwrap();
    let mut site = Site::with(|config| config.published = vec![(inside, inside)]);
    let people: Vec<Person> = (1..=2).map(|n| site.person(n)).collect();
    for (person, told, port) in [(&people[0], inside, 50_001), (&people[1], OWN_V4, 50_002)] {
        site.server.publish(inside, told);
        let (request, outputs) = site.ask(person, stun::message::METHOD_ALLOCATE, vec![udp()]);
        let [Output::OpenRelay { relay, .. }] = outputs[..] else { panic!("{outputs:?}") };
        let expected = person.allocated(&request, std::net::SocketAddr::new(told, port), 600);
        assert_eq!(site.opened(relay, Ok(std::net::SocketAddr::new(inside, port))), [expected]);
    }
    site.permit(&people[0], &["198.41.0.4:50002"]);
    site.permit(&people[1], &["198.41.0.4:50001"]);
    let outputs = site.say(&people[1], "198.41.0.4:50001", b"hi");
    assert!(matches!(outputs[..], [Output::ToClient { client, .. }] if client == people[0].client), "{outputs:?}");
}

#[test]
fn what_must_not_be_fragmented_is_told_apart() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.permit(&person, &[PEER]);
    for (flag, whole) in [(None, false), (Some(raw(0x001a, &[])), true)] {
        let attributes = flag.into_iter().chain([Box::new(Data(b"hello".to_vec())) as _, peer(PEER)]).collect();
        let message = build(MessageType::new(METHOD_SEND, CLASS_INDICATION), TransactionId::new(), attributes);
        let [Output::ToPeer { relay: from, whole: told, .. }] = site.client_sends(person.client, &message.raw)[..] else {
            panic!()
        };
        assert_eq!((from, told), (relay, whole));
    }
}

#[test]
fn channels_carry_both_ways_without_padding_in_datagrams_and_with_it_in_streams() {
    let mut site = Site::new();
    for (n, transport, padding) in [(1, Transport::Udp, 0), (2, Transport::Tcp, 3), (3, Transport::Tls, 3)] {
        let socket = ClientSocket { transport, ..client(n) };
        let person = site.person_at(socket, ParticipantId::from_bytes([n; 10]));
        let (relay, _) = site.allocate(&person);
        site.bind(&person, 0x4001, PEER);
        let to_peer = [Output::ToPeer { relay, peer: PeerSocket(address(PEER)), payload: 4..9, whole: false }];
        assert_eq!(site.client_sends(socket, &channel_data(0x4001, b"hello")), to_peer);
        assert_eq!(site.client_sends(socket, &[&channel_data(0x4001, b"hello")[..], &[0; 3]].concat()), to_peer);
        let outputs = site.peer_sends(relay, PEER, b"hello");
        assert_eq!(shown(&outputs[0], b"hello"), (socket, [&channel_data(0x4001, b"hello")[..], &vec![0; padding]].concat()));
        // Another port of the permitted address is not the channel's peer.
        let outputs = site.peer_sends(relay, "9.9.9.9:6000", b"hello");
        assert!(matches!(&outputs[..], [Output::ToClient { head, .. }] if head.as_bytes().len() == 36));
    }
}

#[test]
fn t11_two_relayed_clients_meet_inside() {
    let mut site = Site::new();
    let ((one, _, at_one), (two, _, at_two)) = (site.allocated(1), site.allocated(2));
    let (at_one, at_two) = (at_one.to_string(), at_two.to_string());
    site.permit(&one, &[&at_two]);
    assert_eq!(site.say(&one, &at_two, b"hello"), [], "the other one has given no permission");
    site.permit(&two, &[&at_one]);
    let indication = send_indication(&at_two, b"hello");
    let outputs = site.client_sends(one.client, &indication);
    let [output] = &outputs[..] else { panic!("{outputs:?}") };
    let (client, bytes) = shown(output, &indication);
    assert_eq!((client, &bytes), (two.client, &data_indication(&bytes, &at_one, b"hello")));

    site.bind(&one, 0x4000, &at_two);
    site.bind(&two, 0x4abc, &at_one);
    let packet = channel_data(0x4000, b"hello");
    let outputs = site.client_sends(one.client, &packet);
    let [output] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(shown(output, &packet), (two.client, channel_data(0x4abc, b"hello")));
    let counters = site.server.counters();
    assert_eq!((counters.packets_out, counters.packets_in, counters.bytes_out, counters.bytes_in), (2, 2, 10, 10));
}

#[test]
fn t11_behind_a_nat_relayed_clients_meet_by_the_outside_address() {
    let inside = "10.0.0.5".parse().unwrap();
    let mut site = Site::with(|config| config.published = vec![(inside, OWN_V4)]);
    let people: Vec<Person> = (1..=2).map(|n| site.person(n)).collect();
    for (person, port) in people.iter().zip([50_001, 50_002]) {
        let (_, outputs) = site.ask(person, stun::message::METHOD_ALLOCATE, vec![udp()]);
        let [Output::OpenRelay { relay, .. }] = outputs[..] else { panic!("{outputs:?}") };
        site.opened(relay, Ok(std::net::SocketAddr::new(inside, port)));
    }
    site.permit(&people[0], &["198.41.0.4:50002"]);
    site.permit(&people[1], &["198.41.0.4:50001"]);
    let indication = send_indication("198.41.0.4:50002", b"hello");
    let (client, bytes) = shown(&site.client_sends(people[0].client, &indication)[0], &indication);
    assert_eq!((client, &bytes), (people[1].client, &data_indication(&bytes, "198.41.0.4:50001", b"hello")));
    assert_eq!(site.say(&people[0], "198.41.0.4:443", b"boo"), []);
}

#[test]
fn nothing_is_sent_to_the_port_of_an_allocation_that_has_ended() {
    let mut site = Site::new();
    let ((one, _, at_one), (two, _, at_two)) = (site.allocated(1), site.allocated(2));
    site.permit(&one, &[&at_two.to_string()]);
    site.bind(&one, 0x4000, &at_two.to_string());
    site.permit(&two, &[&at_one.to_string()]);
    assert_eq!(site.client_sends(one.client, &channel_data(0x4000, b"hello")).len(), 1);
    site.server.client_gone(two.client);
    site.outputs();
    assert_eq!(site.client_sends(one.client, &channel_data(0x4000, b"hello")), []);
    assert_eq!(site.server.counters().forbidden_packets, 1);
}

#[test]
fn t28_an_allocation_moves_its_share_and_no_more_and_others_theirs() {
    let mut site = Site::with(|config| config.limits.bytes_per_second = 10_000);
    let ((loud, relay, _), (calm, ..)) = (site.allocated(1), site.allocated(2));
    for person in [&loud, &calm] {
        site.bind(person, 0x4000, PEER);
    }
    let packet = channel_data(0x4000, &[1; 1000]);
    let (mut from_loud, mut to_loud, mut from_calm) = (0, 0, 0);
    for _ in 0..100 {
        for _ in 0..10 {
            from_loud += site.client_sends(loud.client, &packet).len();
            to_loud += site.peer_sends(relay, PEER, &packet[4..]).len();
        }
        from_calm += site.client_sends(calm.client, &channel_data(0x4000, &[1; 100])).len();
        site.wait(Duration::from_millis(100));
    }
    assert_eq!(from_calm, 100, "somebody else's flood took from the calm one");
    assert_eq!((from_loud, to_loud), (109, 109), "a burst of ten and then one each tenth of a second");
    assert_eq!(site.server.counters().throttled, 2 * (1000 - 109));
    let traffic = site.server.traffic().find(|(client, ..)| *client == loud.client).unwrap().2;
    assert_eq!((traffic.packets_out, traffic.bytes_in, traffic.throttled), (109, 109_000, 2 * (1000 - 109)));
}

#[test]
fn t28_a_participant_moves_no_more_by_many_allocations() {
    let mut site = Site::with(|config| {
        config.limits.bytes_per_second = 10_000;
        config.limits.bytes_per_second_per_user = 15_000;
    });
    let first = site.person(1);
    let second = site.person_at(client(2), first.participant);
    let other = site.person(3);
    for person in [&first, &second, &other] {
        site.allocate(person);
        site.bind(person, 0x4000, PEER);
    }
    let mut passed = |person: &Person| {
        (0..20).map(|_| site.client_sends(person.client, &channel_data(0x4000, &[1; 1000])).len()).sum::<usize>()
    };
    assert_eq!((passed(&first), passed(&second), passed(&other)), (10, 5, 10));
    assert_eq!(site.server.counters().throttled, 10 + 15 + 10);
}

#[test]
fn t28_allocating_anew_gives_no_new_share() {
    let mut site = Site::with(|config| {
        config.limits.bytes_per_second = 10_000;
        config.limits.bytes_per_second_per_user = 15_000;
    });
    let person = site.person(1);
    let passed = |site: &mut Site| {
        site.allocate(&person);
        site.bind(&person, 0x4000, PEER);
        let passed = (0..20).map(|_| site.client_sends(person.client, &channel_data(0x4000, &[1; 1000])).len()).sum::<usize>();
        site.ask(&person, METHOD_REFRESH, vec![lifetime(0)]);
        passed
    };
    assert_eq!((passed(&mut site), passed(&mut site), passed(&mut site)), (10, 5, 0));
    site.seconds(1);
    assert_eq!(passed(&mut site), 10, "a second later the share is whole again");
}

#[test]
fn t28_the_relay_as_a_whole_has_a_share_too() {
    let mut site = Site::with(|config| config.limits.bytes_per_second_in_all = Some(2_000));
    let ((one, relay, _), (two, ..)) = (site.allocated(1), site.allocated(2));
    site.bind(&one, 0x4000, PEER);
    site.bind(&two, 0x4000, PEER);
    assert_eq!(site.client_sends(one.client, &channel_data(0x4000, &[1; 1000])).len(), 1);
    assert_eq!(site.peer_sends(relay, PEER, &[1; 1000]).len(), 1);
    assert_eq!(site.client_sends(two.client, &channel_data(0x4000, &[1; 1000])).len(), 0);
    site.seconds(1);
    assert_eq!(site.client_sends(two.client, &channel_data(0x4000, &[1; 1000])).len(), 1);
}

#[test]
fn indications_are_told_apart_by_their_ids() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    site.permit(&person, &[PEER]);
    let mut id = || -> Vec<u8> {
        let outputs = site.peer_sends(relay, PEER, b"x");
        let mut message = Message { raw: shown(&outputs[0], b"x").1, ..Message::default() };
        message.decode().unwrap();
        message.transaction_id.0.to_vec()
    };
    assert_ne!(id(), id());
}
