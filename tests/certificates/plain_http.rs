//! What is answered over plain HTTP (H12, H14, D1, D5).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::harness::{Options, Port, TestServer, eventually};

/// As many connections as one address may have.
const PER_NETWORK: usize = 256;

/// A server that answers plain HTTP, too, and where.
fn start(more: &str) -> (TestServer, Port) {
    let port = Port::reserve();
    let server = format!("listen_http = [\"127.0.0.1:{}\"]\n{more}", port.number);
    (TestServer::with(&Options { server, ..Options::default() }), port)
}

/// Sends these lines and reads until the server closes.
async fn ask(port: &Port, lines: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port.number)).await.unwrap();
    stream.write_all(lines.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
    read.expect("the connection is still open").unwrap();
    answer.to_lowercase()
}

async fn get(port: &Port, path: &str, host: &str) -> String {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
}

#[tokio::test]
async fn browsers_are_led_to_the_page_and_never_anywhere_else() {
    let (server, port) = start("public_url = \"https://meet.hearth.test\"");
    for host in ["meet.hearth.test", "evil.example"] {
        let answer = get(&port, "/join/abc?x=1", host).await;
        assert!(answer.starts_with("http/1.1 308 "), "{answer}");
        assert!(answer.contains("\r\nlocation: https://meet.hearth.test/join/abc?x=1\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    drop(server);
    let (server, port) = start("");
    let own = format!("https://localhost:{}", server.port());
    for (host, origin) in
        [("localhost", own.clone()), ("evil.example", own), ("127.0.0.1", format!("https://127.0.0.1:{}", server.port()))]
    {
        let answer = get(&port, "/", host).await;
        assert!(answer.contains(&format!("\r\nlocation: {origin}/\r\n")), "{host}: {answer}");
    }
}

#[tokio::test]
async fn nothing_of_the_page_or_the_api_is_there_and_no_challenge_that_nobody_posed() {
    let (_server, port) = start("");
    for path in ["/", "/healthz", "/api/server", "/metrics"] {
        assert!(get(&port, path, "localhost").await.starts_with("http/1.1 308 "), "{path}");
    }
    assert!(get(&port, "/.well-known/acme-challenge/abc", "localhost").await.starts_with("http/1.1 404 "));
    let post = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    assert!(ask(&port, post).await.starts_with("http/1.1 308 "));
}

#[tokio::test]
async fn d1_h16_whoever_is_slow_or_sends_nonsense_is_not_waited_for() {
    let (_server, port) = start("");
    let (silent, slow) = tokio::join!(ask(&port, ""), ask(&port, "GET / HTTP/1.1\r\nHost: localh"));
    for answer in [silent, slow] {
        assert!(answer.is_empty() || answer.starts_with("http/1.1 408 "), "{answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(("127.0.0.1", port.number)).await.unwrap();
    // The server may be gone before it has taken everything.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 308"), "headers of any length are taken");
}

#[tokio::test]
async fn d5_connections_by_plain_http_are_counted_with_the_others() {
    let (server, port) = start("");
    let mut held = Vec::new();
    for _ in 0..PER_NETWORK {
        held.push(TcpStream::connect(("127.0.0.1", port.number)).await.unwrap());
    }
    // All have been accepted when one more is turned away.
    assert!(is_closed(("127.0.0.1", port.number)).await, "there is no bound on plain connections");
    assert!(is_closed(server.socket_address()).await, "plain connections are not counted with the others");
    drop(held);
    eventually("places are given back", async || !is_closed(server.socket_address()).await).await;
}

/// Whether a new connection is closed at once.
async fn is_closed(address: impl ToSocketAddrs) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut [0; 1])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}
