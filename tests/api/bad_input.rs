//! What no client of good will sends (attacks H7 to H9, H16, H17, H20, H22).

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Person, Socket, TestServer, socket};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn h7_wrong_bodies_get_a_code_each_and_change_nothing() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let deep = format!("{{\"title\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: [(&[u8], u16, &str); 12] = [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe{}", 400, "invalid_json"),
        (deep.as_bytes(), 422, "invalid_body"),
        (b"null", 422, "invalid_body"),
        (b"[]", 422, "invalid_body"),
        (b"{}", 422, "invalid_body"),
        (br#"{"title":"x","ownerId":"y"}"#, 422, "invalid_body"),
        (br#"{"title":"x","title":"y"}"#, 422, "invalid_body"),
        (br#"{"title":17}"#, 422, "invalid_body"),
        (br#"{"title":"x","scheduledAt":"tomorrow"}"#, 422, "invalid_body"),
        (br#"{"title":"x","settings":{"maxParticipants":-3}}"#, 422, "invalid_body"),
    ];
    for (body, status, code) in cases {
        let answer = ben.send(Method::POST, "/api/meetings/create", &[JSON], Some(body.to_vec())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(80)])
        );
    }
    assert_eq!(ben.get("/api/meetings").await.ok()["total"], 0);
}

#[tokio::test]
async fn h8_h9_bodies_too_large_compressed_or_not_json_are_refused() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let large = json!({"title": "x", "description": "x".repeat(70_000)}).to_string().into_bytes();
    ben.send(Method::POST, "/api/meetings/create", &[JSON], Some(large)).await.refused(413, "body_too_large");
    let plain = || Some(json!({"title": "x"}).to_string().into_bytes());
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = ben.send(Method::POST, "/api/meetings/create", &[("content-type", kind)], plain()).await;
        answer.refused(415, "not_json");
    }
    ben.send(Method::POST, "/api/meetings/create", &[], plain()).await.refused(415, "not_json");
    let squeezed = ben.send(Method::POST, "/api/meetings/create", &[JSON, ("content-encoding", "gzip")], plain()).await;
    squeezed.refused(415, "compressed_body");
    assert_eq!(ben.get("/api/meetings").await.ok()["total"], 0);
}

#[tokio::test]
async fn h17_h22_unknown_addresses_and_methods_tell_nothing() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    for path in ["/api/nothing", "/api/", "/api/meetings/a/b/c", "/api/admin", "/api/debug/pprof"] {
        guest.get(path).await.refused(404, "not_found");
    }
    guest.send(Method::PUT, "/api/server", &[], None).await.refused(405, "method_not_allowed");
    guest.send(Method::POST, "/nowhere", &[], None).await.refused(404, "not_found");
    for path in [
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/Cargo.toml",
        "/assets/../index.html%00",
        "/.git/config",
        "/index.html.map",
        "/C:%5cwin.ini",
    ] {
        let answer = guest.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.headers.contains_key("server"));
    }
}

#[tokio::test]
async fn h16_requests_that_are_no_http_are_cut_off() {
    let server = TestServer::start();
    let smuggled: [&[u8]; 4] = [
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let huge = [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".as_slice(), &vec![b'x'; 40_000], b"\r\n\r\n"].concat();
    for request in smuggled.into_iter().chain([huge.as_slice()]) {
        let mut stream = socket::connect_tls(&server).await;
        // The server may have enough before everything is sent.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    Person::guest(&server).get("/healthz").await.ok();
}

#[tokio::test]
async fn h20_names_and_titles_are_stripped_of_what_plays_tricks() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let created = ben.post("/api/meetings/create", &json!({"title": "Stand\u{202e}up\r\nBcc: all\u{1b}[2J"})).await.ok();
    assert_eq!(created["meeting"]["title"], "Standup Bcc: all[2J");
    let room = created["meeting"]["roomId"].as_str().unwrap();
    let (mut host, _) = Socket::enter(&server, &ben, room, "Ben").await;
    let guest = Person::guest(&server);
    let (_eve, welcome) = Socket::enter(&server, &guest, room, " E\u{202e}v\u{7f}e\r\n \u{1b}[31mO'Hara\u{200b} ").await;
    assert_eq!(welcome["participants"][1]["name"], "Eve [31mO'Hara");
    assert_eq!(host.expect("participantJoined").await["participant"]["name"], "Eve [31mO'Hara");
    for invisible in ["", " \r\n", "\u{202e}\u{200b}"] {
        guest.join(room, invisible).await.refused(422, "invalid_field");
    }
}
