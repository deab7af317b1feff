//! Whose page may speak for whom (attacks H10, H11, W1).

use reqwest::Method;
use serde_json::json;

use crate::harness::{Person, Socket, TestServer};

fn foreign_origins(server: &TestServer) -> Vec<String> {
    vec![
        "https://evil.example".into(),
        "null".into(),
        format!("{}.evil.example", server.address),
        server.address.replace("https", "http"),
        "https://localhost".into(),
    ]
}

#[tokio::test]
async fn h10_h11_other_sites_can_neither_change_nor_read_anything() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    for origin in foreign_origins(&server) {
        for path in ["/api/auth/refresh", "/api/auth/logout", "/api/meetings/create"] {
            let answer = ben
                .send(Method::POST, path, &[("origin", &origin), ("content-type", "application/json")], Some(b"{}".to_vec()))
                .await;
            answer.refused(403, "cross_origin");
        }
        let read = ben.send(Method::GET, "/api/auth/me", &[("origin", &origin)], None).await;
        assert!(!read.headers.contains_key("access-control-allow-origin"));
    }
    ben.send(Method::POST, "/api/auth/refresh", &[("sec-fetch-site", "cross-site")], None).await.refused(403, "cross_origin");
    ben.send(Method::POST, "/api/auth/refresh", &[("origin", &server.address), ("sec-fetch-site", "same-origin")], None)
        .await
        .ok();
}

#[tokio::test]
async fn w1_sockets_open_from_our_own_page_only() {
    let server = TestServer::start();
    for origin in foreign_origins(&server) {
        assert_eq!(
            Socket::try_open(&server, &[("origin", &origin)]).await.err().map(|status| status.as_u16()),
            Some(403),
            "{origin}"
        );
    }
    let cookie = [("origin", ""), ("cookie", "__Secure-hearth-refresh=x")];
    assert_eq!(Socket::try_open(&server, &cookie).await.err().map(|status| status.as_u16()), Some(403));
    // A client that is no browser sends neither, and has no cookies to abuse.
    assert!(Socket::try_open(&server, &[("origin", "")]).await.is_ok());
    let protocol = [("sec-websocket-protocol", "hearth.v9")];
    assert_eq!(Socket::try_open(&server, &protocol).await.err().map(|status| status.as_u16()), Some(400));
    Person::guest(&server).get("/api/signaling").await.refused(426, "not_a_websocket");
}

#[tokio::test]
async fn h13_headers_that_claim_another_address_do_not_lift_a_limit() {
    let server = TestServer::start();
    let stranger = Person::guest(&server);
    let mut refused = false;
    for attempt in 0..40 {
        let address = format!("198.51.100.{attempt}");
        let headers = [("x-forwarded-for", address.as_str()), ("x-real-ip", &address), ("content-type", "application/json")];
        let body = json!({"email": format!("user{attempt}@example.org"), "password": "a wrong password"}).to_string();
        let answer = stranger.send(Method::POST, "/api/auth/login", &headers, Some(body.into_bytes())).await;
        refused |= answer.status == 429;
    }
    assert!(refused, "forty failed sign-ins from one address were all taken");
}
