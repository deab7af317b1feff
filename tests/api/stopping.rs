//! Stopping, whatever clients hold on to (rows R23, O3).

use std::net::SocketAddr;
use std::time::Duration;

use hearth::lifecycle::STOP_DEADLINE;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;

use crate::harness::socket::{connect_tls, connect_tls_for, secure};
use crate::harness::{Person, Socket, TestServer, eventually};
use crate::raw_h2::{OK, RawH2, get};

/// What is promised to whoever stops the server: this is no measurement.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn r23_one_signal_is_enough_whatever_clients_hold_on_to() {
    let mut server = TestServer::start();
    let _shaking = half_a_handshake(&server).await;
    let _http1 = idle_http1(&server).await;
    let _http2 = idle_http2(&server).await;
    let _stuck = stuck_socket(&server).await;
    server.signal("TERM");
    let status = server.wait_within(STOPS_WITHIN).await.expect("the server ends within ten seconds");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn r23_a_second_signal_ends_it_at_once_although_a_request_is_under_way() {
    let mut server = TestServer::start();
    let _unfinished = unfinished_request(&server).await;
    let mut idle = idle_http1(&server).await;
    server.signal("TERM");
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest).await;
    assert_eq!(String::from_utf8_lossy(&rest), "", "the idle connection is closed, so the stop has begun");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(server.is_running(), "it did not wait for the request");
    server.signal("TERM");
    // By itself it would have waited on for the rest of its deadline.
    let status = server.wait_within(STOP_DEADLINE / 2).await.expect("the second signal made a difference");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn r23_a_request_under_way_is_answered_before_the_server_ends() {
    let mut server = TestServer::start();
    let mut request = unfinished_request(&server).await;
    let mut idle = idle_http1(&server).await;
    server.signal("TERM");
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest).await;
    eventually("it takes no more connections", async || TcpStream::connect(server.socket_address()).await.is_err()).await;
    request.write_all(&[b' '; 99]).await.unwrap();
    request.flush().await.unwrap();
    let mut answer = Vec::new();
    let _ = request.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400"), "the body is no JSON, and the client is told so: {answer}");
    let status = server.wait_within(STOPS_WITHIN).await.expect("the server ends when the request has");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn r20_who_is_shaking_hands_when_the_stop_begins_is_served() {
    for protocol in [&b"http/1.1"[..], b"h2", b""] {
        let mut server = TestServer::start();
        let mut door = Door::before(&server).await;
        let hello = TcpStream::connect(door.address).await.unwrap();
        let shaking = async { secure(&server, hello, protocol).await };
        let stopping = async {
            door.is_passed().await;
            // The server takes connections in order, so it has the one behind the door when it answers this one.
            let mut idle = idle_http1(&server).await;
            server.signal("TERM");
            let mut rest = Vec::new();
            let _ = idle.read_to_end(&mut rest).await;
            eventually("it takes no more connections", async || TcpStream::connect(server.socket_address()).await.is_err()).await;
            door.open();
        };
        let (stream, ()) = tokio::join!(shaking, stopping);
        if protocol == b"h2" {
            let mut client = RawH2::on(stream, &[]).await;
            assert!(client.write(&get(1, "/healthz", server.host())).await);
            let heard =
                client.hears("an answer and a goodbye", |heard| heard.goodbye.is_some() && !heard.answers.is_empty()).await;
            assert_eq!((heard.goodbye, heard.answers), (Some(0), vec![OK]));
        } else {
            let answer = answer_to_one_request(stream).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{protocol:?}: {answer}");
        }
        // Whoever has heard the goodbye hangs up, as this client did.
        let status = server.wait_within(STOPS_WITHIN).await.expect("the server ends when it has answered");
        assert!(status.success(), "{status}");
        assert!(!server.log().contains("did not end in time"), "{protocol:?}: {}", server.log());
    }
}

async fn answer_to_one_request(mut stream: TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Stands between a client and the server, and lets the first few bytes through until it is opened.
struct Door {
    address: SocketAddr,
    passed: Option<oneshot::Receiver<()>>,
    opened: Option<oneshot::Sender<()>>,
}

impl Door {
    async fn before(server: &TestServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, server) = (listener.local_addr().unwrap(), server.socket_address());
        let ((has_passed, passed), (opened, is_opened)) = (oneshot::channel(), oneshot::channel());
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(server).await.unwrap();
            let mut few = [0; 6];
            client.read_exact(&mut few).await.unwrap();
            server.write_all(&few).await.unwrap();
            has_passed.send(()).unwrap();
            is_opened.await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        Self { address, passed: Some(passed), opened: Some(opened) }
    }

    /// Waits until the first bytes are on their way to the server.
    async fn is_passed(&mut self) {
        self.passed.take().unwrap().await.unwrap();
    }

    fn open(&mut self) {
        self.opened.take().unwrap().send(()).unwrap();
    }
}

/// A client that began to say hello. The server takes connections in order, so it has this one when it answers a later one.
async fn half_a_handshake(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.socket_address()).await.unwrap();
    // A record of 512 bytes with a ClientHello, cut off.
    stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    stream
}

/// A connection that could be used again.
async fn idle_http1(server: &TestServer) -> TlsStream<TcpStream> {
    let mut stream = connect_tls_for(server, b"http/1.1").await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// A connection that has exchanged settings and then never reads again: it won't say that it has heard of the stop.
async fn idle_http2(server: &TestServer) -> TlsStream<TcpStream> {
    const SETTINGS: u8 = 4;
    let frame = |flags| [0, 0, 0, SETTINGS, flags, 0, 0, 0, 0];
    let mut stream = connect_tls_for(server, b"h2").await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(0)).await.unwrap();
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header[3], SETTINGS);
    stream.write_all(&frame(1)).await.unwrap();
    stream
}

/// A socket in a meeting that gets more than it reads, so that the server is in the middle of writing to it.
async fn stuck_socket(server: &TestServer) -> (Socket, Socket) {
    let ben = Person::member(server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (stuck, _) = Socket::enter_with_small_buffer(server, &Person::guest(server), &room, "Gus").await;
    let (mut sender, _) = Socket::enter(server, &ben, &room, "Ben").await;
    let offer = json!({"type": "offer", "to": stuck.participant, "sdp": "x".repeat(48 * 1024)});
    for _ in 0..150 {
        sender.send(&offer).await;
    }
    sender.skip_to("participantDisconnected").await;
    (stuck, sender)
}

/// A request whose body never comes to its end. The server has begun to deal with it: it has asked for the body.
async fn unfinished_request(server: &TestServer) -> TlsStream<TcpStream> {
    let mut stream = connect_tls(server).await;
    let host = server.address.strip_prefix("https://").unwrap();
    let head = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{").await.unwrap();
    stream.flush().await.unwrap();
    stream
}
