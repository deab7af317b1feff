//! What the server writes about itself: one line an event, whoever is named in it, and never at the cost of those it serves.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use crate::harness::socket::connect_tls_for;
use crate::harness::{Options, Person, Socket, TestServer, eventually, no_media, world};

/// What a stranger would like to stand in the log.
const FORGED: &str =
    "Eve\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\n2026-01-01T00:00:00.000Z ERROR hearth: forged\u{1b}[2J\u{202e}";

fn logging(format: &str, more: &str) -> Options {
    Options { config: format!("[log]\nformat = \"{format}\"\n{more}"), ..Options::default() }
}

fn events<'a>(log: &'a [Value], event: &'a str) -> impl Iterator<Item = &'a Value> {
    log.iter().filter(move |line| line["event"] == event)
}

/// Every line of a log that is JSON from its first line to its last.
#[track_caller]
fn parsed(log: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["timestamp"].is_string() && value["level"].is_string() && value["target"].is_string(), "{line}");
        value
    };
    log.lines().map(parse).collect()
}

/// Says what is forged wherever a stranger may say something.
async fn speak_with_forked_tongue(server: &TestServer) {
    let eve = Person::guest(server);
    let account = json!({"email": "eve@example.org", "name": FORGED, "password": FORGED});
    eve.post("/api/auth/register", &account).await;
    eve.post("/api/auth/login", &json!({"email": FORGED, "password": FORGED})).await;
    let agent = "Mozilla\t\u{85}\u{9b}31m ERROR hearth: forged";
    eve.send(reqwest::Method::GET, "/api/meetings/%0d%0aforged%1b", &[("user-agent", agent)], None).await;
    let ben = Person::member(server, "Ben").await;
    let room = ben.create(&FORGED.replace(['\r', '\n', '\u{1b}'], " "), json!({})).await;
    let (mut socket, _) = Socket::enter(server, &eve, &room, "Eve \u{202e}forged").await;
    socket.send(&json!({"type": "chat", "id": "1", "to": null, "text": FORGED})).await;
    socket.send(&json!({"type": FORGED})).await;
    socket.skip_to("error").await;
    let mut stranger = Socket::open(server).await;
    stranger.send(&json!({"type": "join", "ticket": FORGED, "media": no_media()})).await;
    stranger.expect_error("not_admitted").await;
}

#[tokio::test]
async fn f8_whatever_strangers_say_each_event_is_one_line_of_json() {
    let server = TestServer::with(&logging("json", "level = \"trace\"\nlines_per_second = 0"));
    speak_with_forked_tongue(&server).await;
    eventually("what was refused is told", async || server.log().contains("signaling_refused")).await;
    let mut server = server;
    assert!(server.stop().success());
    let log = parsed(&server.log());
    assert!(log.len() > 100, "only {} lines at trace", log.len());
    assert!(log.iter().all(|line| line["message"] != "forged"));
    let steers = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
    assert!(!server.log().contains(steers));
}

#[tokio::test]
async fn f8_whatever_strangers_say_each_event_is_one_line_for_people() {
    let mut server = TestServer::with(&logging("pretty", "level = \"trace\"\nlines_per_second = 0"));
    speak_with_forked_tongue(&server).await;
    assert!(server.stop().success());
    let log = server.log();
    assert!(log.lines().count() > 100);
    for line in log.lines() {
        let (at, rest) = line.split_once(' ').unwrap();
        assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T', "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].iter().any(|level| rest.trim_start().starts_with(level)), "{line}");
        assert!(!line.starts_with("2026-01-01T00:00:00.000Z"), "{line}");
    }
    let steers = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
    assert!(!log.contains(steers));
}

#[tokio::test]
async fn o7_a_meeting_can_be_followed_in_the_log_without_knowing_who_was_in_it() {
    let server = TestServer::with(&logging("json", ""));
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    guest.send(&json!({"type": "leave"})).await;
    guest.closed().await;
    ben.post_empty(&format!("/api/meetings/{room}/end")).await.ok();
    eventually("the end is told", async || server.log().contains("meeting_ended")).await;
    let text = server.log();
    let log = parsed(&text);
    let started: Vec<_> = events(&log, "meeting_started").collect();
    assert_eq!(started.len(), 1);
    let meeting = &started[0]["meeting"];
    let joined: Vec<_> =
        events(&log, "participant_joined").map(|line| (&line["participant"], &line["host"], &line["guest"])).collect();
    let (host_id, guest_id) = (json!(host.participant), json!(guest.participant));
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(joined, [(&host_id, &yes, &no), (&guest_id, &no, &yes)]);
    let left: Vec<_> = events(&log, "participant_left").map(|line| (&line["participant"], &line["relayed"])).collect();
    assert_eq!(left, [(&guest_id, &no), (&host_id, &no)]);
    let ended: Vec<_> = events(&log, "meeting_ended").collect();
    assert_eq!((ended.len(), &ended[0]["reason"], &ended[0]["people"]), (1, &json!("ended_by_host"), &json!(2)));
    assert!(ended[0]["seconds"].is_u64());
    for event in ["participant_joined", "participant_left", "meeting_ended"] {
        assert!(events(&log, event).all(|line| &line["meeting"] == meeting), "{event}");
    }
    for told in [room.as_str(), "Standup", "Ben", "Gus", "127.0.0.1:5", "example.org"] {
        assert!(!text.contains(told), "{told} is told");
    }
}

#[tokio::test]
async fn d9_a_flood_is_written_down_in_part_and_the_rest_is_counted() {
    let server = TestServer::with(&logging("json", "level = \"trace\""));
    let guest = Person::guest(&server);
    let begun = std::time::Instant::now();
    for _ in 0..150 {
        guest.get("/healthz").await.ok();
    }
    eventually("it is told that lines are left out", async || server.log().contains("log_lines_left_out")).await;
    let seconds = begun.elapsed().as_secs() as usize + 1;
    let log = parsed(&server.log());
    // What came at once at the start, what the limit allows, and a line a second that tells what is missing.
    assert!(log.len() <= 200 + 101 * (seconds + 2), "{} lines in {seconds} seconds", log.len());
    let left_out: u64 = events(&log, "log_lines_left_out").map(|line| line["lines"].as_u64().unwrap()).sum();
    let metrics = guest.client.get(format!("{}/metrics", guest.base)).send().await.unwrap().text().await.unwrap();
    let counted = metrics.lines().find_map(|line| line.strip_prefix(r#"hearth_log_lines_missing_total{reason="limited"} "#));
    assert!(left_out > 0 && counted.unwrap().parse::<u64>().unwrap() >= left_out, "{left_out} are told of {counted:?}");
}

/// A server whose log goes into a pipe that nobody reads unless the test does.
fn piped(options: &Options) -> (TestServer, File, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open at both ends, or the server would wait for a reader when it opens its own.
    let held = File::options().read(true).write(true).open(&pipe).unwrap();
    let path = pipe.to_str().unwrap().to_owned();
    let run_by = ["sh", "-c", r#"exec 2>"$0" "$@""#, &path].map(str::to_owned).to_vec();
    (TestServer::with(&Options { run_by, ..options.clone() }), held, dir)
}

/// A connection by HTTP/2, whose library tells a hundred lines of each request at the level of trace.
async fn h2(server: &TestServer) -> SendRequest<Body> {
    let stream = TokioIo::new(connect_tls_for(server, b"h2").await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn blocked(person: &Person) -> u64 {
    let response = person.client.get(format!("{}/metrics", person.base)).send().await.unwrap();
    let text = response.text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(r#"hearth_log_lines_missing_total{reason="blocked"} "#));
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn r42_a_reader_who_stops_reading_the_log_stops_nobody_else() {
    // More chat than one person may usually write.
    let more = "level = \"trace\"\nlines_per_second = 0\n[limits]\nchat_lines_per_ten_seconds = 1000";
    let (mut server, held, _dir) = piped(&logging("json", more));
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    host.expect("participantJoined").await;
    // Long after the pipe and the queue are full, everything goes on.
    let mut talkative = h2(&server).await;
    let mut lost = 0;
    for round in 0..100 {
        for _ in 0..10 {
            let asked = Request::get(format!("{}/healthz", server.address)).body(Body::empty()).unwrap();
            assert_eq!(talkative.send_request(asked).await.unwrap().status(), 200);
        }
        let text = format!("line {round}");
        host.send(&json!({"type": "chat", "id": round.to_string(), "to": null, "text": text})).await;
        let chat = guest.skip_to("chat").await;
        assert_eq!(chat["message"]["text"], text);
        lost = blocked(&ben).await;
        if lost > 1000 {
            break;
        }
    }
    assert!(lost > 1000, "the pipe took nearly all of it: {lost} lines were lost");
    // Somebody reads again: what waited is there, each line whole, and how many are missing.
    let mut reader = held.try_clone().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut log, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        while !String::from_utf8_lossy(&log).contains("log_lines_dropped") {
            let read = reader.read(&mut buffer).unwrap();
            log.extend_from_slice(&buffer[..read]);
        }
        sender.send(String::from_utf8(log).unwrap()).unwrap();
    });
    let log = tokio::task::spawn_blocking(move || receiver.recv_timeout(Duration::from_secs(30)).unwrap()).await.unwrap();
    let whole = &log[..=log.rfind('\n').unwrap()];
    let told: u64 = events(&parsed(whole), "log_lines_dropped").map(|line| line["lines"].as_u64().unwrap()).sum();
    assert!(told >= lost, "{told} of {lost} are told");
    // Nobody reads the rest, and the server ends all the same.
    server.signal("TERM");
    let status = server.wait_within(Duration::from_secs(10)).await.expect("the server ends although nobody reads its log");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn r42_a_reader_who_is_gone_stops_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let held = File::options().read(true).write(true).open(&pipe).unwrap();
    let path = pipe.to_str().unwrap().to_owned();
    let run_by = ["sh", "-c", r#"exec 2>"$0" "$@""#, &path].map(str::to_owned).to_vec();
    let mut server = TestServer::with(&Options { run_by, ..logging("json", "level = \"debug\"") });
    drop(held);
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    Socket::enter(&server, &ben, &room, "Ben").await;
    eventually("the lines count as lost", async || blocked(&ben).await > 0).await;
    assert!(server.stop().success());
}

/// Runs a command in a namespace where `/run` is empty but for a journal's socket that leads into `dir`.
fn beside_a_journal(dir: &Path, redirect: &str) -> Option<Vec<String>> {
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind \"$0\" /run/systemd/journal && {redirect} exec \"$@\""
    );
    let mut words = world(&["--mount"], &["mount", "-t", "tmpfs", "none", "/run"])?;
    words.extend(["sh", "-c", &script, dir.to_str().unwrap()].map(str::to_owned));
    Some(words)
}

/// What stands in a datagram to the journal, field by field.
fn fields(entry: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(entry.to_vec()).unwrap();
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn entry_with(journal: &UnixDatagram, field: (&str, &str)) -> Vec<(String, String)> {
    let journal = journal.try_clone().unwrap();
    journal.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let field = (field.0.to_owned(), field.1.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = journal.recv(&mut buffer).expect("the journal gets the entry");
            let entry = fields(&buffer[..length]);
            if entry.contains(&field) {
                return entry;
            }
        }
    });
    found.await.unwrap()
}

#[tokio::test]
async fn o7_a_service_whose_log_leads_to_the_journal_writes_fields_there() {
    let dir = tempfile::tempdir().unwrap();
    let socket: PathBuf = dir.path().join("socket");
    let journal = UnixDatagram::bind(&socket).unwrap();
    let says_so = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); export JOURNAL_STREAM;";
    let Some(run_by) = beside_a_journal(dir.path(), says_so) else { return };
    let server = TestServer::with(&Options { run_by, ..logging("auto", "") });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (socket_of_ben, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let entry = entry_with(&journal, ("HEARTH_EVENT", "participant_joined")).await;
    for (name, value) in [
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "hearth"),
        ("TARGET", "hearth::hub::diary"),
        ("HEARTH_PARTICIPANT", socket_of_ben.participant.as_str()),
        ("HEARTH_HOST", "true"),
    ] {
        assert!(entry.contains(&(name.to_owned(), value.to_owned())), "{name} is not {value}: {entry:?}");
    }
    assert_eq!(server.log(), "", "nothing is written twice");
    // The journal is started anew: the next entries arrive again.
    drop(journal);
    std::fs::remove_file(&socket).unwrap();
    Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    let journal = UnixDatagram::bind(&socket).unwrap();
    Socket::enter(&server, &Person::guest(&server), &room, "Hal").await;
    entry_with(&journal, ("HEARTH_EVENT", "participant_joined")).await;
}

#[tokio::test]
async fn o7_without_a_journal_lines_are_written_instead() {
    let empty = tempfile::tempdir().unwrap();
    let Some(run_by) = beside_a_journal(empty.path(), "") else { return };
    let server = TestServer::with(&Options { run_by: run_by.clone(), ..logging("journald", "") });
    eventually("it says so", async || server.log().contains("there is no journal at")).await;
    // Somebody else's journal is not the one that this stream leads to.
    let stranger = UnixDatagram::bind(empty.path().join("socket")).unwrap();
    let Some(run_by) = beside_a_journal(empty.path(), "JOURNAL_STREAM=1:1; export JOURNAL_STREAM;") else { return };
    let server = TestServer::with(&Options { run_by, ..logging("auto", "") });
    Person::member(&server, "Ben").await.create("Standup", json!({})).await;
    eventually("the line is there", async || server.log().contains("meeting_created")).await;
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv(&mut [0; 64]).is_err());
}
