//! Servers of others in the lists that go out (row T3).

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use data_encoding::BASE64;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{Options, Person, Socket, TestServer, eventually};

const SECRET: &str = "north-wind";

const SERVERS: &str = r#"
    [[ice.servers]]
    urls = ["stun:stun.example.org:3478"]
    [[ice.servers]]
    urls = ["turn:static.example.org:3478?transport=udp", "turns:static.example.org:5349"]
    username = "everybody"
    password = "the same for all"
    [[ice.servers]]
    urls = ["turn:shared.example.org"]
    secret = "north-wind"
    ttl_seconds = 600
"#;

/// Insists that these are the servers of [`SERVERS`], with a name of this participant.
#[track_caller]
fn are_the_servers_of_others(servers: &[Value], participant: &Value) {
    let [stun, fixed, shared] = servers else { panic!("{servers:?}") };
    assert_eq!(stun, &json!({"urls": ["stun:stun.example.org:3478"]}));
    let urls = ["turn:static.example.org:3478?transport=udp", "turns:static.example.org:5349"];
    assert_eq!(fixed, &json!({"urls": urls, "username": "everybody", "credential": "the same for all"}));
    assert_eq!(shared["urls"], json!(["turn:shared.example.org"]));
    let username = shared["username"].as_str().unwrap();
    let (expiry, holder) = username.split_once(':').unwrap();
    assert_eq!(holder, participant.as_str().unwrap());
    assert!(expiry.parse::<u64>().unwrap() > 1_700_000_000, "{username}");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    assert_eq!(shared["credential"], BASE64.encode(hmac::sign(&key, username.as_bytes()).as_ref()));
}

#[tokio::test]
async fn t3_servers_of_others_come_beside_our_own_with_the_join_reply_and_the_welcome() {
    let server = TestServer::with(&Options { config: SERVERS.to_owned(), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let joined = Person::guest(&server).join(&room, "Gus").await.ok();
    let servers = joined["iceServers"].as_array().unwrap();
    assert!(servers[1]["urls"][0].as_str().unwrap().starts_with("turn:127.0.0.1:"));
    are_the_servers_of_others(&servers[2..], &joined["participantId"]);
    let (_socket, welcome) = Socket::enter(&server, &ben, &room, "Ben").await;
    are_the_servers_of_others(&welcome["iceServers"].as_array().unwrap()[2..], &welcome["participantId"]);
}

#[tokio::test]
async fn t3_servers_of_others_come_instead_of_our_own_where_the_relay_is_off() {
    let options = Options { config: SERVERS.to_owned(), relay: String::from("enabled = false"), ..Options::default() };
    let server = TestServer::with(&options);
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let joined = ben.join(&room, "Ben").await.ok();
    are_the_servers_of_others(joined["iceServers"].as_array().unwrap(), &joined["participantId"]);
}

#[tokio::test]
async fn t3_who_is_in_no_meeting_sees_no_server_of_others_and_the_log_has_no_secret() {
    let options = Options { config: format!("{SERVERS}\n[log]\nlevel = \"debug\""), ..Options::default() };
    let server = TestServer::with(&options);
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({"guestsAllowed": false})).await;
    let guest = Person::guest(&server);
    let refused = guest.join(&room, "Gus").await.refused(403, "members_only").body.to_string();
    let mut told = vec![refused];
    for path in ["/api/server".to_owned(), format!("/api/meetings/{room}"), format!("/api/meetings/{room}/preview")] {
        told.push(guest.get(&path).await.body.to_string());
    }
    ben.join(&room, "Ben").await.ok();
    told.push(server.log());
    for text in told {
        let found = ["example.org:", "everybody", "the same for all", SECRET].into_iter().find(|word| text.contains(word));
        assert_eq!(found, None, "{text}");
    }
}

#[test]
fn t3_a_secret_whose_file_is_missing_keeps_the_server_from_starting_with_the_mend() {
    let mut server = TestServer::start();
    server.stop();
    let servers = r#"[{ urls = ["turn:turn.example.org"], secret_file = "/nowhere/secret" }]"#;
    let output = server.command().env("HEARTH_ICE_SERVERS", servers).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("/nowhere/secret: the file can't be read") && said.contains("name a file that this user may read"),
        "{said}"
    );
}

/// coturn, for as long as this lives.
struct Coturn {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Coturn {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("turnserver");
        command.args(["-n", "--use-auth-secret", "--realm=example.org", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"]);
        command.args(["--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli", "--log-file=stdout", "--simple-log"]);
        command.arg(format!("--static-auth-secret={SECRET}")).arg(format!("--listening-port={port}"));
        command.arg(format!("--pidfile={}", dir.path().join("pid").display())).current_dir(&dir);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("coturn listens", async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        Self { child, port, _dir: dir }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs coturn"]
async fn t3_coturn_takes_the_credential_that_the_join_reply_carries() {
    let coturn = Coturn::start().await;
    let port = coturn.port.to_string();
    let config = format!("[[ice.servers]]\nurls = [\"turn:127.0.0.1:{port}\"]\nsecret = \"{SECRET}\"");
    let server = TestServer::with(&Options { config, ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let joined = ben.join(&room, "Ben").await.ok();
    let handed_out = &joined["iceServers"][2];
    assert_eq!(handed_out["urls"][0], format!("turn:127.0.0.1:{port}"));
    let text = |key: &str| handed_out[key].as_str().unwrap().to_owned();
    let (username, password) = (text("username"), text("credential"));
    let run = async |password: String| {
        let mut command = Command::new("turnutils_uclient");
        command.args(["-y", "-c", "-s", "-n", "20", "-m", "2", "-u", &username, "-w", &password, "-p", &port, "127.0.0.1"]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let good = run(password).await;
    assert!(good.contains("Total lost packets 0 (0.000000%)"), "{good}");
    let wrong = run(String::from("wrong")).await;
    assert!(!wrong.contains("Total lost packets 0 (0.000000%)"), "a wrong password was taken: {wrong}");
}
