//! Many packets at once, which the relay moves together.

use std::net::{Ipv4Addr, SocketAddr};

use stun::message::METHOD_CHANNEL_BIND;
use tokio::net::UdpSocket;
use turn::proto::channum::ChannelNumber;

use crate::client::{Client, code, mint, peer, receive};
use crate::site::{settings, start, with_local_peers};

/// Few enough to fit the buffers of any socket, and more than go into one train.
const BURST: u8 = 100;

async fn bind(client: &Client, number: u16, to: SocketAddr) {
    let attributes = vec![Box::new(ChannelNumber(number)) as _, peer(&to.to_string())];
    assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, attributes).await), 0);
}

/// The `n`th payload of a burst: not all of a size.
fn payload(n: u8) -> Vec<u8> {
    vec![n; if n % 10 == 9 { 33 } else { 200 }]
}

fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&number.to_be_bytes(), &length.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_burst_passes_whole_and_in_order_in_both_directions() {
    let site = start(with_local_peers()).await;
    let client = site.allocated().await;
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    bind(&client, 0x4000, far.local_addr().unwrap()).await;
    for _ in 0..3 {
        for n in 0..BURST {
            client.send(&channel_data(0x4000, &payload(n))).await;
        }
        for n in 0..BURST {
            assert_eq!(receive(&far).await, (payload(n), client.relayed.unwrap()));
        }
        for n in 0..BURST {
            far.send_to(&payload(n), client.relayed.unwrap()).await.unwrap();
        }
        for n in 0..BURST {
            assert_eq!(client.receive().await, channel_data(0x4000, &payload(n)));
        }
    }
    let counters = site.counters().await;
    assert_eq!((counters.packets_out, counters.packets_in), (3 * u64::from(BURST), 3 * u64::from(BURST)));
    assert_eq!((counters.send_errors, counters.receive_errors, counters.throttled), (0, 0, 0));
}

#[tokio::test]
async fn a_burst_passes_between_two_relayed_clients() {
    let site = start(settings()).await;
    let (one, two) = (site.allocated().await, site.allocated().await);
    bind(&one, 0x4000, two.relayed.unwrap()).await;
    bind(&two, 0x4321, one.relayed.unwrap()).await;
    for n in 0..BURST {
        one.send(&channel_data(0x4000, &payload(n))).await;
    }
    for n in 0..BURST {
        assert_eq!(two.receive().await, channel_data(0x4321, &payload(n)));
    }
}

#[tokio::test]
async fn channels_of_one_client_that_come_mixed_each_find_their_peer() {
    let site = start(with_local_peers()).await;
    let client = site.allocated().await;
    let mut far = Vec::new();
    for number in 0x4000..0x4004_u16 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        bind(&client, number, socket.local_addr().unwrap()).await;
        far.push((number, socket));
    }
    for n in 0..BURST {
        for (number, _) in &far {
            client.send(&channel_data(*number, &payload(n))).await;
        }
    }
    for (_, socket) in &far {
        for n in 0..BURST {
            assert_eq!(receive(socket).await.0, payload(n));
        }
    }
}

#[tokio::test]
async fn an_address_that_was_asked_is_the_one_that_answers() {
    let mut settings = settings();
    settings.listen = vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))];
    let site = start(settings).await;
    for address in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
        let server = SocketAddr::new(address.parse().unwrap(), site.address.port());
        let client = Client::new(server, mint(hearth::ids::ParticipantId::random())).await;
        client.heard_nothing().await;
        let crate::client::Line::Udp(socket) = &client.line else { panic!("the client speaks UDP") };
        client.send(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).await;
        let answer = receive(socket).await.1;
        assert_eq!(answer, server);
    }
}
