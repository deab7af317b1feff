//! Connections that want too much or nothing at all (attacks D1, D3, D5, W12; faults R23).

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::harness::socket::{connect_tls, secure, try_secure};
use crate::harness::{Options, Person, Socket, TestServer, eventually, no_media};
use crate::raw_h2::{DATA, OK, PING, RawH2, frame, get, post};

/// Longer than any deadline that is tried here. Who waits in vain for the end of a connection fails then.
const PATIENCE: Duration = Duration::from_secs(40);
/// How many connections one network may have.
const PER_NETWORK: usize = 256;
/// How many sockets without a seat one network may have.
const WITHOUT_A_SEAT: usize = 10;

/// Shakes hands for one protocol, where the server has a place left.
async fn try_shake_hands(server: &TestServer, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = try_secure(server, TcpStream::connect(server.socket_address()).await?, protocol).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    Ok(stream)
}

async fn shake_hands(server: &TestServer, protocol: &[u8]) -> TlsStream<TcpStream> {
    try_shake_hands(server, protocol).await.unwrap()
}

/// Waits until the server ends the connection, whatever it says before.
async fn ended(stream: impl tokio::io::AsyncRead, what: &str) {
    let mut stream = std::pin::pin!(stream);
    let mut rest = Vec::new();
    // An end without goodbye is an error to TLS, and an end all the same.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap_or_else(|_| panic!("{what} was kept"));
}

/// The preface of HTTP/2 and an empty SETTINGS frame (RFC 9113 §3.4).
const H2_GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn d1_d3_who_never_finishes_a_request_is_not_waited_for() {
    let server = TestServer::start();
    let raw = TcpStream::connect(server.socket_address()).await.unwrap();
    let silent = shake_hands(&server, b"http/1.1").await;
    let silent_h2 = shake_hands(&server, b"h2").await;
    let mut polite_h2 = shake_hands(&server, b"h2").await;
    polite_h2.write_all(H2_GREETING).await.unwrap();
    let (reader, mut writer) = tokio::io::split(shake_hands(&server, b"http/1.1").await);
    let dripping = tokio::spawn(async move {
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a'));
        for byte in request {
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    tokio::join!(
        ended(raw, "a connection without a handshake"),
        ended(silent, "a silent connection"),
        ended(silent_h2, "a silent HTTP/2 connection"),
        ended(polite_h2, "an HTTP/2 connection without a request"),
        ended(reader, "a header that takes forever"),
    );
    dripping.abort();
    Person::guest(&server).get("/healthz").await.ok();
}

/// A request whose body never comes to its end, or never begins; what is answered until the server closes.
async fn slow_post(server: &TestServer, is_dripping: bool) -> JoinHandle<String> {
    let (mut reader, mut writer) = tokio::io::split(shake_hands(server, b"http/1.1").await);
    let head = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
        server.host()
    );
    writer.write_all(head.as_bytes()).await.unwrap();
    writer.flush().await.unwrap();
    let drip = async move {
        while is_dripping && writer.write_all(b" ").await.is_ok() && writer.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let read = async move {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::spawn(async move {
        tokio::select! {
            answer = read => answer,
            () = drip => unreachable!("it drips on"),
        }
    })
}

#[tokio::test]
async fn d3_bodies_that_do_not_come_are_not_waited_for_and_their_places_are_given_back() {
    let config = String::from("[limits]\nconnections_per_address = 10");
    let server = TestServer::with(&Options { config, ..Options::default() });
    let mut slow = Vec::new();
    for count in 0..9 {
        slow.push(slow_post(&server, count % 2 == 0).await);
    }
    let mut slow_h2 = RawH2::open(&server, &[]).await;
    assert!(slow_h2.write(&[post(1, server.host()), post(3, server.host())].concat()).await);
    assert!(try_shake_hands(&server, b"http/1.1").await.is_err(), "there was a place left");
    while slow_h2.heard().answers.len() < 2 {
        assert!(slow_h2.write(&frame(DATA, 0, 3, b" ")).await, "the whole connection ended: {:?}", slow_h2.heard());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let told = slow_h2.hears("both answers", |heard| heard.body.ends_with(b"}}")).await;
    assert_eq!(String::from_utf8_lossy(&told.body).matches("body_too_slow").count(), 2, "{told:?}");
    for answer in slow {
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("a slow body was waited for").unwrap();
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_too_slow"), "{answer}");
    }
    eventually("places are given back", async || try_shake_hands(&server, b"http/1.1").await.is_ok()).await;
    // Only the two streams are over.
    assert!(slow_h2.write(&get(5, "/healthz", server.host())).await);
    let told = slow_h2.hears("another answer", |heard| heard.answers.len() == 3).await;
    assert_eq!(told.answers[2], OK);
}

/// Writes this again and again and reads nothing, until the server has had enough.
async fn never_reads(server: &TestServer, protocol: &[u8], greeting: &[u8], again: Vec<u8>) {
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(4096).unwrap();
    let mut stream = secure(server, tcp.connect(server.socket_address()).await.unwrap(), protocol).await;
    stream.write_all(greeting).await.unwrap();
    let again = again.repeat(100);
    let writing = async { while stream.write_all(&again).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(90), writing).await.expect("who reads nothing was kept");
}

#[tokio::test]
async fn d3_d4_who_takes_no_answers_is_not_waited_for() {
    let server = TestServer::start();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.host()).into_bytes();
    tokio::join!(
        never_reads(&server, b"http/1.1", b"", request),
        never_reads(&server, b"h2", H2_GREETING, frame(PING, 0, 0, &[7; 8])),
    );
    Person::guest(&server).get("/healthz").await.ok();
}

#[tokio::test]
async fn r23_connections_without_a_request_do_not_hold_up_a_stop() {
    let mut server = TestServer::start();
    let _raw = TcpStream::connect(server.socket_address()).await.unwrap();
    let _silent = shake_hands(&server, b"http/1.1").await;
    let _silent_h2 = shake_hands(&server, b"h2").await;
    let mut polite_h2 = shake_hands(&server, b"h2").await;
    polite_h2.write_all(H2_GREETING).await.unwrap();
    assert!(server.stop().success());
    assert!(!server.log().contains("did not end in time"), "{}", server.log());
}

#[tokio::test]
async fn d5_a_socket_has_a_place_among_the_connections_as_long_as_it_is_open() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    // Connections that have only just begun count as well, and cost the test nothing.
    let mut others = Vec::new();
    for _ in 0..PER_NETWORK - 2 {
        others.push(TcpStream::connect(server.socket_address()).await.unwrap());
    }
    let last = shake_hands(&server, b"http/1.1").await;
    assert!(try_shake_hands(&server, b"http/1.1").await.is_err(), "there was a place left: sockets are not counted");
    socket.expect_quiet().await;
    drop((socket.cut(), others.pop(), last));
    eventually("places are given back", async || try_shake_hands(&server, b"http/1.1").await.is_ok()).await;
}

#[tokio::test]
async fn w12_only_so_many_sockets_may_put_off_taking_a_seat() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let joined = ben.join(&room, "Ben").await.ok();
    // Shaking hands takes its time where the machine is busy, and sockets wait for a few seconds only.
    let mut shaken = Vec::new();
    for _ in 0..WITHOUT_A_SEAT + 2 {
        shaken.push(connect_tls(&server).await);
    }
    let mut waiting = Vec::new();
    for stream in shaken.drain(..WITHOUT_A_SEAT) {
        waiting.push(Socket::try_open_on(stream, &server, &[]).await.unwrap());
    }
    let one_more = Socket::try_open_on(shaken.pop().unwrap(), &server, &[]).await;
    assert_eq!(one_more.err().map(|status| status.as_u16()), Some(429));
    let mut seated = waiting.pop().unwrap();
    seated.send(&json!({"type": "join", "ticket": joined["ticket"], "media": no_media()})).await;
    seated.expect("welcome").await;
    waiting.push(Socket::try_open_on(shaken.pop().unwrap(), &server, &[]).await.unwrap());
    seated.expect_quiet().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn d6_the_server_may_open_as_many_files_as_the_system_lets_it() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let usual = getrlimit(Resource::Nofile);
    // What the server is started with; both ends fit into it.
    setrlimit(Resource::Nofile, Rlimit { current: Some(512), ..usual }).unwrap();
    let server = TestServer::start();
    setrlimit(Resource::Nofile, usual).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "512");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn d6_a_server_that_can_open_no_more_files_serves_who_is_there_and_recovers() {
    const FILES: usize = 128;
    let run_by = ["sh", "-c", &format!("ulimit -n {FILES}; exec \"$@\""), "sh"].map(str::to_owned).to_vec();
    let server = TestServer::with(&Options { run_by, ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let mut flood = Vec::new();
    for _ in 0..2 * FILES - 20 {
        flood.push(TcpStream::connect(server.socket_address()).await.unwrap());
    }
    let refused = || server.log().matches("a connection could not be accepted").count();
    eventually("there is no file left to open", async || refused() > 0).await;
    socket.expect_quiet().await;
    socket.send(&json!({"type": "chat", "id": "m1", "text": "is anybody there?"})).await;
    socket.expect("chat").await;
    drop(flood);
    eventually("it takes connections again", async || try_shake_hands(&server, b"http/1.1").await.is_ok()).await;
    ben.get("/api/auth/me").await.ok();
    ben.create("Another", json!({})).await;
}
