//! `GET /metrics`: who may read it, and that it counts what happens.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt as _;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Options, Person, Socket, TestServer, eventually};

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
    // The first backup is made by itself some seconds after the start.
    let lines =
        |text: &str| text.lines().filter(|line| !line.contains("hearth_last_backup")).map(str::to_owned).collect::<Vec<_>>();
    let samples =
        |text: &str| lines(text).iter().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect::<Vec<_>>();
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

/// What Prometheus asks of names and what `promtool check metrics` looks at.
#[tokio::test]
async fn o6_the_page_keeps_to_the_conventions_of_prometheus() {
    let server = complete().await;
    let text = figures(&Person::guest(&server)).await;
    let (mut seen, mut current) = (BTreeSet::new(), (String::new(), String::new()));
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            assert!(seen.insert(name.to_owned()), "{name} stands there twice");
            assert!(help.ends_with('.') && help.len() > 10, "{line}");
            current = (name.to_owned(), String::new());
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert_eq!(name, current.0, "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                ["_milliseconds", "_minutes", "_kilobytes", "_megabytes", "_percent", "_count", "_sum", "_bucket"]
                    .iter()
                    .all(|unit| !name.contains(unit)),
                "{line}"
            );
            assert!(name.starts_with("hearth_") || name.starts_with("process_"), "{line}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            kind.clone_into(&mut current.1);
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert_eq!(base(sample, &current.1), current.0, "{line}");
        }
    }
    assert!(text.ends_with('\n'));
}

/// The metric that a sample belongs to.
fn base<'a>(sample: &'a str, kind: &str) -> &'a str {
    let name = sample.split('{').next().unwrap();
    let suffix = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    suffix.filter(|_| kind == "histogram").unwrap_or(name)
}

/// A server that has something to say of everything.
async fn complete() -> TestServer {
    let mut server = TestServer::with(&Options { self_test: true, ..Options::default() });
    assert!(server.stop().success());
    let backups = server.data_dir().join("backups");
    std::fs::create_dir_all(&backups).unwrap();
    std::fs::write(backups.join("hearth-20260101T000000Z.backup"), "").unwrap();
    server.launch();
    let guest = Person::guest(&server);
    eventually("the relay has tested itself", async || figures(&guest).await.contains("hearth_relay_works")).await;
    server
}

/// Every name of a metric in a text.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_name = |character: char| character.is_ascii_lowercase() || character == '_';
    let words = text.split(|character| !is_of_name(character));
    let names = words.filter(|word| word.starts_with("hearth_") || word.starts_with("process_") && word.len() > "process_".len());
    names
        .map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned())
        .collect()
}

#[tokio::test]
async fn the_dashboard_and_the_guide_name_the_figures_that_there_are() {
    let server = complete().await;
    let text = figures(&Person::guest(&server)).await;
    let exposed: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect();
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(package.join(path)).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&read("packaging/grafana-dashboard.json")).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let asked: BTreeSet<String> = targets.flat_map(|target| named(target["expr"].as_str().unwrap())).collect();
    assert_eq!(asked.difference(&exposed).collect::<Vec<_>>(), Vec::<&String>::new(), "the dashboard asks for what is not there");
    assert_eq!(exposed.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new(), "the dashboard leaves something out");
    let explained = named(&read("docs/WATCHING.md"));
    assert_eq!(explained.difference(&exposed).collect::<Vec<_>>(), Vec::<&String>::new(), "the guide names what is not there");
    let unexplained: Vec<_> = exposed.difference(&explained).filter(|name| name.starts_with("hearth_")).collect();
    assert_eq!(unexplained, Vec::<&String>::new(), "the guide leaves something out");
}

#[tokio::test]
async fn o6_how_long_meetings_last_is_told_when_they_are_over() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let before = figures(&ben).await;
    let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    ben.post_empty(&format!("/api/meetings/{room}/end")).await.ok();
    socket.expect("meetingEnded").await;
    eventually("it is counted", async || value(&figures(&ben).await, "hearth_meeting_duration_seconds_count") == 1).await;
    let after = figures(&ben).await;
    for (sample, was, is) in [
        ("hearth_meetings_started_total", 0, 1),
        (r#"hearth_meeting_duration_seconds_bucket{le="60"}"#, 0, 1),
        (r#"hearth_meeting_duration_seconds_bucket{le="+Inf"}"#, 0, 1),
        ("hearth_participants_joined_total", 0, 1),
        (r#"hearth_participants_left_total{relayed="no"}"#, 0, 1),
        (r#"hearth_participants_left_total{relayed="yes"}"#, 0, 0),
    ] {
        assert_eq!((value(&before, sample), value(&after, sample)), (was, is), "{sample}");
    }
}
