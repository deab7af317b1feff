//! A server with a public address of its own, reached by it, by another name, and through a proxy that writes its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestServer};

const PUBLIC: &str = "https://meet.example.org";

/// A server that is known as [`PUBLIC`].
struct PublicServer {
    child: Child,
    server: TestServer,
}

impl PublicServer {
    fn start() -> Self {
        let mut server = TestServer::start();
        assert!(server.stop().success());
        let mut child = server
            .command()
            .env("HEARTH_SERVER_PUBLIC_URL", PUBLIC)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let announced: Vec<_> = lines.map(Result::unwrap).take_while(|line| line != "Press Ctrl-C to stop.").collect();
        assert!(announced.contains(&format!("address: {PUBLIC}")), "{announced:?}");
        Self { child, server }
    }

    /// The host by which this test reaches it.
    fn local(&self) -> &str {
        self.server.address.strip_prefix("https://").unwrap()
    }
}

impl Drop for PublicServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn join(person: &Person, room: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
    let body = json!({"roomId": room, "displayName": "Gus"}).to_string().into_bytes();
    person.send(Method::POST, "/api/meetings/join", &headers, Some(body)).await
}

fn relay_host(joined: &Value) -> &str {
    let url = joined["iceServers"][0]["urls"][0].as_str().unwrap();
    url.split(':').nth(1).unwrap()
}

#[tokio::test]
async fn the_page_is_ours_by_the_public_name_by_the_reached_one_and_behind_a_proxy() {
    let server = PublicServer::start();
    let ben = Person::member(&server.server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let guest = Person::guest(&server.server);
    let (local, local_origin) = (server.local().to_owned(), server.server.address.clone());
    let public = PUBLIC.strip_prefix("https://").unwrap();
    let cases = [
        // By the public name.
        (vec![("host", public), ("origin", PUBLIC)], public),
        // By another name or address, as from inside the house.
        (vec![("host", &*local), ("origin", &*local_origin)], &*local),
        // Through a proxy that writes its own name for the server.
        (vec![("host", &*local), ("origin", PUBLIC)], public),
        // No browser.
        (vec![("host", &*local)], public),
    ];
    for (headers, reached) in cases {
        let joined = join(&guest, &room, &headers).await.ok();
        assert_eq!(joined["signalingUrl"], json!(format!("wss://{reached}/api/signaling")), "{headers:?}");
        // A relay on the browser's own machine may go by its address.
        assert_eq!(relay_host(&joined) == public, reached == public, "{headers:?}");
    }
    for origin in ["https://evil.example", "https://meet.example.org:8443", "http://meet.example.org", "null"] {
        join(&guest, &room, &[("host", &local), ("origin", origin)]).await.refused(403, "cross_origin");
        join(&guest, &room, &[("host", public), ("origin", origin)]).await.refused(403, "cross_origin");
    }
    join(&guest, &room, &[("host", public), ("origin", &local_origin)]).await.refused(403, "cross_origin");
}

#[tokio::test]
async fn u2_the_policy_names_the_public_host_beside_the_reached_one() {
    let server = PublicServer::start();
    let guest = Person::guest(&server.server);
    let policy = guest.get("/").await.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains(&format!("connect-src 'self' wss://meet.example.org wss://{};", server.local())), "{policy}");
    let answer = guest.send(Method::GET, "/", &[("host", "meet.example.org")], None).await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self' wss://meet.example.org;"), "{policy}");
}
