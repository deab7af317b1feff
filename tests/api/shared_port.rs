//! The relay on the HTTPS port, for networks that let nothing else through (rows T1, R7).

use std::time::Duration;

use serde_json::{Value, json};
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use stun::integrity::MessageIntegrity;
use stun::message::{
    BINDING_REQUEST, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, Message, MessageType, Setter,
};
use stun::textattrs::TextAttribute;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use turn::proto::PROTO_UDP;
use turn::proto::reqtrans::RequestedTransport;

use crate::harness::socket::{connect_tls, connect_tls_for, secure};
use crate::harness::{Options, Person, Socket, TestServer, no_media};

/// Longer than any deadline of the server's that is tried here.
const PATIENCE: Duration = Duration::from_secs(40);

type Stream = TlsStream<TcpStream>;

/// Somebody with a seat, and the entry of the relay that came with it.
async fn seat(server: &TestServer) -> (Socket, Value) {
    let ben = Person::member(server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let joined = ben.join(&room, "Ben").await.ok();
    let mut socket = Socket::open(server).await;
    socket.send(&json!({"type": "join", "ticket": joined["ticket"], "media": no_media()})).await;
    let welcome = socket.expect("welcome").await;
    assert_eq!(welcome["iceServers"][1]["urls"], joined["iceServers"][1]["urls"]);
    (socket, joined["iceServers"][1].clone())
}

/// The addresses that a browser is given for TLS, each with its port.
fn ports(entry: &Value) -> Vec<u16> {
    let urls = entry["urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap());
    let by_tls = urls.filter_map(|url| url.strip_prefix("turns:127.0.0.1:")?.strip_suffix("?transport=tcp"));
    by_tls.map(|port| port.parse().unwrap()).collect()
}

async fn ask(stream: &mut Stream, typ: MessageType, mut attributes: Vec<Box<dyn Setter>>) -> Message {
    let mut all: Vec<Box<dyn Setter>> = vec![Box::new(typ), Box::new(TransactionId::new())];
    all.append(&mut attributes);
    let mut message = Message::new();
    message.build(&all).unwrap();
    stream.write_all(&message.raw).await.unwrap();
    stream.flush().await.unwrap();
    let answered = async {
        let mut raw = vec![0; 20];
        stream.read_exact(&mut raw).await.unwrap();
        raw.resize(20 + usize::from(u16::from_be_bytes([raw[2], raw[3]])), 0);
        stream.read_exact(&mut raw[20..]).await.unwrap();
        raw
    };
    let raw = tokio::time::timeout(PATIENCE, answered).await.expect("the relay doesn't answer");
    let mut answer = Message { raw, ..Message::default() };
    answer.decode().unwrap();
    assert_eq!(answer.transaction_id, message.transaction_id);
    answer
}

async fn allocate(stream: &mut Stream, entry: &Value) -> Message {
    let typ = MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST);
    let udp = || Box::new(RequestedTransport { protocol: PROTO_UDP }) as Box<dyn Setter>;
    let challenge = ask(stream, typ, vec![udp()]).await;
    let text = |attribute| TextAttribute::get_from_as(&challenge, attribute).unwrap().text;
    let (realm, nonce) = (text(ATTR_REALM), text(ATTR_NONCE));
    let told = |key: &str| entry[key].as_str().unwrap().to_owned();
    let (name, password) = (told("username"), told("credential"));
    let with = |attr, text: &str| Box::new(TextAttribute { attr, text: text.to_owned() }) as Box<dyn Setter>;
    let key = Box::new(MessageIntegrity::new_long_term_integrity(name.clone(), realm.clone(), password));
    let sealed = vec![udp(), with(ATTR_USERNAME, &name), with(ATTR_REALM, &realm), with(ATTR_NONCE, &nonce), key];
    ask(stream, typ, sealed).await
}

/// Waits until the server ends the connection, whatever it says before.
async fn ended(stream: &mut Stream, patience: Duration, what: &str) {
    let mut rest = Vec::new();
    // An end without goodbye is an error to TLS, and an end all the same.
    let _ = tokio::time::timeout(patience, stream.read_to_end(&mut rest)).await.unwrap_or_else(|_| panic!("{what} was kept"));
}

/// The first line that HTTP/1.1 gives on this connection.
async fn status_line(stream: &mut Stream, pieces: &[&[u8]]) -> String {
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer").unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn t1_r7_the_https_port_takes_clients_of_the_relay_and_so_does_its_own_port() {
    let server = TestServer::start();
    let (_socket, entry) = seat(&server).await;
    assert_eq!(ports(&entry), [server.socket_address().port()], "{entry}");
    for port in [server.socket_address().port(), server.relay_tls_port()] {
        for protocol in [&b""[..], b"stun.turn", b"http/1.1"] {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut stream = secure(&server, stream, protocol).await;
            let answer = ask(&mut stream, BINDING_REQUEST, Vec::new()).await;
            assert_eq!(answer.typ, MessageType::new(METHOD_BINDING, CLASS_SUCCESS_RESPONSE));
            let answer = allocate(&mut stream, &entry).await;
            assert_eq!(answer.typ, MessageType::new(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE), "{port} {protocol:?}");
        }
    }
}

#[tokio::test]
async fn http_is_answered_beside_the_relay_whatever_protocol_was_named() {
    let server = TestServer::start();
    let (_socket, entry) = seat(&server).await;
    let mut relayed = connect_tls(&server).await;
    allocate(&mut relayed, &entry).await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for protocol in [&b""[..], b"http/1.1"] {
        assert_eq!(status_line(&mut connect_tls_for(&server, protocol).await, &[request]).await, "HTTP/1.1 200 OK");
        let pieces: Vec<_> = request.chunks(1).collect();
        assert_eq!(status_line(&mut connect_tls_for(&server, protocol).await, &pieces).await, "HTTP/1.1 200 OK");
    }
    // Speaks HTTP/2.
    Person::guest(&server).get("/healthz").await.ok();
    ask(&mut relayed, BINDING_REQUEST, Vec::new()).await;
}

#[tokio::test]
async fn d1_who_names_any_protocol_or_none_and_says_nothing_is_not_waited_for() {
    let server = TestServer::start();
    let (mut none, mut relays) = (connect_tls(&server).await, connect_tls_for(&server, b"stun.turn").await);
    // The beginning of a message, and then nothing.
    let mut partial = connect_tls(&server).await;
    partial.write_all(&[0]).await.unwrap();
    partial.flush().await.unwrap();
    tokio::join!(
        ended(&mut none, PATIENCE, "a silent connection"),
        ended(&mut relays, PATIENCE, "a silent client of the relay"),
        ended(&mut partial, PATIENCE, "half a message"),
    );
    Person::guest(&server).get("/healthz").await.ok();
}

#[tokio::test]
async fn t27_leaving_ends_what_was_relayed_over_the_https_port() {
    let server = TestServer::start();
    let (mut socket, entry) = seat(&server).await;
    let mut stream = connect_tls(&server).await;
    assert_eq!(allocate(&mut stream, &entry).await.typ.class, CLASS_SUCCESS_RESPONSE);
    socket.send(&json!({"type": "leave"})).await;
    // The program promises two; a busy machine may be late.
    ended(&mut stream, Duration::from_secs(5), "the stream of somebody who left").await;
}

#[tokio::test]
async fn r23_clients_of_the_relay_do_not_hold_up_a_stop() {
    let mut server = TestServer::start();
    let (_socket, entry) = seat(&server).await;
    let (_silent, mut stream) = (connect_tls(&server).await, connect_tls(&server).await);
    allocate(&mut stream, &entry).await;
    assert!(server.stop().success());
    assert!(!server.log().contains("did not end in time"), "{}", server.log());
    ended(&mut stream, PATIENCE, "a stream of a server that is gone").await;
}

#[tokio::test]
async fn without_a_relay_the_https_port_speaks_http_alone() {
    let server = TestServer::with(&Options { relay: String::from("enabled = false"), ..Options::default() });
    let mut stream = connect_tls(&server).await;
    let mut request = Message::new();
    request.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).unwrap();
    assert_eq!(status_line(&mut stream, &[&request.raw]).await, "HTTP/1.1 400 Bad Request");
    Person::guest(&server).get("/healthz").await.ok();
}
