//! What is relayed, and what isn't.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hearth::ids::ParticipantId;
use hearth::turn::{Limits, Settings};
use stun::attributes::{AttrType, RawAttribute};
use stun::message::{BINDING_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Setter};
use tokio::net::UdpSocket;
use turn::client::{Client as CrateClient, ClientConfig};
use turn::proto::channum::ChannelNumber;
use turn::proto::reqfamily::REQUESTED_FAMILY_IPV6;
use webrtc_util::Conn;

use crate::client::{Canary, Client, PATIENCE, REALM, build, code, mint, peer, receive, udp};
use crate::harness::skip;
use crate::site::{Site, settings, start, with_all_of_loopback, with_local_peers};

fn channel(number: u16) -> Box<dyn Setter> {
    Box::new(ChannelNumber(number))
}

async fn crate_client(site: &Site) -> CrateClient {
    let credential = mint(ParticipantId::random());
    let config = ClientConfig {
        stun_serv_addr: site.address.to_string(),
        turn_serv_addr: site.address.to_string(),
        username: credential.username,
        password: credential.password.expose().clone(),
        realm: REALM.to_owned(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
        vnet: None,
    };
    let client = CrateClient::new(config).await.unwrap();
    client.listen().await.unwrap();
    client
}

async fn next(conn: &impl Conn) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 2000];
    let (length, source) = tokio::time::timeout(PATIENCE, conn.recv_from(&mut buffer)).await.expect("nothing came").unwrap();
    buffer.truncate(length);
    (buffer, source)
}

#[tokio::test]
async fn t6_t7_t10_forbidden_peers_are_refused_in_every_request() {
    let site = start(settings()).await;
    let client = site.allocated().await;
    let addresses =
        ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "169.254.169.254", "192.168.1.1", "224.0.0.1", "255.255.255.255"];
    let embedded =
        ["::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "fd00:ec2::254"];
    let v4 = addresses.map(|ip| format!("{ip}:5000"));
    let v6 = embedded.map(|ip| format!("[{ip}]:5000"));
    for forbidden in v4.iter().chain(&v6) {
        assert_eq!(
            code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(forbidden)]).await),
            403,
            "permission for {forbidden}"
        );
        let bind = vec![channel(0x4000), peer(forbidden)];
        assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, bind).await), 403, "channel to {forbidden}");
    }
    let public = "[2a00:1450::1]:5000";
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(public)]).await), 443, "IPv6 peer of an IPv4 relay");
}

#[tokio::test]
async fn t6_nothing_reaches_a_service_on_this_machine() {
    let site = start(settings()).await;
    let (client, other) = (site.allocated().await, site.allocated().await);
    let canary = Canary::new().await;
    // A permission is for an address without its port, so this one gives permission for the canary's address too.
    let relayed = other.relayed.unwrap().to_string();
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&relayed)]).await), 0);
    client.send_indication(&canary.address(), b"boo").await;
    client.send_indication("0.0.0.0:1", b"boo").await;
    client.send(&[0x40, 0, 0, 3, b'b', b'o', b'o', 0]).await;
    client.heard_nothing().await;
    canary.is_untouched().await;
    assert_eq!(site.counters().await.forbidden_packets, 1);

    // Nor does anything come from it. The relay socket reads in order, so the marker shows that what came before was dropped.
    let own = client.relayed.unwrap();
    assert_eq!(code(&other.request(METHOD_CREATE_PERMISSION, vec![peer(&own.to_string())]).await), 0);
    canary.0.send_to(b"boo", own).await.unwrap();
    other.send_indication(&own.to_string(), b"marker").await;
    assert_eq!(client.receive_data().await, (b"marker".to_vec(), other.relayed.unwrap()));
}

#[tokio::test]
async fn t11_relay_to_relay_works_and_other_ports_of_the_same_address_do_not() {
    let site = start(settings()).await;
    let (one, two) = (crate_client(&site).await, crate_client(&site).await);
    let (at_one, at_two) = (one.allocate().await.unwrap(), two.allocate().await.unwrap());
    let (address_one, address_two) = (at_one.local_addr().unwrap(), at_two.local_addr().unwrap());
    // The receiver needs a permission before the first packet comes, and sending is how this client asks for one.
    at_two.send_to(b"open", address_one).await.unwrap();
    for round in 0..20u8 {
        at_one.send_to(&[round; 900], address_two).await.unwrap();
        let (data, from) = next(&at_two).await;
        assert_eq!((data, from), (vec![round; 900], address_one));
        at_two.send_to(&[round], address_one).await.unwrap();
        let (mut data, mut from) = next(&at_one).await;
        if data == b"open" {
            (data, from) = next(&at_one).await;
        }
        assert_eq!((data, from), (vec![round], address_two));
    }
    let client = site.allocated().await;
    let own = [site.address, site.server.socket_address(), "127.0.0.1:22".parse().unwrap(), "127.0.0.1:443".parse().unwrap()];
    for forbidden in own {
        assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&forbidden.to_string())]).await), 403, "{forbidden}");
    }
}

#[tokio::test]
async fn t11_behind_a_nat_relays_meet_by_their_outside_address() {
    let outside = Ipv4Addr::new(198, 41, 0, 4);
    let site = start(Settings { external_ipv4: Some(outside), ..settings() }).await;
    let (one, two) = (site.allocated().await, site.allocated().await);
    let (at_one, at_two) = (one.relayed.unwrap(), two.relayed.unwrap());
    assert_eq!((at_one.ip(), at_two.ip()), (outside.into(), outside.into()));
    assert_eq!(code(&one.request(METHOD_CREATE_PERMISSION, vec![peer(&at_two.to_string())]).await), 0);
    assert_eq!(code(&two.request(METHOD_CREATE_PERMISSION, vec![peer(&at_one.to_string())]).await), 0);
    one.send_indication(&at_two.to_string(), b"hello").await;
    assert_eq!(two.receive_data().await, (b"hello".to_vec(), at_one));
    assert_eq!(code(&one.request(METHOD_CREATE_PERMISSION, vec![peer("198.41.0.4:443")]).await), 403);
}

#[tokio::test]
async fn ipv6_relays_meet_where_there_is_an_ipv6_address() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        skip("this machine has no IPv6");
        return;
    }
    let site = start(Settings { relay_ipv6: Some(Ipv6Addr::LOCALHOST), ..settings() }).await;
    let (mut one, mut two) = (site.client().await, site.client().await);
    let family = || Box::new(REQUESTED_FAMILY_IPV6) as Box<dyn Setter>;
    let at_one = one.allocate_with(vec![udp(), family()]).await.to_string();
    let at_two = two.allocate_with(vec![udp(), family()]).await.to_string();
    assert!(at_one.starts_with("[::1]:"));
    assert_eq!(code(&one.request(METHOD_CREATE_PERMISSION, vec![peer(&at_two)]).await), 0);
    assert_eq!(code(&two.request(METHOD_CREATE_PERMISSION, vec![peer(&at_one)]).await), 0);
    one.send_indication(&at_two, b"hello").await;
    assert_eq!(two.receive_data().await, (b"hello".to_vec(), one.relayed.unwrap()));
    for forbidden in ["[::1]:443", "[::ffff:127.0.0.1]:443", "[fe80::1]:443"] {
        assert_eq!(code(&one.request(METHOD_CREATE_PERMISSION, vec![peer(forbidden)]).await), 403, "{forbidden}");
    }
    assert_eq!(code(&one.request(METHOD_CREATE_PERMISSION, vec![peer("8.8.8.8:1")]).await), 443);
}

#[tokio::test]
async fn t14_all_peers_of_a_request_are_permitted_or_none() {
    let site = start(with_local_peers()).await;
    let client = site.allocated().await;
    let (friend, other) = (Canary::new().await, UdpSocket::bind("127.0.0.2:0").await.unwrap());
    let answer = client.request(METHOD_CREATE_PERMISSION, vec![peer(&friend.address()), peer("10.0.0.1:1")]).await;
    assert_eq!(code(&answer), 403);
    client.send_indication(&friend.address(), b"boo").await;
    client.heard_nothing().await;
    friend.is_untouched().await;
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![]).await), 400);

    let site = start(with_all_of_loopback()).await;
    let client = site.allocated().await;
    let addresses = [friend.address(), other.local_addr().unwrap().to_string()];
    let answer = client.request(METHOD_CREATE_PERMISSION, vec![peer(&addresses[0]), peer(&addresses[1])]).await;
    assert_eq!(code(&answer), 0);
    for (address, socket) in addresses.iter().zip([&friend.0, &other]) {
        client.send_indication(address, b"hello").await;
        assert_eq!(receive(socket).await, (b"hello".to_vec(), client.relayed.unwrap()));
    }
}

#[tokio::test]
async fn t15_nothing_passes_without_a_permission() {
    let site = start(with_all_of_loopback()).await;
    let client = site.allocated().await;
    let (friend, stranger) = (Canary::new().await, Canary(UdpSocket::bind("127.0.0.2:0").await.unwrap()));
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&friend.address())]).await), 0);
    client.send_indication(&stranger.address(), b"boo").await;
    client.send(&[0x40, 0, 0, 1, b'x']).await;
    client.heard_nothing().await;
    stranger.is_untouched().await;
    assert_eq!(site.counters().await.unpermitted, 2);

    let relayed = client.relayed.unwrap();
    stranger.0.send_to(b"uninvited", relayed).await.unwrap();
    friend.0.send_to(b"invited", relayed).await.unwrap();
    let (data, from) = client.receive_data().await;
    assert_eq!((data, from.to_string()), (b"invited".to_vec(), friend.address()));
}

#[tokio::test]
async fn t17_channels_are_bound_within_their_range_and_to_one_peer() {
    let site = start(with_all_of_loopback()).await;
    let client = site.allocated().await;
    let friend = Canary::new().await;
    let bind = async |number, to: &str| code(&client.request(METHOD_CHANNEL_BIND, vec![channel(number), peer(to)]).await);
    for number in [0, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF] {
        assert_eq!(bind(number, &friend.address()).await, 400, "{number:#x}");
    }
    assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, vec![peer(&friend.address())]).await), 400);
    assert_eq!(bind(0x4FFF, &friend.address()).await, 0);
    assert_eq!(bind(0x4FFF, &friend.address()).await, 0, "renewed");
    assert_eq!(bind(0x4FFF, "127.0.0.2:5000").await, 400, "another peer on the same channel");
    assert_eq!(bind(0x4000, &friend.address()).await, 400, "another channel to the same peer");

    client.send(&[0x4F, 0xFF, 0, 2, b'h', b'i']).await;
    assert_eq!(receive(&friend.0).await, (b"hi".to_vec(), client.relayed.unwrap()));
    friend.0.send_to(b"yes", client.relayed.unwrap()).await.unwrap();
    assert_eq!(client.receive().await, [0x4F, 0xFF, 0, 3, b'y', b'e', b's'], "datagrams need no padding");
}

#[tokio::test]
async fn t20_permissions_and_channels_are_capped() {
    let usual = Limits::default();
    let site = start(with_all_of_loopback()).await;
    let client = site.allocated().await;
    let bind = async |number, to: &str| code(&client.request(METHOD_CHANNEL_BIND, vec![channel(number), peer(to)]).await);
    let permit = async |peers: &[&str]| {
        let peers = peers.iter().map(|address| peer(address)).collect();
        code(&client.request(METHOD_CREATE_PERMISSION, peers).await)
    };
    // Ten thousand of each are asked for; the ports of one address share its permission.
    for n in 0..10_000_u16 {
        let bound = bind(0x4000 + n % 0x1000, &format!("127.0.0.2:{}", 1 + n)).await;
        let expected = if usize::from(n) < usual.channels_per_allocation { [0, 0] } else { [508, 400] };
        assert!(expected.contains(&bound), "channel {n}: {bound}");
    }
    assert_eq!(bind(0x4001, "127.0.0.2:2").await, 0, "renewing needs no room");
    for n in 1..10_000_u16 {
        let [high, low] = n.to_be_bytes();
        let permitted = permit(&[&format!("127.1.{high}.{low}:1")]).await;
        let expected = if usize::from(n) < usual.permissions_per_allocation { 0 } else { 508 };
        assert_eq!(permitted, expected, "permission {n}");
    }
    assert_eq!(permit(&["127.0.0.2:9", "127.1.0.1:9"]).await, 0, "renewing needs no room");
    assert_eq!(permit(&["127.1.0.1:9", "127.2.0.1:9"]).await, 508, "all or none");
}

#[tokio::test]
async fn datagrams_of_any_size_pass_whole() {
    let site = start(with_local_peers()).await;
    let (client, friend) = (site.allocated().await, Canary::new().await);
    assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, vec![channel(0x4000), peer(&friend.address())]).await), 0);
    for length in [0, 1, 1499, 1500, 1501, 9000, 65_000] {
        let data: Vec<u8> = (0..length).map(|n: usize| n.to_be_bytes()[7]).collect();
        let [l0, l1] = u16::try_from(length).unwrap().to_be_bytes();
        let packet = [&[0x40, 0, l0, l1], &data[..]].concat();
        client.send(&packet).await;
        assert_eq!(receive(&friend.0).await, (data.clone(), client.relayed.unwrap()));
        friend.0.send_to(&data, client.relayed.unwrap()).await.unwrap();
        assert_eq!(client.receive().await, packet);
    }
}

#[tokio::test]
async fn t28_what_goes_over_an_allocations_share_is_dropped_and_counted() {
    let limits = Limits { bytes_per_second: 125_000, ..settings().limits };
    let site = start(Settings { limits, ..with_local_peers() }).await;
    let (client, friend) = (site.allocated().await, Canary::new().await);
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&friend.address())]).await), 0);
    for _ in 0..100 {
        for _ in 0..10 {
            client.send_indication(&friend.address(), &[1; 1000]).await;
        }
        // No faster than the relay takes it: what the system drops before it is counted nowhere.
        client.ask(&build(BINDING_REQUEST, Vec::new())).await;
    }
    client.heard_nothing().await;
    let counters = site.counters().await;
    assert_eq!(receive(&friend.0).await.0.len(), 1000);
    assert_eq!(counters.packets_out + counters.throttled, 1000);
    assert!(counters.throttled > 0, "nothing was dropped");
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 0, "control is not limited");
}

#[tokio::test]
async fn one_allocation_relays_for_both_families() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        skip("this machine has no IPv6");
        return;
    }
    let loopback = vec![(Ipv4Addr::LOCALHOST.into(), 32), (Ipv6Addr::LOCALHOST.into(), 128)];
    let site = start(Settings { relay_ipv6: Some(Ipv6Addr::LOCALHOST), allow_peers: loopback, ..settings() }).await;
    let mut client = site.client().await;
    let additional = Box::new(RawAttribute { typ: AttrType(0x8000), length: 0, value: vec![2, 0, 0, 0] });
    client.allocate_with(vec![udp(), additional]).await;
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let friend = Canary(UdpSocket::bind(at).await.unwrap());
        assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&friend.address())]).await), 0);
        client.send_indication(&friend.address(), b"hello").await;
        let (data, relayed) = receive(&friend.0).await;
        assert_eq!((data.as_slice(), relayed.ip()), (&b"hello"[..], friend.0.local_addr().unwrap().ip()));
        friend.0.send_to(b"back", relayed).await.unwrap();
        assert_eq!(client.receive_data().await, (b"back".to_vec(), friend.0.local_addr().unwrap()));
    }
}

#[tokio::test]
#[ignore = "takes half a minute: nothing in a relay expires sooner"]
async fn a_port_in_reserve_is_free_again_after_half_a_minute() {
    let site = start(settings()).await;
    let mut client = site.client().await;
    let even_port = Box::new(RawAttribute { typ: AttrType(0x0018), length: 0, value: vec![0x80] });
    let even = client.allocate_with(vec![udp(), even_port]).await;
    let reserved = SocketAddr::new(even.ip(), even.port() + 1);
    assert!(UdpSocket::bind(reserved).await.is_err(), "the port is not in reserve");
    let freed = async {
        while UdpSocket::bind(reserved).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30) + PATIENCE, freed).await.expect("the port is still in reserve");
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 0);
}

#[tokio::test]
async fn peers_that_can_not_be_reached_end_nothing() {
    // A socket bound to loopback can send to no other network: the system refuses, as it does without a route.
    let allow_peers = vec![(Ipv4Addr::new(192, 0, 2, 0).into(), 24), (Ipv4Addr::LOCALHOST.into(), 32)];
    let site = start(Settings { allow_peers, ..settings() }).await;
    let client = site.allocated().await;
    let friend = Canary::new().await;
    let closed = Canary::new().await.address();
    let peers = vec![peer("192.0.2.1:5000"), peer(&friend.address())];
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, peers).await), 0);
    for _ in 0..5 {
        client.send_indication("192.0.2.1:5000", b"lost").await;
        client.send_indication(&closed, b"refused").await;
    }
    client.send_indication(&friend.address(), b"hello").await;
    assert_eq!(receive(&friend.0).await.0, b"hello");
    friend.0.send_to(b"back", client.relayed.unwrap()).await.unwrap();
    assert_eq!(client.receive_data().await.0, b"back");
    assert_eq!(site.counters().await.send_errors, 5);
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 0);
}

#[tokio::test]
async fn stopping_frees_the_listener_and_every_relay_port() {
    let mut site = start(settings()).await;
    let relayed = site.allocated().await.relayed.unwrap();
    assert!(UdpSocket::bind(relayed).await.is_err() && UdpSocket::bind(site.address).await.is_err());
    assert!(site.server.stop().success());
    for address in [relayed, site.address] {
        assert!(UdpSocket::bind(address).await.is_ok(), "{address} is still bound");
    }
}

#[tokio::test]
async fn settings_that_contradict_themselves_are_refused() {
    let tasks = hearth::lifecycle::Tasks::new();
    let wrong = [
        Settings { relay_ipv4: Some(Ipv4Addr::UNSPECIFIED), ..settings() },
        Settings { ports: 0..=10, ..settings() },
        #[expect(clippy::reversed_empty_ranges, reason = "this is the mistake that must be found")]
        Settings { ports: 2000..=1000, ..settings() },
        Settings { realm: String::new(), ..settings() },
    ];
    for settings in wrong {
        let refused = hearth::turn::Relay::start(settings.clone(), &tasks).await;
        assert!(refused.is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidInput), "{settings:?}");
    }
}

/// Inside of this process: where the configuration leaves the address out, the program finds one by itself.
#[tokio::test]
async fn without_an_address_to_relay_at_only_binding_is_served() {
    let tasks = hearth::lifecycle::Tasks::new();
    let relay = hearth::turn::Relay::start(Settings { relay_ipv4: None, ..settings() }, &tasks).await.unwrap();
    let client = Client::new(relay.local_addrs()[0], mint(ParticipantId::random())).await;
    client.heard_nothing().await;
    assert_eq!(code(&client.request(METHOD_ALLOCATE, vec![udp()]).await), 440);
}
