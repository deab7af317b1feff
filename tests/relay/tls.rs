//! The relay over TLS: the handshake, and records that are not whole.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use hearth::ids::ParticipantId;
use hearth::turn::{Settings, Tls};
use stun::message::{BINDING_REQUEST, BINDING_SUCCESS};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{By, Client, STREAMS_PER_SOURCE, build, mint, receive_frame, say};
use crate::site::{Site, settings, start, tls_config};

/// The program promises ten; a busy machine may be late.
const PROMISE: Duration = Duration::from_secs(15);

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(site.door(By::Tls)).await.unwrap()
}

/// Waits for the relay to close the stream. What it sent before is passed over.
async fn closed(stream: &mut (impl AsyncRead + Unpin), what: &str) {
    let end = async { while !matches!(stream.read(&mut [0; 4096]).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(PROMISE, end).await.unwrap_or_else(|_| panic!("{what} is still open"));
}

#[tokio::test]
async fn clients_that_name_the_protocol_and_those_that_name_none_are_answered() {
    let site = start(settings()).await;
    let offers: [&[&[u8]]; 4] = [&[], &[b"stun.turn"], &[b"stun.nat-discovery", b"stun.turn"], &[b"http/1.1"]];
    for protocols in offers {
        let mut stream = site.shake_hands(connect(&site).await, protocols).await.unwrap();
        let request = build(BINDING_REQUEST, Vec::new());
        say(&mut stream, &request.raw).await.unwrap();
        let mut answer = stun::message::Message { raw: receive_frame(&mut stream).await, ..Default::default() };
        answer.decode().unwrap();
        assert_eq!((answer.typ, answer.transaction_id), (BINDING_SUCCESS, request.transaction_id), "{protocols:?}");
    }
}

#[tokio::test]
async fn t1_it_is_served_over_ipv6_as_well() {
    let tls = Tls { listen: vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))], config: tls_config() };
    let site = start(Settings { tls: Some(tls), ..settings() }).await;
    let mut client = Client::by_stream(&site, By::Tls, mint(ParticipantId::random())).await;
    client.allocate().await;
    assert!(client.server.is_ipv6());
}

#[tokio::test]
async fn t25_handshakes_and_records_that_never_end_are_closed_after_ten_seconds() {
    let site = start(settings()).await;
    let mut mute = connect(&site).await;
    // A record of 512 bytes with a ClientHello, cut off.
    let mut half = connect(&site).await;
    half.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    let (mut slow, mut slowly) = connect(&site).await.into_split();
    let trickle = async {
        for byte in [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3].into_iter().chain(std::iter::repeat_n(0, 30)) {
            if slowly.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    // An allocation buys nobody the right to hold a record open.
    let mut holder = site.shake_hands(connect(&site).await, &[]).await.unwrap();
    say(&mut holder, &build(BINDING_REQUEST, Vec::new()).raw).await.unwrap();
    receive_frame(&mut holder).await;
    holder.get_mut().0.write_all(&[0x17, 3, 3, 0x40, 0, 1, 2, 3]).await.unwrap();
    let ended = async {
        tokio::join!(
            closed(&mut mute, "a connection without a handshake"),
            closed(&mut half, "half a handshake"),
            closed(&mut slow, "a slow handshake"),
            closed(&mut holder, "a record without an end"),
        )
    };
    tokio::select! {
        _ = ended => {}
        () = trickle => panic!("a handshake of one byte each second was waited for"),
    }
}

#[tokio::test]
async fn what_is_not_tls_is_closed_at_once() {
    let site = start(settings()).await;
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], &build(BINDING_REQUEST, Vec::new()).raw] {
        let mut stream = connect(&site).await;
        stream.write_all(first).await.unwrap();
        let closed = closed(&mut stream, "a stream without TLS");
        // Well before the deadline of a handshake.
        tokio::time::timeout(Duration::from_secs(5), closed).await.expect("a stream without TLS was waited for");
    }
}

#[tokio::test]
async fn t25_handshakes_have_places_among_the_streams_of_their_source() {
    let site = start(settings()).await;
    let mut shaking = Vec::new();
    for _ in 0..STREAMS_PER_SOURCE {
        shaking.push(connect(&site).await);
    }
    // By TCP as well: all streams share the places.
    let mut refused = site.stream(By::Tcp).await;
    closed(&mut refused, "a stream without a place").await;
}

#[tokio::test]
async fn t25_clients_taken_over_from_another_listener_are_served_and_counted_like_its_own() {
    let site = start(settings()).await;
    let taken_over = async || {
        let stream = TcpStream::connect(site.server.socket_address()).await.unwrap();
        let mut stream = site.shake_hands(stream, &[]).await.unwrap();
        // Without a place, the end may come first.
        let _ = say(&mut stream, &build(BINDING_REQUEST, Vec::new()).raw).await;
        stream
    };
    let mut streams = Vec::new();
    for _ in 0..STREAMS_PER_SOURCE - 1 {
        let mut stream = taken_over().await;
        assert_eq!(receive_frame(&mut stream).await[..2], [1, 1]);
        streams.push(stream);
    }
    // All share the places.
    let _last = Client::by_stream(&site, By::Tls, mint(ParticipantId::random())).await;
    closed(&mut taken_over().await, "a stream without a place").await;
    closed(&mut site.stream(By::Tcp).await, "a stream without a place").await;
}

#[tokio::test]
async fn a_goodbye_ends_the_stream_although_it_is_open_below() {
    let site = start(settings()).await;
    let mut stream = site.shake_hands(connect(&site).await, &[]).await.unwrap();
    say(&mut stream, &build(BINDING_REQUEST, Vec::new()).raw).await.unwrap();
    receive_frame(&mut stream).await;
    stream.get_mut().1.send_close_notify();
    stream.flush().await.unwrap();
    // Well before the deadline of a stream without an allocation.
    tokio::time::timeout(Duration::from_secs(5), closed(&mut stream, "a stream")).await.expect("the goodbye was not heard");
}

#[tokio::test]
async fn r23_streams_do_not_hold_up_a_stop() {
    let mut site = start(settings()).await;
    let (_shaking, mut shaken) = (connect(&site).await, site.stream(By::Tls).await);
    let client = Client::by_stream(&site, By::Tls, mint(ParticipantId::random())).await;
    assert!(site.server.stop().success());
    assert!(!site.server.log().contains("were dropped"), "something had to be dropped");
    closed(&mut shaken, "a stream of a relay that was stopped").await;
    drop(client);
}
