//! `GET /metrics`: who may read it, and that it counts what happens.

use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt as _;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Options, Person, TestServer, eventually};

const TOKEN: &str = "b4f5c0ffee00b4f5c0ffee00b4f5c0ff";

/// A header that a proxy adds, which makes a request one from elsewhere.
const FORWARDED: (&str, &str) = ("x-forwarded-for", "203.0.113.7");

async fn figures(person: &Person) -> String {
    let response = person.client.get(format!("{}/metrics", person.base)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.text().await.unwrap()
}

#[track_caller]
fn value(figures: &str, sample: &str) -> u64 {
    let line = figures.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is missing in {figures}")).parse().unwrap()
}

async fn ask(person: &Person, authorization: Option<&str>, more: &[(&str, &str)]) -> crate::harness::Answer {
    let authorization = authorization.map(|value| ("authorization", value));
    let headers: Vec<_> = authorization.into_iter().chain(more.iter().copied()).collect();
    person.send(Method::GET, "/metrics", &headers, None).await
}

fn with_token() -> (TestServer, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{TOKEN}\n")).unwrap();
    let config = format!("[metrics]\ntoken_file = \"{}\"", file.path().display());
    (TestServer::with(&Options { config, ..Options::default() }), file)
}

#[tokio::test]
async fn h18_without_a_token_the_figures_are_for_this_machine_alone() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    assert!(figures(&guest).await.contains("# TYPE hearth_relay_bytes_total counter"));
    ask(&guest, None, &[FORWARDED]).await.refused(403, "metrics_local_only");
    let ben = Person::member(&server, "Ben").await;
    let access = format!("Bearer {}", ben.token.as_deref().unwrap());
    ask(&guest, Some(&access), &[FORWARDED]).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn h18_with_the_token_the_figures_are_for_whoever_has_it() {
    let (server, _file) = with_token();
    let guest = Person::guest(&server);
    let right = format!("Bearer {TOKEN}");
    assert_eq!(ask(&guest, Some(&right), &[FORWARDED]).await.status, StatusCode::OK);
    ask(&guest, None, &[FORWARDED]).await.refused(401, "unauthenticated");
    let wrong = format!("Bearer {TOKEN}0");
    ask(&guest, Some(&wrong), &[]).await.refused(401, "unauthenticated");
    let mut limited = false;
    for _ in 0..60 {
        limited |= ask(&guest, Some(&wrong), &[FORWARDED]).await.status == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(limited, "sixty wrong tokens were all looked at");
    assert_eq!(ask(&guest, Some(&right), &[FORWARDED]).await.status, StatusCode::OK);
    assert!(!server.log().contains(TOKEN));
}

#[test]
fn a19_a_token_that_others_can_read_keeps_the_server_from_starting() {
    let mut server = TestServer::start();
    server.kill();
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("token");
    std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    for (text, mode, mend) in [("short", 0o600, "openssl rand"), (TOKEN, 0o644, "chmod 600")] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let output = server.command().env("HEARTH_METRICS_TOKEN_FILE", &path).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(mend) && !said.contains(TOKEN), "{said}");
    }
}

#[tokio::test]
async fn d10_people_and_packets_are_counted_and_not_named() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let before = figures(&ben).await;
    assert_eq!((value(&before, "hearth_meetings"), value(&before, "hearth_seats")), (0, 0));
    for name in ["Ben", "Ann"] {
        ben.join(&room, name).await.ok();
    }
    let relay = ("127.0.0.1", server.relay_port());
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    // An Allocate request without anything in it, and something that is none.
    let mut allocate = vec![0, 3, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    allocate.extend([7; 12]);
    socket.send_to(b"garbage", relay).unwrap();
    socket.send_to(&allocate, relay).unwrap();
    socket.recv(&mut [0; 1500]).unwrap();
    let after = figures(&ben).await;
    assert_eq!((value(&after, "hearth_meetings"), value(&after, "hearth_seats")), (1, 2));
    for (sample, expected) in [
        ("hearth_relay_messages_received_total", 2),
        ("hearth_relay_challenges_total", 1),
        (r#"hearth_relay_denials_total{reason="malformed"}"#, 1),
        ("hearth_relay_authentication_failures_total", 0),
        (r#"hearth_relay_allocations{transport="udp"}"#, 0),
        (r#"hearth_relay_drops_total{reason="unpermitted"}"#, 0),
    ] {
        assert_eq!(value(&after, sample), expected, "{sample}");
    }
    assert!(value(&after, "process_resident_memory_bytes") > 1 << 20);
    let samples = |text: &str| text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect::<Vec<_>>();
    assert_eq!(samples(&before), samples(&after), "what happened made the page longer");
    for told in [&room, "Ben", "127.0.0.1", &ben.id] {
        assert!(!after.contains(told), "{told} is told");
    }
}

#[tokio::test]
async fn whether_the_relay_works_is_told_once_it_has_tested_itself() {
    let untested = TestServer::start();
    assert!(!figures(&Person::guest(&untested)).await.contains("hearth_relay_works"));
    let tested = TestServer::with(&Options { self_test: true, ..Options::default() });
    let guest = Person::guest(&tested);
    eventually("the test has ended", async || figures(&guest).await.contains("hearth_relay_works")).await;
    assert_eq!(value(&figures(&guest).await, "hearth_relay_works"), 1);
}
