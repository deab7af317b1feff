//! Who gets an answer, and which.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::BASE64;
use hearth::clock::Timestamp;
use hearth::ids::{ParticipantId, Secret, random_bytes};
use hearth::turn::credentials::{Credential, CredentialIssuer};
use hearth::turn::{Limits, Settings};
use ring::hmac;
use stun::attributes::{
    ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_RESERVATION_TOKEN, ATTR_SOFTWARE, ATTR_UNKNOWN_ATTRIBUTES,
    ATTR_XOR_RELAYED_ADDRESS, AttrType, RawAttribute,
};
use stun::fingerprint::FINGERPRINT;
use stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter,
    METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CONNECTION_BIND, METHOD_CREATE_PERMISSION,
    METHOD_DATA, METHOD_REFRESH, Message, MessageType, Setter,
};
use stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;
use turn::proto::PROTO_TCP;
use turn::proto::evenport::EvenPort;
use turn::proto::lifetime::Lifetime;
use turn::proto::reqfamily::{REQUESTED_FAMILY_IPV6, RequestedAddressFamily};
use turn::proto::rsrvtoken::ReservationToken;

use crate::client::{Client, PATIENCE, SECRET, build, code, forge, mint, peer, text, transport, udp};
use crate::site::{settings, start, start_for_others};

fn raw(typ: u16, value: &[u8]) -> Box<dyn Setter> {
    Box::new(RawAttribute { typ: AttrType(typ), length: 0, value: value.to_vec() })
}

fn relayed(answer: &Message) -> SocketAddr {
    let mut relayed = XorMappedAddress::default();
    relayed.get_from_as(answer, ATTR_XOR_RELAYED_ADDRESS).unwrap();
    SocketAddr::new(relayed.ip, relayed.port)
}

fn shape(answer: &Message) -> Vec<(u16, u16)> {
    answer.attributes.0.iter().map(|attribute| (attribute.typ.value(), attribute.length)).collect()
}

fn lifetime(answer: &Message) -> u64 {
    assert_eq!(code(answer), 0, "it is refused");
    let mut lifetime = Lifetime::default();
    lifetime.get_from(answer).unwrap();
    lifetime.0.as_secs()
}

#[tokio::test]
async fn binding_tells_the_senders_address_and_nothing_about_the_software() {
    let site = start(settings()).await;
    let client = site.client().await;
    for attributes in [vec![], vec![Box::new(FINGERPRINT) as Box<dyn Setter>]] {
        let request = build(BINDING_REQUEST, attributes);
        let answer = client.ask(&request).await;
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&answer).unwrap();
        assert_eq!(answer.typ, BINDING_SUCCESS);
        assert_eq!((mapped.ip, mapped.port), (client.address().ip(), client.address().port()));
        assert!(!answer.contains(ATTR_SOFTWARE));
        assert!(answer.raw.len() <= 2 * request.raw.len());
    }
}

#[tokio::test]
async fn t1_requests_without_integrity_are_challenged_and_leave_nothing() {
    let site = start(settings()).await;
    let client = site.client().await;
    for method in [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND] {
        let answer = client.anonymous(method, vec![udp()]).await;
        assert_eq!((code(&answer), text(&answer, ATTR_REALM).as_str()), (401, "hearth"));
        assert!(!text(&answer, ATTR_NONCE).is_empty());
        assert!(!answer.contains(ATTR_SOFTWARE));
    }
    assert_eq!(site.counters().await.allocations, 0);
}

#[tokio::test]
async fn t2_every_wrong_credential_gets_the_same_401() {
    let site = start(settings()).await;
    let good = mint(ParticipantId::random());
    let mut shapes = HashSet::new();
    for wrong in ["password", "realm", "user"] {
        let mut client = Client::new(site.address, good.clone()).await;
        match wrong {
            "password" => client.credential.password = Secret::new("x".to_owned()),
            "realm" => client.realm = "other".to_owned(),
            _ => client.credential.username = format!("{}0", good.username),
        }
        let answer = client.request(METHOD_ALLOCATE, vec![udp()]).await;
        assert_eq!(code(&answer), 401, "wrong {wrong}");
        shapes.insert(shape(&answer));
    }
    assert_eq!(shapes.len(), 1, "the answers differ: {shapes:?}");
    let counters = site.counters().await;
    assert_eq!((counters.allocations, counters.failed_authentications), (0, 3));
}

#[tokio::test]
async fn t3_expired_names_are_refused() {
    let site = start(settings()).await;
    let participant = ParticipantId::random();
    let past = forge(&format!("{}:{participant}", Timestamp::now().as_secs() - 1));
    let client = Client::new(site.address, past).await;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 401);

    let short = CredentialIssuer::new(Secret::new(SECRET), Duration::from_secs(3)).mint(participant, Timestamp::now());
    let mut client = Client::new(site.address, short.clone()).await;
    client.allocate().await;
    tokio::time::sleep(short.expires_at.since(Timestamp::now())).await;
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 401);
}

#[tokio::test]
#[ignore = "takes ten minutes: no allocation has a shorter lifetime"]
async fn t3_an_allocation_whose_name_has_expired_ends_with_its_lifetime() {
    const LIFETIME: Duration = Duration::from_secs(600);
    let site = start(settings()).await;
    let name = format!("{}:{}", Timestamp::now().as_secs() + 3, ParticipantId::random());
    let mut client = Client::new(site.address, forge(&name)).await;
    let relayed = client.allocate().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    for method in [METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND] {
        let prolonging = vec![Box::new(Lifetime(LIFETIME * 3)) as Box<dyn Setter>];
        assert_eq!(code(&client.request(method, prolonging).await), 401, "{method}");
    }
    assert_eq!(site.counters().await.allocations, 1, "what was granted was taken back");
    let freed = async {
        while UdpSocket::bind(relayed).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(LIFETIME + PATIENCE, freed).await.expect("the relay port is still bound");
    assert_eq!(site.counters().await.allocations, 0);
}

#[tokio::test]
async fn t4_names_from_further_ahead_than_a_day_are_refused() {
    let site = start(settings()).await;
    let participant = ParticipantId::random();
    let far = forge(&format!("{}:{participant}", Timestamp::now().as_secs() + 86_500));
    let client = Client::new(site.address, far).await;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 401);
}

#[tokio::test]
async fn t5_malformed_names_are_refused_even_with_their_password() {
    let site = start(settings()).await;
    let long = "9".repeat(513);
    for name in ["", ":", "-1:x", "18446744073709551616:x", &long] {
        let client = Client::new(site.address, forge(name)).await;
        assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 401, "{name:?}");
    }
    let client = site.client().await;
    let request = client.sealed(METHOD_ALLOCATE, vec![raw(0x0006, &[0xff, 0xfe])]);
    assert_eq!(code(&client.ask(&request).await), 400, "invalid UTF-8");
}

/// A credential as other software makes it.
fn foreign(secret: &str, username: &str) -> Credential {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let password = BASE64.encode(hmac::sign(&key, username.as_bytes()).as_ref());
    Credential { username: username.to_owned(), password: Secret::new(password), expires_at: Timestamp::now() }
}

#[tokio::test]
async fn t1_t2_t3_t4_t5_other_software_may_use_the_relay_with_the_shared_secret_alone() {
    const SHARED: &str = "a secret of two programs";
    let site = start_for_others(SHARED).await;
    let now = Timestamp::now().as_secs();
    let good = format!("{}:ada", now + 600);
    let mut shapes = HashSet::new();
    let ours = forge(&good);
    let wrong =
        [&format!("{now}:ada"), &format!("{}:ada", now + 86_500), "ada", "", &format!("{}:{}", now + 600, "x".repeat(129))];
    for credential in wrong.into_iter().map(|name| foreign(SHARED, name)).chain([foreign("another secret", &good), ours]) {
        let client = Client::new(site.address, credential).await;
        let answer = client.request(METHOD_ALLOCATE, vec![udp()]).await;
        assert_eq!(code(&answer), 401, "{}", client.credential.username);
        shapes.insert(shape(&answer));
    }
    assert_eq!(shapes.len(), 1, "the answers differ: {shapes:?}");
    assert_eq!(site.counters().await.allocated, 0);
    for name in [good.clone(), (now + 600).to_string()] {
        Client::new(site.address, foreign(SHARED, &name)).await.allocate().await;
    }
    site.allocated().await;

    let closed = start(settings()).await;
    let client = Client::new(closed.address, foreign(SHARED, &good)).await;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 401, "an admin has to turn it on");
}

#[tokio::test]
async fn t13_tcp_relays_are_refused() {
    let site = start(settings()).await;
    let client = site.client().await;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![transport(PROTO_TCP)]).await), 442);
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![]).await), 400);
    for method in [METHOD_CONNECT, METHOD_CONNECTION_BIND] {
        assert_eq!(code(&client.anonymous(method, vec![]).await), 401);
        assert_eq!(code(&client.request(method, vec![]).await), 400);
    }
    assert_eq!(site.counters().await.allocations, 0);
}

#[tokio::test]
async fn t16_another_users_credential_is_refused_on_the_first_ones_five_tuple() {
    let site = start(settings()).await;
    let mut client = site.allocated().await;
    client.credential = mint(ParticipantId::random());
    for method in [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND] {
        assert_eq!(code(&client.request(method, vec![udp()]).await), 441);
    }
    assert_eq!(site.counters().await.allocations, 1);
}

#[tokio::test]
async fn t18_nonces_of_others_and_altered_ones_are_stale() {
    let site = start(settings()).await;
    let mut client = site.client().await;
    let good = client.nonce.clone();
    client.nonce = site.client().await.nonce;
    let answer = client.request(METHOD_ALLOCATE, vec![udp()]).await;
    assert_eq!(code(&answer), 438);
    assert_ne!(text(&answer, ATTR_NONCE), client.nonce);
    client.nonce = good.chars().rev().collect();
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 438);
    client.nonce = text(&answer, ATTR_NONCE);
    client.allocate().await;
}

#[tokio::test]
async fn t20_quotas_of_user_source_and_relay() {
    let limits = Limits { allocations_per_user: 2, allocations_per_source: 3, ..settings().limits };
    let site = start(Settings { limits, ..settings() }).await;
    let participant = ParticipantId::random();
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = site.client_of(participant).await;
        client.allocate().await;
        kept.push(client);
    }
    let third = site.client_of(participant).await;
    assert_eq!(code(&third.request(METHOD_ALLOCATE, vec![udp()]).await), 486);
    kept.push(site.allocated().await);
    assert_eq!(code(&site.client().await.request(METHOD_ALLOCATE, vec![udp()]).await), 508);
    assert_eq!(code(&kept[0].request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]).await), 0);
    assert_eq!(code(&third.request(METHOD_ALLOCATE, vec![udp()]).await), 0, "a freed place was not given again");
    assert_eq!(site.counters().await.allocations, 3);
}

#[tokio::test]
async fn t20_allocations_in_all_are_capped() {
    let limits = Limits { allocations: 3, ..settings().limits };
    let site = start(Settings { limits, ..settings() }).await;
    let kept = [site.allocated().await, site.allocated().await, site.allocated().await];
    let fourth = site.client().await;
    assert_eq!(code(&fourth.request(METHOD_ALLOCATE, vec![udp()]).await), 508);
    assert_eq!(code(&kept[0].request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]).await), 0);
    assert_eq!(code(&fourth.request(METHOD_ALLOCATE, vec![udp()]).await), 0, "a freed place was not given again");
}

#[tokio::test]
async fn t20_a_full_port_range_answers_508() {
    let (first, second) = neighbours().await;
    let ports = [&first, &second].map(|socket| socket.local_addr().unwrap().port());
    let site = start(Settings { ports: ports[0]..=ports[1], ..settings() }).await;
    assert_eq!(code(&site.client().await.request(METHOD_ALLOCATE, vec![udp()]).await), 508);
    drop(second);
    assert_eq!(site.allocated().await.relayed.unwrap().port(), ports[1]);
    assert_eq!(code(&site.client().await.request(METHOD_ALLOCATE, vec![udp()]).await), 508, "there was but one");
}

/// Two sockets on ports that follow each other, below those that systems give away by themselves, so that nobody else takes one
/// while it is free for a moment.
async fn neighbours() -> (UdpSocket, UdpSocket) {
    loop {
        let port = 30_000 + u16::from_be_bytes(random_bytes()) % 2_000;
        if let Ok(first) = UdpSocket::bind(("127.0.0.1", port)).await
            && let Ok(second) = UdpSocket::bind(("127.0.0.1", port + 1)).await
        {
            return (first, second);
        }
    }
}

#[tokio::test]
async fn t22_strangers_get_their_share_of_answers_and_then_silence() {
    let limits = Limits { challenges_per_second: 3, ..settings().limits };
    let site = start(Settings { limits, ..settings() }).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..200 {
        socket.send_to(&build(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST), vec![udp()]).raw, site.address).await.unwrap();
    }
    let counters = site.until("all packets were read", |counters| counters.received >= 200).await;
    assert_eq!(counters.challenged + counters.limited, 200);
    assert!(counters.challenged >= 3, "nobody was answered");
    assert!(counters.limited > 0, "nobody was limited");
}

#[tokio::test]
async fn t23_what_no_client_may_send_gets_no_answer() {
    let site = start(settings()).await;
    let client = site.client().await;
    for class in [CLASS_SUCCESS_RESPONSE, CLASS_ERROR_RESPONSE, CLASS_INDICATION] {
        for method in [METHOD_BINDING, METHOD_ALLOCATE, METHOD_DATA] {
            client.send(&build(MessageType::new(method, class), vec![udp()]).raw).await;
        }
    }
    let good = build(BINDING_REQUEST, vec![udp()]).raw;
    let altered = |at: usize, to: u8| {
        let mut packet = good.clone();
        packet[at] = to;
        packet
    };
    let mut wrong_fingerprint = build(BINDING_REQUEST, vec![Box::new(FINGERPRINT)]).raw;
    *wrong_fingerprint.last_mut().unwrap() ^= 1;
    let longer = [&good[..], &[0; 4]].concat();
    let garbage: [&[u8]; 10] = [
        b"",
        b"\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        &good[..19],
        &good[..24],
        &longer,
        &altered(4, 0),
        &altered(0, 0x80),
        &altered(23, 200),
        &wrong_fingerprint,
    ];
    for packet in garbage {
        client.send(packet).await;
    }
    client.send(&[0x40, 0, 0, 4, 1, 2, 3, 4]).await;
    client.send(&[0x40, 0, 0xff, 0xff]).await;
    client.heard_nothing().await;
}

#[tokio::test]
async fn unknown_required_attributes_are_named_in_a_420() {
    let site = start(settings()).await;
    let client = site.client().await;
    let unknown = |answer: &Message| answer.get(ATTR_UNKNOWN_ATTRIBUTES).unwrap();
    let answer = client.anonymous(METHOD_BINDING, vec![raw(0x0003, &[0; 4])]).await;
    assert_eq!((code(&answer), unknown(&answer)), (420, vec![0, 3]));
    let answer = client.request(METHOD_ALLOCATE, vec![udp(), raw(0x7ffd, &[]), raw(0x7ffe, &[1]), raw(0xc001, &[1])]).await;
    assert_eq!((code(&answer), unknown(&answer)), (420, vec![0x7f, 0xfd, 0x7f, 0xfe]));
    let many = (0x7000..0x7100).map(|typ| raw(typ, &[])).collect();
    assert_eq!(unknown(&client.anonymous(METHOD_BINDING, many).await).len(), 8, "a long question made a long answer");
}

#[tokio::test]
async fn t29_guessed_tokens_and_families_that_are_not_served_are_refused() {
    let site = start(settings()).await;
    let client = site.client().await;
    let token = || Box::new(ReservationToken(vec![1; 8])) as Box<dyn Setter>;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp(), token()]).await), 508);
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp(), token(), Box::new(EvenPort::default())]).await), 400);
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp(), Box::new(REQUESTED_FAMILY_IPV6)]).await), 440);
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp(), Box::new(RequestedAddressFamily(9))]).await), 440);
    assert_eq!(site.counters().await.allocations, 0);
}

#[tokio::test]
async fn t29_a_pair_of_ports_goes_to_one_participant_and_counts_as_two() {
    let limits = Limits { allocations_per_user: 2, ..settings().limits };
    let site = start(Settings { limits, ..settings() }).await;
    let participant = ParticipantId::random();
    let mut first = site.client_of(participant).await;
    let answer = first.request(METHOD_ALLOCATE, vec![udp(), raw(0x0018, &[0x80])]).await;
    let even = relayed(&answer);
    first.relayed = Some(even);
    let token = || raw(0x0022, &answer.get(ATTR_RESERVATION_TOKEN).unwrap());
    assert_eq!(even.port() % 2, 0);
    assert_eq!(code(&first.request(METHOD_ALLOCATE, vec![udp()]).await), 437);
    let mut second = site.client_of(participant).await;
    assert_eq!(code(&second.request(METHOD_ALLOCATE, vec![udp()]).await), 486, "the port in reserve has a place");
    assert_eq!(code(&site.client().await.request(METHOD_ALLOCATE, vec![udp(), token()]).await), 508, "another's token");
    let odd = second.allocate_with(vec![udp(), token()]).await;
    assert_eq!((odd.ip(), odd.port()), (even.ip(), even.port() + 1));
    let third = site.client_of(participant).await;
    assert_eq!(code(&third.request(METHOD_ALLOCATE, vec![udp(), token()]).await), 508, "a token is good once");

    assert_eq!(code(&first.request(METHOD_CREATE_PERMISSION, vec![peer(&odd.to_string())]).await), 0);
    assert_eq!(code(&second.request(METHOD_CREATE_PERMISSION, vec![peer(&even.to_string())]).await), 0);
    first.send_indication(&odd.to_string(), b"hello").await;
    assert_eq!(second.receive_data().await, (b"hello".to_vec(), even));
}

#[tokio::test]
async fn without_an_allocation_the_answer_is_437() {
    let site = start(settings()).await;
    let mut client = site.client().await;
    for method in [METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND] {
        assert_eq!(code(&client.request(method, vec![]).await), 437);
    }
    client.allocate().await;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 437, "a second allocation on one 5-tuple");
}

#[tokio::test]
async fn a_repeated_allocate_gets_the_same_answer() {
    let site = start(settings()).await;
    let client = site.client().await;
    let request = client.sealed(METHOD_ALLOCATE, vec![udp()]);
    let first = client.ask(&request).await;
    assert_eq!(code(&first), 0);
    assert_eq!(client.ask(&request).await.raw, first.raw);
    assert_eq!(site.counters().await.allocated, 1);
}

#[tokio::test]
async fn lifetimes_are_kept_between_ten_minutes_and_half_an_hour() {
    let site = start(settings()).await;
    let asked = |seconds| vec![udp(), Box::new(Lifetime(Duration::from_secs(seconds))) as Box<dyn Setter>];
    for (seconds, granted) in [(0, 600), (1, 600), (900, 900), (1801, 1800), (3601, 1800), (u64::from(u32::MAX), 1800)] {
        let client = site.client().await;
        assert_eq!(lifetime(&client.request(METHOD_ALLOCATE, asked(seconds)).await), granted, "allocate for {seconds}");
        if seconds > 0 {
            assert_eq!(lifetime(&client.request(METHOD_REFRESH, asked(seconds)).await), granted, "refresh for {seconds}");
        }
    }
    let client = site.client().await;
    assert_eq!(lifetime(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 600);
    let answer = client.request(METHOD_REFRESH, asked(0)).await;
    assert!(answer.contains(ATTR_LIFETIME) && lifetime(&answer) == 0);
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 437, "the allocation is still there");
}
