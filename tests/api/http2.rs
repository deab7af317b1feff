//! Clients that abuse HTTP/2 (attack D4): each is stopped or bounded, the server stays as small as it was, and everybody else is served.

use std::fs::read_to_string;

use serde_json::json;

use crate::harness::{Person, Socket, TestServer};
use crate::raw_h2::{
    ACK, CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Heard, OK, PATIENCE, PING, REFUSED_STREAM, RST_STREAM,
    RawH2, SETTINGS, WINDOW_UPDATE, frame, get, post, request,
};

/// More than there may be at once on one connection, by far.
const MANY: u32 = 10_000;
/// How many there may be.
const STREAMS: usize = 100;
/// By how much the server may grow, in KiB: generous, and far less than any of these would cost without a bound.
const GROWTH: u64 = 64 * 1024;
/// The error that is none.
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// How many answers somebody else must get meanwhile.
const OTHERS: usize = 20;
/// A setting: how much of an answer the client takes before it is asked.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The highest that the server's memory ever stood, and where it stands, in KiB.
fn memory(server: &TestServer) -> (u64, u64) {
    let status = read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (of("VmHWM:"), of("VmRSS:"))
}

/// Streams are numbered by odd numbers (RFC 9113 §5.1.1).
fn stream(count: u32) -> u32 {
    2 * count + 1
}

/// Repeats `attack` until somebody else got so many answers over connections of their own and over a socket that was open before.
/// Each attack must come to its end by itself. The server must not have grown by more than the bound.
async fn besieged(attack: impl AsyncFn(&TestServer)) {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (_, before) = memory(&server);
    let (done, is_done) = tokio::sync::watch::channel(false);
    let attacks = async {
        let mut count = 0;
        while count == 0 || !*is_done.borrow() {
            attack(&server).await;
            count += 1;
        }
    };
    let others = async {
        for _ in 0..OTHERS {
            let answered = tokio::time::timeout(PATIENCE, ben.get("/healthz")).await;
            answered.expect("others get no answers").ok();
            socket.expect_quiet().await;
        }
        done.send(true).unwrap();
    };
    tokio::join!(attacks, others);
    let (highest, _) = memory(&server);
    assert!(highest < before + GROWTH, "the server grew from {before} to {highest} KiB");
    assert!(server.is_running());
}

/// Insists that the server took its leave because of the client's ways.
async fn sent_away(client: &mut RawH2) {
    let heard = client.hears("an end", |heard| heard.ended).await;
    assert_eq!(heard.goodbye, Some(ENHANCE_YOUR_CALM), "{heard:?}");
}

#[tokio::test]
async fn d4_streams_that_are_opened_and_reset_at_once_end_the_connection() {
    besieged(async |server| {
        let mut client = RawH2::open(server, &[]).await;
        // Many to a packet, which is what makes it cheap for the client.
        let packet = |packet: u32| {
            let opened = (packet * 50..packet * 50 + 50).flat_map(|count| {
                let reset = frame(RST_STREAM, 0, stream(count), &CANCEL);
                [get(stream(count), "/api/server", server.host()), reset].concat()
            });
            opened.collect()
        };
        client.write_until_closed(MANY / 50, packet).await;
        sent_away(&mut client).await;
    })
    .await;
}

#[tokio::test]
async fn d4_streams_that_the_server_is_made_to_reset_end_the_connection() {
    /// Each is a fault of a stream, for which the server resets it (RFC 9113 §5.4.2).
    type Fault = fn(u32) -> Vec<u8>;
    let no_increment: Fault = |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    let overflow: Fault = |stream| frame(WINDOW_UPDATE, 0, stream, &0x7FFF_FFFF_u32.to_be_bytes());
    let closed_already: Fault = |stream| {
        let end = frame(DATA, END_STREAM, stream, b"{}");
        [end.clone(), end].concat()
    };
    for fault in [no_increment, overflow, closed_already] {
        besieged(async |server| {
            let mut client = RawH2::open(server, &[]).await;
            let packet = |packet: u32| {
                let faults = (packet * 20..packet * 20 + 20)
                    .flat_map(|count| [post(stream(count), server.host()), fault(stream(count))].concat());
                faults.collect()
            };
            client.write_until_closed(MANY / 20, packet).await;
            // One of them is a fault of the whole connection to this server.
            let heard = client.hears("an end", |heard| heard.ended).await;
            assert!(heard.goodbye.is_some_and(|error| error != 0), "{heard:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn d4_headers_without_an_end_end_the_connection() {
    for piece in [vec![], vec![0; 16], vec![b'a'; 16 * 1024]] {
        besieged(async |server| {
            let mut client = RawH2::open(server, &[]).await;
            // The first part of a header whose value is announced to be longer than all that follows.
            let mut headers = request("GET", "/", server.host(), &[]);
            headers.extend([0, 1, b'a', 0x7F, 0xFF, 0xFF, 0xFF, 0x0F]);
            client.write(&frame(HEADERS, END_STREAM, 1, &headers)).await;
            client.write_until_closed(MANY, |_| frame(CONTINUATION, 0, 1, &piece)).await;
            let heard = client.hears("an end", |heard| heard.ended).await;
            assert!(heard.goodbye.is_some_and(|error| error != 0) && heard.answers.is_empty(), "{heard:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn d4_ten_thousand_streams_at_once_are_refused_and_then_end_the_connection() {
    besieged(async |server| {
        let mut client = RawH2::open(server, &[]).await;
        client.write_until_closed(MANY, |count| post(stream(count), server.host())).await;
        sent_away(&mut client).await;
        let heard = client.heard();
        assert!(heard.resets.contains(&REFUSED_STREAM), "{heard:?}");
    })
    .await;
}

#[tokio::test]
async fn d4_answers_that_nobody_takes_cost_next_to_nothing() {
    besieged(async |server| {
        let mut client = RawH2::open(server, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        let opened: Vec<u8> =
            (0..2 * u32::try_from(STREAMS).unwrap()).flat_map(|count| get(stream(count), "/", server.host())).collect();
        assert!(client.write(&opened).await);
        let is_told = |heard: &Heard| heard.answers.len() + heard.resets.len() >= 2 * STREAMS;
        let heard = client.hears("a word about each stream", is_told).await;
        assert!(heard.resets.len() >= STREAMS && heard.resets.iter().all(|error| *error == REFUSED_STREAM), "{heard:?}");
        assert!(heard.answers.iter().all(|status| *status == OK) && heard.body.is_empty(), "{heard:?}");
    })
    .await;
}

#[tokio::test]
async fn d4_pings_and_settings_without_end_are_answered_one_by_one_and_pile_up_nowhere() {
    let floods = [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0].repeat(10))];
    for flood in floods {
        besieged(async |server| {
            let mut client = RawH2::open(server, &[]).await;
            let packet = flood.repeat(100);
            let written = client.write_until_closed(MANY / 100, |_| packet.clone()).await;
            // The first of its own settings is acknowledged, too.
            let expected = written as usize * 100 + 1;
            // Who reads the answers may go on: each costs the client as much as the server.
            let heard = client.hears("an answer to each", |heard| heard.ended || heard.acknowledged == expected).await;
            assert!(!heard.ended && heard.goodbye.is_none(), "{heard:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn d4_data_without_any_data_end_the_connection() {
    besieged(async |server| {
        let mut client = RawH2::open(server, &[]).await;
        assert!(client.write(&post(stream(0), server.host())).await);
        let empty = frame(DATA, 0, stream(0), &[]).repeat(100);
        client.write_until_closed(MANY / 100, |_| empty.clone()).await;
        sent_away(&mut client).await;
    })
    .await;
}

#[tokio::test]
async fn d4_frames_that_nobody_answers_use_up_the_clients_own_time_and_are_not_written_down() {
    besieged(async |server| {
        let mut client = RawH2::open(server, &[]).await;
        assert!(client.write(&post(stream(0), server.host())).await);
        let idle = [frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()), frame(PING, ACK, 0, &[0; 8])].concat().repeat(100);
        assert_eq!(client.write_until_closed(MANY / 100, |_| idle.clone()).await, MANY / 100);
        assert!(client.write(&frame(DATA, END_STREAM, stream(0), b"{}")).await);
        let heard = client.hears("an answer", |heard| heard.ended || !heard.answers.is_empty()).await;
        assert!(!heard.ended && heard.goodbye.is_none(), "{heard:?}");
        assert!(!server.log().contains(" WARN h2"), "strangers write into the log: {}", server.log());
    })
    .await;
}
