//! By which ways clients and peers meet: over IPv6, by an address that only the outside knows, and in packets that must stay whole.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hearth::turn::Settings;
use stun::attributes::{AttrType, RawAttribute};
use stun::message::{CLASS_INDICATION, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_SEND, Message, MessageType, Setter};
use tokio::net::UdpSocket;
use turn::proto::channum::ChannelNumber;
use turn::proto::data::Data;
use turn::proto::reqfamily::REQUESTED_FAMILY_IPV6;

use crate::client::{Canary, Client, build, code, peer, receive, udp};
use crate::harness::skip;
use crate::peers::{in_a_network_of_its_own, ip, lead_everything_here};
use crate::site::{settings, start, with_local_peers};

async fn bind(client: &Client, number: u16, to: &str) -> u16 {
    code(&client.request(METHOD_CHANNEL_BIND, vec![Box::new(ChannelNumber(number)), peer(to)]).await)
}

#[tokio::test]
async fn clients_by_udp_over_ipv6_are_relayed_at_both_families() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        skip("this machine has no IPv6");
        return;
    }
    let site = start(Settings {
        listen: vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))],
        relay_ipv6: Some(Ipv6Addr::LOCALHOST),
        allow_peers: vec![(Ipv4Addr::LOCALHOST.into(), 32), (Ipv6Addr::LOCALHOST.into(), 128)],
        ..settings()
    })
    .await;
    for (attributes, home) in [(vec![udp()], "127.0.0.1:0"), (vec![udp(), Box::new(REQUESTED_FAMILY_IPV6) as _], "[::1]:0")] {
        let mut client = site.client().await;
        assert!(client.address().is_ipv6());
        let relayed = client.allocate_with(attributes).await;
        let friend = Canary(UdpSocket::bind(home).await.unwrap());
        let at = friend.address();
        assert_eq!(relayed.ip(), friend.0.local_addr().unwrap().ip());
        assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&at)]).await), 0);
        client.send_indication(&at, b"hello").await;
        assert_eq!(receive(&friend.0).await, (b"hello".to_vec(), relayed));
        friend.0.send_to(b"back", relayed).await.unwrap();
        assert_eq!(client.receive_data().await, (b"back".to_vec(), friend.0.local_addr().unwrap()));
        assert_eq!(bind(&client, 0x4000, &at).await, 0);
        // One after the other at first, then together.
        for count in [1, 50] {
            for n in 0..count {
                client.send(&[0x40, 0, 0, 2, b'h', n]).await;
            }
            for n in 0..count {
                assert_eq!(receive(&friend.0).await, (vec![b'h', n], relayed));
            }
            for n in 0..count {
                friend.0.send_to(&[b'b', n], relayed).await.unwrap();
            }
            for n in 0..count {
                assert_eq!(client.receive().await, [0x40, 0, 0, 2, b'b', n]);
            }
        }
    }
}

#[tokio::test]
async fn channels_lead_from_relay_to_relay_by_the_outside_address() {
    let outside = Ipv4Addr::new(127, 0, 0, 9);
    let site = start(Settings { external_ipv4: Some(outside), ..settings() }).await;
    let (one, two) = (site.allocated().await, site.allocated().await);
    let (at_one, at_two) = (one.relayed.unwrap(), two.relayed.unwrap());
    assert_eq!((at_one.ip(), at_two.ip()), (outside.into(), outside.into()));
    assert_eq!(bind(&one, 0x4000, &at_two.to_string()).await, 0);
    assert_eq!(bind(&two, 0x4321, &at_one.to_string()).await, 0);
    for n in 0..50 {
        one.send(&[0x40, 0, 0, 2, b'a', n]).await;
    }
    for n in 0..50 {
        assert_eq!(two.receive().await, [0x43, 0x21, 0, 2, b'a', n]);
    }
    for n in 0..50 {
        two.send(&[0x43, 0x21, 0, 2, b'b', n]).await;
    }
    for n in 0..50 {
        assert_eq!(one.receive().await, [0x40, 0, 0, 2, b'b', n]);
    }
    assert_eq!(bind(&one, 0x4001, "127.0.0.9:443").await, 403, "there is no relay at this port");
}

fn whole() -> Box<dyn Setter> {
    Box::new(RawAttribute { typ: AttrType(0x001A), length: 0, value: Vec::new() })
}

/// A Send indication whose payload must not be sent in fragments.
fn whole_indication(to: &str, data: &[u8]) -> Message {
    let attributes = vec![peer(to), whole(), Box::new(Data(data.to_vec())) as Box<dyn Setter>];
    build(MessageType::new(METHOD_SEND, CLASS_INDICATION), attributes)
}

#[tokio::test]
async fn what_must_not_be_fragmented_is_accepted_and_delivered() {
    let site = start(with_local_peers()).await;
    let (mut client, friend) = (site.client().await, Canary::new().await);
    let relayed = client.allocate_with(vec![udp(), whole()]).await;
    let at = friend.address();
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&at)]).await), 0);
    // Asked for by each packet, and not by the allocation: the ones between are sent as ever.
    for n in 0..10 {
        client.send(&whole_indication(&at, &[n; 1200]).raw).await;
        client.send_indication(&at, b"between").await;
        assert_eq!(receive(&friend.0).await, (vec![n; 1200], relayed));
        assert_eq!(receive(&friend.0).await, (b"between".to_vec(), relayed));
    }
    let counters = site.counters().await;
    assert_eq!((counters.packets_out, counters.malformed, counters.send_errors), (20, 0, 0));
}

#[test]
fn a_packet_that_must_stay_whole_is_lost_where_it_does_not_fit() {
    in_a_network_of_its_own("ways::whole_packets_do_not_fit");
}

#[tokio::test]
#[ignore = "needs a network of its own, which the test above makes for it"]
async fn whole_packets_do_not_fit() {
    if !lead_everything_here() {
        return;
    }
    ip("link set lo mtu 1400");
    let site = start(with_local_peers()).await;
    let (client, friend) = (site.allocated().await, Canary::new().await);
    let at = friend.address();
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&at)]).await), 0);
    client.send(&whole_indication(&at, &[1; 1500]).raw).await;
    client.send_indication(&at, &[2; 1500]).await;
    client.send(&whole_indication(&at, &[3; 1300]).raw).await;
    for expected in [vec![2; 1500], vec![3; 1300]] {
        assert_eq!(receive(&friend.0).await, (expected, client.relayed.unwrap()));
    }
    assert_eq!(site.counters().await.send_errors, 1);
}
