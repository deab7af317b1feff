//! Settings that change while the server runs: SIGHUP with good and with bad files (fault R24), and what it changes for whom.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::json;

use crate::harness::{Options, Person, Socket, TestServer, eventually};

/// Asks the server to read its settings again, and waits until it says what came of it.
pub async fn reload(server: &TestServer, said: &str) {
    let before = server.log().matches(said).count();
    server.signal("HUP");
    eventually(said, async || server.log().matches(said).count() > before).await;
}

pub const TAKEN: &str = "settings_taken";
const REFUSED: &str = "settings_refused";

async fn name_of(guest: &Person) -> String {
    guest.get("/api/server").await.ok()["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn r24_a_bad_file_changes_nothing_and_is_told_whole_and_a_good_one_is_taken_at_once() {
    let mut server = TestServer::start();
    let guest = Person::guest(&server);
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    server.reconfigure(&Options {
        config: String::from("[accounts]\nregistration = \"perhaps\"\n[meetings]\nmax_participants = 99\nnonsense = 1"),
        ..Options::default()
    });
    reload(&server, REFUSED).await;
    for told in ["accounts.registration: \"perhaps\"", "meetings.max_participants: 99", "meetings.nonsense: there is no such key"]
    {
        server.has_logged(told);
    }
    server.has_logged("those from before hold on");
    assert_eq!(guest.get("/api/server").await.ok()["maxParticipants"], 6);
    server.reconfigure(&Options {
        config: String::from("[accounts]\nregistration = \"closed\"\n[meetings]\nmax_participants = 4"),
        ..Options::default()
    });
    reload(&server, TAKEN).await;
    let info = guest.get("/api/server").await.ok();
    assert_eq!((&info["registration"], &info["maxParticipants"]), (&json!("closed"), &json!(4)));
    let body = json!({"email": "eve@example.org", "name": "Eve", "password": "Eve keeps secrets"});
    guest.post("/api/auth/register", &body).await.refused(403, "registration_closed");
    // Whoever is in a meeting notices nothing.
    socket.send(&json!({"type": "ping"})).await;
    socket.expect("pong").await;
    assert!(server.is_running());
}

#[tokio::test]
async fn r24_a_secret_that_can_not_be_read_keeps_everything_as_it_was() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let config =
        "[metrics]\ntoken_file = \"/nowhere/token\"\n[[ice.servers]]\nurls = [\"turn:a.org\"]\nsecret_file = \"/nowhere/secret\"";
    server.reconfigure(&Options { config: config.to_owned(), ..Options::default() });
    reload(&server, REFUSED).await;
    server.has_logged("/nowhere/token");
    server.has_logged("/nowhere/secret");
    assert_eq!(name_of(&guest).await, "Hearth");
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_what_does_not_is_taken() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let options = Options { relay: String::from("ports = \"30000-30100\"\nmax_allocations = 7"), ..Options::default() };
    server.reconfigure(&options);
    reload(&server, "settings_need_restart").await;
    let log = server.log();
    let line = log.lines().find(|line| line.contains("settings_need_restart")).unwrap();
    assert!(line.contains("relay.ports") && !line.contains("max_allocations"), "{line}");
    guest.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_storm_of_signals_is_harmless() {
    let mut server = TestServer::start();
    let guest = Person::guest(&server);
    for round in 0..200 {
        let registration = if round % 2 == 0 { "closed" } else { "open" };
        let config = format!("[accounts]\nregistration = \"{registration}\"");
        server.reconfigure(&Options { config, ..Options::default() });
        server.signal("HUP");
    }
    server.reconfigure(&Options { config: String::from("[meetings]\nmax_participants = 5"), ..Options::default() });
    // So many lines are left out of the log: what holds is asked of the server.
    server.signal("HUP");
    eventually("the last one holds", async || guest.get("/api/server").await.ok()["maxParticipants"] == 5).await;
    assert_eq!(guest.get("/api/server").await.ok()["registration"], "open");
    assert!(server.is_running() && server.stop().success());
}

#[tokio::test]
async fn limits_relays_and_figures_follow_the_file() {
    let server = TestServer::start();
    let (guest, ben) = (Person::guest(&server), Person::member(&server, "Ben").await);
    let room = ben.create("Standup", json!({})).await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "b4f5c0ffee00b4f5c0ffee00b4f5c0ff").unwrap();
    std::fs::set_permissions(token.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "[metrics]\ntoken_file = \"{}\"\n[limits]\nmeetings_per_hour = 1\n[[ice.servers]]\nurls = [\"stun:stun.example.org\"]",
        token.path().display()
    );
    server.reconfigure(&Options { config, relay: String::from("credential_ttl_seconds = 60"), ..Options::default() });
    reload(&server, TAKEN).await;
    let joined = ben.join(&room, "Ben").await.ok();
    let servers = joined["iceServers"].as_array().unwrap();
    assert_eq!(servers.last().unwrap()["urls"], json!(["stun:stun.example.org"]));
    let expiry: u64 = servers[1]["username"].as_str().unwrap().split(':').next().unwrap().parse().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(expiry <= now + 61, "{expiry} is not within a minute of {now}");
    ben.create("One more", json!({})).await;
    let body = json!({"title": "And one more"});
    ben.post("/api/meetings/create", &body).await.refused(429, "too_many_requests");
    let forwarded = [("x-forwarded-for", "203.0.113.7"), ("authorization", "Bearer b4f5c0ffee00b4f5c0ffee00b4f5c0ff")];
    assert!(guest.send(Method::GET, "/metrics", &forwarded, None).await.status.is_success());
}

#[tokio::test]
async fn what_is_logged_changes_without_a_restart() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    assert!(!server.log().contains("DEBUG"), "{}", server.log());
    server.reconfigure(&Options { config: String::from("[log]\nlevel = \"debug\""), ..Options::default() });
    reload(&server, TAKEN).await;
    eventually("details are logged", async || {
        drop(Socket::open(&server).await);
        guest.get("/healthz").await.ok();
        server.log().contains("DEBUG")
    })
    .await;
}
