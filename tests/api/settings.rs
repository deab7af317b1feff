//! Settings made in the browser: who may, what it changes and what stays, and what is told (attacks H3, H18).

use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Options, Person, Socket, TestServer};

const SETTINGS: &str = "/api/admin/settings";

async fn change(person: &Person, changes: &[(&str, Value)]) -> Answer {
    let changes: Vec<_> = changes.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let body = json!({"changes": changes}).to_string().into_bytes();
    person.send(Method::PUT, SETTINGS, &[("content-type", "application/json")], Some(body)).await
}

#[track_caller]
fn setting<'a>(reply: &'a Value, key: &str) -> &'a Value {
    let settings = reply["settings"].as_array().unwrap();
    settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key} is not told"))
}

#[tokio::test]
async fn h3_h18_only_administrators_may_read_or_change_settings() {
    let server = TestServer::start();
    let ada = Person::admin(&server).await;
    let (guest, ben) = (Person::guest(&server), Person::member(&server, "Ben").await);
    guest.get(SETTINGS).await.refused(401, "unauthenticated");
    ben.get(SETTINGS).await.refused(403, "admins_only");
    change(&guest, &[("server.name", json!("Mine"))]).await.refused(401, "unauthenticated");
    change(&ben, &[("server.name", json!("Mine"))]).await.refused(403, "admins_only");
    guest.post_empty("/api/admin/relay-test").await.refused(401, "unauthenticated");
    ben.post_empty("/api/admin/relay-test").await.refused(403, "admins_only");
    assert_eq!(guest.get("/api/server").await.ok()["name"], "Hearth");
    let body = json!({"changes": [{"key": "server.name", "value": "Theirs"}]}).to_string().into_bytes();
    let evil = [("origin", "https://evil.example"), ("content-type", "application/json")];
    ada.send(Method::PUT, SETTINGS, &evil, Some(body)).await.refused(403, "cross_origin");
    assert_eq!(guest.get("/api/server").await.ok()["name"], "Hearth");
}

#[tokio::test]
async fn what_is_set_holds_at_once_and_after_a_restart_and_can_be_taken_back() {
    let mut server = TestServer::start();
    let (ada, guest) = (Person::admin(&server).await, Person::guest(&server));
    let reply = change(&ada, &[("server.name", json!("The Lodge")), ("accounts.registration", json!("closed"))]).await.ok();
    let name = setting(&reply, "server.name");
    assert_eq!((&name["value"], &name["origin"], &name["live"]), (&json!("The Lodge"), &json!("browser"), &json!(true)));
    assert_eq!(name["default"], "Hearth");
    assert_eq!(reply, ada.get(SETTINGS).await.ok());
    assert_eq!(guest.get("/api/server").await.ok()["name"], "The Lodge");
    let body = json!({"email": "eve@example.org", "name": "Eve", "password": "Eve keeps secrets"});
    guest.post("/api/auth/register", &body).await.refused(403, "registration_closed");
    let file = server.data_dir().join("settings.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    server.kill();
    server.launch();
    assert_eq!(guest.get("/api/server").await.ok()["name"], "The Lodge", "a crash right after the answer loses nothing");
    change(&ada, &[("server.name", Value::Null)]).await.ok();
    assert_eq!(guest.get("/api/server").await.ok()["name"], "Hearth");
    assert_eq!(guest.get("/api/server").await.ok()["registration"], "closed");
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once_by_key_and_nothing_changes() {
    let server = TestServer::start();
    let (ada, guest) = (Person::admin(&server).await, Person::guest(&server));
    let changes = [
        ("server.name", json!("The Lodge")),
        ("server.public_url", json!("http://lodge.example.org")),
        ("meetings.max_participants", json!(99)),
        ("limits.connections", json!("many")),
        ("server.data_dir", json!("/tmp/elsewhere")),
        ("ice.servers", json!([{"urls": ["turn:turn.example.org"]}])),
    ];
    let refused = change(&ada, &changes).await.refused(422, "invalid_settings");
    let problems = refused.body["error"]["problems"].as_array().unwrap();
    let keys: Vec<_> = problems.iter().map(|problem| problem["key"].as_str().unwrap()).collect();
    for key in ["server.public_url", "meetings.max_participants", "limits.connections", "server.data_dir", "ice.servers"] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(keys.len(), 5);
    assert!(problems.iter().all(|problem| !problem["mend"].as_str().unwrap().is_empty()), "{problems:?}");
    assert_eq!(guest.get("/api/server").await.ok()["name"], "Hearth");
    assert!(!server.data_dir().join("settings.toml").exists());
    let surprise = json!({"changes": [{"key": "server.name", "value": "x", "really": true}]});
    let json = [("content-type", "application/json")];
    ada.send(Method::PUT, SETTINGS, &json, Some(surprise.to_string().into_bytes())).await.refused(422, "invalid_body");
}

#[tokio::test]
async fn what_stands_in_the_file_or_the_environment_is_fixed_and_said_to_be() {
    let mut server =
        TestServer::with(&Options { config: String::from("[meetings]\nmax_participants = 4"), ..Options::default() });
    let ada = Person::admin(&server).await;
    let reply = ada.get(SETTINGS).await.ok();
    assert_eq!(setting(&reply, "meetings.max_participants")["origin"], "file");
    let refused = change(&ada, &[("meetings.max_participants", json!(3))]).await.refused(422, "invalid_settings");
    assert!(refused.body["error"]["problems"][0]["message"].as_str().unwrap().contains("configuration file decides"));
    // What was set in the browser comes to light again when the file no longer says anything.
    change(&ada, &[("meetings.guests_allowed", json!(false))]).await.ok();
    server.reconfigure(&Options { config: String::from("[meetings]\nguests_allowed = true"), ..Options::default() });
    server.stop();
    server.launch();
    assert_eq!(setting(&ada.get(SETTINGS).await.ok(), "meetings.guests_allowed")["value"], true);
    server.reconfigure(&Options::default());
    server.stop();
    server.launch();
    let reply = ada.get(SETTINGS).await.ok();
    assert_eq!(setting(&reply, "meetings.guests_allowed")["value"], false);
    assert_eq!(setting(&reply, "meetings.max_participants")["value"], 6);
}

#[tokio::test]
async fn h18_secrets_are_written_and_never_told() {
    let server = TestServer::start();
    let ada = Person::admin(&server).await;
    let servers = json!([
        {"urls": ["turn:a.example.org"], "username": "hearth", "password": "hush-password"},
        {"urls": ["turn:b.example.org"], "secret": "hush-secret", "ttlSeconds": 600},
        {"urls": ["stun:stun.example.org"]},
    ]);
    let reply = change(&ada, &[("ice.servers", servers)]).await.ok();
    assert!(!reply.to_string().contains("hush"), "{reply}");
    let mut told = setting(&reply, "ice.servers")["value"].clone();
    assert_eq!(told[0]["password"], "(hidden)");
    assert_eq!((&told[1]["ttlSeconds"], told.as_array().unwrap().len()), (&json!(600), 3));
    // Sent back as it was told, with one more: what was hidden is what it was.
    told.as_array_mut().unwrap().insert(0, json!({"urls": ["stun:other.example.org"]}));
    change(&ada, &[("ice.servers", told)]).await.ok();
    let room = ada.create("Standup", json!({})).await;
    let joined = ada.join(&room, "Ada").await.ok();
    let handed_out = joined["iceServers"].as_array().unwrap();
    let of = |url: &str| handed_out.iter().find(|server| server["urls"][0] == url).unwrap();
    assert_eq!(of("turn:a.example.org")["credential"], "hush-password");
    assert_eq!(of("stun:other.example.org")["username"], Value::Null);
    let elsewhere = json!([{"urls": ["turn:evil.example"], "username": "hearth", "password": "(hidden)"}]);
    change(&ada, &[("ice.servers", elsewhere)]).await.refused(422, "invalid_settings");
    assert!(!server.log().contains("hush"));
}

#[tokio::test]
async fn what_needs_a_restart_is_taken_down_and_said_to_wait() {
    let mut server = TestServer::start();
    let ada = Person::admin(&server).await;
    assert_eq!(ada.get(SETTINGS).await.ok()["waiting"], json!([]));
    let changes = [("relay.external_address", json!("203.0.113.7")), ("server.public_url", json!("https://lodge.example.org"))];
    let reply = change(&ada, &changes).await.ok();
    assert_eq!(reply["waiting"], json!(["relay.external_address"]));
    assert_eq!(setting(&reply, "relay.external_address")["live"], false);
    change(&ada, &[("server.public_url", Value::Null)]).await.ok();
    server.stop();
    server.launch();
    let reply = ada.get(SETTINGS).await.ok();
    assert_eq!(reply["waiting"], json!([]));
    assert_eq!(setting(&reply, "relay.external_address")["value"], "203.0.113.7");
}

#[tokio::test]
async fn r20_a_seat_outlives_another_address_and_the_restart_after_it() {
    let mut server = TestServer::start();
    let ada = Person::admin(&server).await;
    let room = ada.create("Standup", json!({})).await;
    let (socket, before) = Socket::enter(&server, &ada, &room, "Ada").await;
    change(&ada, &[("server.public_url", json!("https://lodge.example.org"))]).await.ok();
    ada.get(SETTINGS).await.ok();
    assert!(server.stop().success());
    server.launch();
    let (_, after) = socket.resume(&server).await;
    assert_eq!((&after["resumed"], &after["participantId"]), (&json!(true), &before["participantId"]));
}

#[tokio::test]
async fn a_disk_that_takes_no_settings_loses_none() {
    let server = TestServer::start();
    let (ada, guest) = (Person::admin(&server).await, Person::guest(&server));
    change(&ada, &[("server.name", json!("The Lodge"))]).await.ok();
    // In the way of the file that is to be written, and no file itself.
    std::fs::create_dir(server.data_dir().join("settings.new")).unwrap();
    change(&ada, &[("server.name", json!("Elsewhere"))]).await.refused(503, "storage_unavailable");
    assert_eq!(guest.get("/api/server").await.ok()["name"], "The Lodge");
    let file = std::fs::read_to_string(server.data_dir().join("settings.toml")).unwrap();
    assert!(file.contains("The Lodge"), "{file}");
}

#[tokio::test]
async fn the_relay_says_in_words_whether_it_works() {
    let server = TestServer::start();
    let ada = Person::admin(&server).await;
    let tested = ada.post_empty("/api/admin/relay-test").await.ok();
    assert_eq!(tested["works"], true);
    assert!(
        tested["finding"].as_str().unwrap().starts_with("the relay works: a packet went through it at 127.0.0.1"),
        "{tested}"
    );
    let without = TestServer::with(&Options { relay: String::from("enabled = false"), ..Options::default() });
    Person::admin(&without).await.post_empty("/api/admin/relay-test").await.refused(404, "no_relay");
}

#[tokio::test]
async fn h11_pages_of_named_origins_may_use_the_api_by_tokens_of_their_own_and_no_others_may() {
    const FRIEND: &str = "https://www.example.org";
    let options = Options { config: String::from("[metrics]"), ..Options::default() };
    let server = TestServer::with(&options);
    let ada = Person::admin(&server).await;
    let preflight = [("origin", FRIEND), ("access-control-request-method", "POST")];
    let refused = ada.send(Method::OPTIONS, "/api/meetings/create", &preflight, None).await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"), "nobody is named yet");
    change(&ada, &[("server.cors_origins", json!(["*"]))]).await.refused(422, "invalid_settings");
    change(&ada, &[("server.cors_origins", json!([FRIEND]))]).await.ok();
    let allowed = ada.send(Method::OPTIONS, "/api/meetings/create", &preflight, None).await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.headers["access-control-allow-origin"], FRIEND);
    assert_eq!(allowed.headers["access-control-allow-headers"], "authorization, content-type");
    assert!(!allowed.headers.contains_key("access-control-allow-credentials"));
    let friend = [("origin", FRIEND), ("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
    let body = json!({"title": "From elsewhere"}).to_string().into_bytes();
    let created = ada.send(Method::POST, "/api/meetings/create", &friend, Some(body.clone())).await;
    assert_eq!((created.status.as_u16(), &created.headers["access-control-allow-origin"]), (201, &FRIEND.parse().unwrap()));
    assert_eq!(created.headers["vary"], "origin");
    for evil in ["https://evil.example", "https://www.example.org.evil.example", "null", "http://www.example.org"] {
        let headers = [("origin", evil), ("content-type", "application/json")];
        let answer = ada.send(Method::POST, "/api/meetings/create", &headers, Some(body.clone())).await;
        assert!(!answer.refused(403, "cross_origin").headers.contains_key("access-control-allow-origin"));
    }
    // The cookie of this place's own page is worth nothing there, and none is set from there.
    ada.send(Method::POST, "/api/auth/refresh", &friend[..2], None).await.refused(401, "unauthenticated");
    let login = json!({"email": "admin@example.org", "password": "correct horse battery"}).to_string().into_bytes();
    let signed_in = ada.send(Method::POST, "/api/auth/login", &friend, Some(login)).await;
    assert!(signed_in.status.is_success() && !signed_in.headers.contains_key("set-cookie"), "{signed_in:?}");
    ada.post_empty("/api/auth/refresh").await.ok();
}

#[tokio::test]
async fn h15_nobody_in_a_browser_names_a_file_that_the_server_reads() {
    let server = TestServer::start();
    let ada = Person::admin(&server).await;
    let key = server.data_dir().join("keys/relay");
    for (name, with) in [("password_file", json!({"username": "ada"})), ("secret_file", json!({}))] {
        let mut entry = json!({"urls": ["turn:turn.example.org"]});
        let fields = entry.as_object_mut().unwrap();
        fields.extend(with.as_object().unwrap().clone());
        // As the page names it, and as the file does.
        for name in [name.to_owned(), name.replace("_file", "File")] {
            let mut entry = entry.clone();
            entry[&name] = json!(key);
            let answer = change(&ada, &[("ice.servers", json!([entry]))]).await;
            assert!(answer.status.is_client_error(), "{name}: {}", answer.body);
            assert!(!answer.body.to_string().contains("can't be read"), "{}", answer.body);
        }
    }
    assert!(!server.data_dir().join("settings.toml").exists());
    let room = ada.create("Standup", json!({})).await;
    let joined = ada.join(&room, "Ada").await.ok();
    assert!(!joined["iceServers"].to_string().contains("turn.example.org"));
}
