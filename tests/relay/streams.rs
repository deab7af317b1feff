//! The relay over TCP and TLS: what holds for one holds for the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hearth::ids::ParticipantId;
use hearth::turn::{Limits, Settings};
use rstest::rstest;
use stun::message::{BINDING_REQUEST, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Setter};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpSocket;
use turn::proto::channum::ChannelNumber;

use crate::client::{By, Canary, Client, Line, PATIENCE, Pipe, STREAMS_PER_SOURCE, build, code, mint, peer, receive, say};
use crate::site::{Site, start, with_local_peers};

async fn client(site: &Site, by: By) -> Client {
    client_of(site, by, ParticipantId::random()).await
}

async fn client_of(site: &Site, by: By, participant: ParticipantId) -> Client {
    let mut client = Client::by_stream(site, by, mint(participant)).await;
    client.allocate().await;
    client
}

async fn bind(client: &Client, friend: &Canary) {
    let channel: Box<dyn Setter> = Box::new(ChannelNumber(0x4000));
    assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, vec![channel, peer(&friend.address())]).await), 0);
}

/// ChannelData with its padding.
fn frame(data: &[u8]) -> Vec<u8> {
    let [l0, l1] = u16::try_from(data.len()).unwrap().to_be_bytes();
    let mut frame = [&[0x40, 0, l0, l1], data].concat();
    frame.resize(frame.len().next_multiple_of(4), 0);
    frame
}

/// Waits for the relay to close the stream. What it sent before is passed over.
async fn closed(stream: &mut (impl AsyncRead + Unpin), patience: Duration) {
    let end = async { while !matches!(stream.read(&mut [0; 4096]).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(patience, end).await.expect("the stream is still open");
}

async fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

/// Whether a new stream gets an answer.
async fn is_served(site: &Site, by: By) -> bool {
    let Ok(mut stream) = site.try_stream(by).await else { return false };
    let asked = say(&mut stream, &build(BINDING_REQUEST, Vec::new()).raw).await;
    asked.is_ok() && stream.read_exact(&mut [0; 20]).await.is_ok()
}

fn stream_of(client: Client) -> Pipe {
    match client.line {
        Line::Stream(stream) => stream.into_inner(),
        Line::Udp(_) => panic!("this client speaks UDP"),
    }
}

#[rstest]
#[tokio::test]
async fn channel_data_of_any_length_pass_both_ways_and_are_padded(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(with_local_peers()).await;
    let (client, friend) = (client(&site, by).await, Canary::new().await);
    bind(&client, &friend).await;
    for length in [0, 1, 2, 3, 4, 5, 1199, 1200, 1201, 65_507] {
        let data: Vec<u8> = (0..length).map(|n: usize| n.to_be_bytes()[7]).collect();
        client.send(&frame(&data)).await;
        assert_eq!(receive(&friend.0).await, (data.clone(), client.relayed.unwrap()), "{length} bytes out");
        friend.0.send_to(&data, client.relayed.unwrap()).await.unwrap();
        assert_eq!(client.receive().await, frame(&data), "{length} bytes in");
    }
}

#[rstest]
#[tokio::test]
async fn indications_pass_and_nothing_without_a_permission(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(with_local_peers()).await;
    let (client, friend) = (client(&site, by).await, Canary::new().await);
    client.send_indication(&friend.address(), b"too early").await;
    client.heard_nothing().await;
    friend.is_untouched().await;
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&friend.address())]).await), 0);
    client.send_indication(&friend.address(), b"hello").await;
    assert_eq!(receive(&friend.0).await, (b"hello".to_vec(), client.relayed.unwrap()));
    friend.0.send_to(b"hello yourself", client.relayed.unwrap()).await.unwrap();
    assert_eq!(client.receive_data().await, (b"hello yourself".to_vec(), friend.0.local_addr().unwrap()));
}

#[rstest]
#[tokio::test]
async fn a_client_by_a_stream_and_one_by_udp_meet(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(crate::site::settings()).await;
    let (one, two) = (client(&site, by).await, site.allocated().await);
    let (at_one, at_two) = (one.relayed.unwrap(), two.relayed.unwrap());
    assert_eq!(code(&one.request(METHOD_CREATE_PERMISSION, vec![peer(&at_two.to_string())]).await), 0);
    assert_eq!(code(&two.request(METHOD_CREATE_PERMISSION, vec![peer(&at_one.to_string())]).await), 0);
    one.send_indication(&at_two.to_string(), b"by stream").await;
    assert_eq!(two.receive_data().await, (b"by stream".to_vec(), at_one));
    two.send_indication(&at_one.to_string(), b"by datagram").await;
    assert_eq!(one.receive_data().await, (b"by datagram".to_vec(), at_two));
}

#[rstest]
#[tokio::test]
async fn frames_may_come_in_pieces_and_several_at_once(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(with_local_peers()).await;
    let (client, friend) = (client(&site, by).await, Canary::new().await);
    bind(&client, &friend).await;
    let stream: Vec<u8> = [&b"one"[..], b"two", b"three"].into_iter().flat_map(frame).collect();
    client.send(&stream).await;
    for piece in stream.chunks(1) {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    for expected in ["one", "two", "three", "one", "two", "three"] {
        assert_eq!(receive(&friend.0).await.0, expected.as_bytes());
    }
}

#[rstest]
#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_the_allocation(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(with_local_peers()).await;
    let client = client(&site, by).await;
    let relayed = client.relayed.unwrap();
    assert_eq!(site.counters().await.allocations, 1);
    drop(client);
    site.until("the allocation is gone", |counters| counters.allocations == 0).await;
    until("its port is still bound", PATIENCE, || std::net::UdpSocket::bind(relayed).is_ok()).await;
}

#[rstest]
#[tokio::test]
async fn t25_streams_that_hold_a_frame_open_or_say_nothing_are_closed_after_ten_seconds(#[values(By::Tcp, By::Tls)] by: By) {
    // The program promises ten; a busy machine may be late.
    const PROMISE: Duration = Duration::from_secs(15);
    let site = start(with_local_peers()).await;
    let mut silent = site.stream(by).await;
    let mut partial = site.stream(by).await;
    say(&mut partial, &build(BINDING_REQUEST, Vec::new()).raw[..19]).await.unwrap();
    // An allocation buys nobody the right to hold a frame open.
    let holder = client(&site, by).await;
    holder.send(&[0x40, 0, 0xFF, 0xFB, 1]).await;
    let mut holder = stream_of(holder);
    let (mut trickle, mut trickling) = tokio::io::split(site.stream(by).await);
    let slowly = async {
        for byte in build(BINDING_REQUEST, Vec::new()).raw {
            if say(&mut trickling, &[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut none = [0; 1];
    let ended = async {
        tokio::join!(closed(&mut silent, PROMISE), closed(&mut partial, PROMISE), closed(&mut holder, PROMISE), async {
            let end = tokio::time::timeout(PROMISE, trickle.read(&mut none)).await.expect("the stream is still open");
            assert!(matches!(end, Ok(0) | Err(_)), "the unfinished message was answered");
        })
    };
    tokio::select! {
        _ = ended => {}
        () = slowly => panic!("a message of one byte each second was taken whole"),
    }
    site.until("the allocation is gone", |counters| counters.allocations == 0).await;
}

#[rstest]
#[tokio::test]
async fn t25_streams_of_other_protocols_are_closed(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(with_local_peers()).await;
    let mut oversized = vec![0, 1, 0xFF, 0xFC];
    oversized.extend(0x2112_A442_u32.to_be_bytes());
    // Longer than any request, although somebody with an allocation may say as much.
    let mut long = vec![0, 1, 0x10, 0x00];
    long.extend(0x2112_A442_u32.to_be_bytes());
    let no_allocation = frame(b"no allocation");
    let tls = b"\x16\x03\x01\x02\x00\x01\x00";
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], tls, &[0xFF], &no_allocation, &oversized, &long] {
        let mut stream = site.stream(by).await;
        say(&mut stream, first).await.unwrap();
        // Well before the deadline for a frame.
        closed(&mut stream, Duration::from_secs(5)).await;
    }
    // Without its padding, the second frame begins in the middle of nowhere.
    let client = client(&site, by).await;
    client.send(&[0x40, 0, 0, 1, b'x', 0x40, 0, 0, 1, b'x', 0x40, 0, 0, 1]).await;
    closed(&mut stream_of(client), Duration::from_secs(5)).await;
}

#[rstest]
#[tokio::test]
async fn t25_one_source_has_so_many_streams_and_no_more(#[values(By::Tcp, By::Tls)] by: By) {
    let site = start(with_local_peers()).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_PER_SOURCE {
        open.push(Client::by_stream(&site, by, mint(ParticipantId::random())).await);
    }
    if let Ok(mut more) = site.try_stream(by).await {
        closed(&mut more, Duration::from_secs(5)).await;
    }
    open[0].heard_nothing().await;
    open.pop();
    let admitted = async {
        while !is_served(&site, by).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, admitted).await.expect("the freed place was not given to anybody");
}

#[tokio::test]
async fn t25_strangers_who_take_all_places_make_room_and_who_has_an_allocation_stays() {
    const PLACES: usize = 24;
    const EACH: usize = 8;
    let limits = Limits { allocations: PLACES, allocations_per_source: EACH, ..with_local_peers().limits };
    let site = start(Settings { limits, ..with_local_peers() }).await;
    let held = client(&site, By::Tcp).await;
    let mut strangers = Vec::new();
    for n in 0..3 * EACH {
        let socket = TcpSocket::new_v4().unwrap();
        let network = u8::try_from(n / EACH).unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 25, network), 0))).unwrap();
        let mut stream = socket.connect(site.address).await.unwrap();
        // With something said, none is closed for its silence.
        say(&mut stream, &build(BINDING_REQUEST, Vec::new()).raw).await.unwrap();
        stream.read_exact(&mut [0; 20]).await.unwrap();
        strangers.push(stream);
    }
    // The last stranger has taken the place of the first.
    closed(&mut strangers[0], Duration::from_secs(5)).await;
    let others = [client(&site, By::Tcp).await, client(&site, By::Tls).await];
    closed(&mut strangers[1], Duration::from_secs(5)).await;
    closed(&mut strangers[2], Duration::from_secs(5)).await;
    held.heard_nothing().await;
    assert_eq!(code(&others[0].request(METHOD_REFRESH, vec![]).await), 0);
    assert_eq!(site.counters().await.allocations, 3);
}

#[rstest]
#[tokio::test]
async fn a_client_that_does_not_read_loses_data_and_delays_nobody(#[values(By::Tcp, By::Tls)] by: By) {
    let limits = Limits { bytes_per_second: 1_000_000_000, ..with_local_peers().limits };
    let site = start(Settings { limits, ..with_local_peers() }).await;
    let (sleeper, reader, friend) = (client(&site, by).await, client(&site, by).await, Canary::new().await);
    bind(&sleeper, &friend).await;
    bind(&reader, &friend).await;
    let before = site.counters().await;
    let data = [7; 1200];
    // Until the kernel's buffers and the queue are full, and much longer.
    for sent in 0.. {
        friend.0.send_to(&data, sleeper.relayed.unwrap()).await.unwrap();
        if sent % 500 == 0 && site.counters().await.send_errors >= before.send_errors + 2000 {
            break;
        }
        assert!(sent < 200_000, "nothing was dropped");
    }
    friend.0.send_to(b"for the other", reader.relayed.unwrap()).await.unwrap();
    assert_eq!(reader.receive().await, frame(b"for the other"));
    // What was kept is whole, and the answer to a request stands behind it.
    let request = sleeper.sealed(METHOD_REFRESH, vec![]);
    sleeper.send(&request.raw).await;
    loop {
        let next = sleeper.receive().await;
        if next[0] & 0xC0 == 0 {
            assert_eq!(next[8..20], request.transaction_id.0);
            break;
        }
        assert_eq!(next, frame(&data));
    }
}

#[rstest]
#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_cut_off(#[values(By::Tcp, By::Tls)] by: By) {
    let limits = Limits { bindings_per_second: 1_000_000, ..with_local_peers().limits };
    let site = start(Settings { limits, ..with_local_peers() }).await;
    let mut stream = site.stream(by).await;
    let many = build(BINDING_REQUEST, Vec::new()).raw.repeat(500);
    let asked = async { while say(&mut stream, &many).await.is_ok() {} };
    // Only a stream that was closed ends this: a relay that waited for its client would let the writing hang.
    tokio::time::timeout(Duration::from_secs(25), asked).await.expect("the stream is still open");
}
