//! Secrets: who may hold them, and where they must never show.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use axum::body::Body;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::socket::connect_tls_for;
use crate::harness::{Options, Person, Socket, TestServer};
use crate::tools::{run, said};

/// Nobody's number, for whom nothing runs here.
const STRANGER: u32 = 51_236;

/// What a start is refused with.
fn refused(server: &TestServer, words: &[&str]) {
    said(server.command().output().unwrap()).refused(1, words);
}

#[tokio::test]
async fn f3_secrets_that_others_can_read_replace_or_lead_elsewhere_stop_the_start() {
    let mut server = TestServer::start();
    assert!(server.stop().success());
    let data_dir = server.data_dir();
    let (keys, aside) = (data_dir.join("keys"), data_dir.with_extension("aside"));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let names: Vec<_> = fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() >= 4, "{names:?}");
    for key in &names {
        let shown = key.to_str().unwrap();
        mode(key, 0o644);
        refused(&server, &[shown, "chmod 600"]);
        mode(key, 0o600);
        fs::rename(key, &aside).unwrap();
        symlink(&aside, key).unwrap();
        refused(&server, &[shown, "is a symbolic link"]);
        fs::remove_file(key).unwrap();
        fs::rename(&aside, key).unwrap();
    }
    mode(&keys, 0o777);
    refused(&server, &["keys", "chmod 700"]);
    mode(&keys, 0o700);
    fs::rename(&keys, &aside).unwrap();
    symlink(&aside, &keys).unwrap();
    refused(&server, &["keys is a symbolic link"]);
    fs::remove_file(&keys).unwrap();
    fs::rename(&aside, &keys).unwrap();

    mode(&data_dir, 0o777);
    refused(&server, &["may be written by every user", "chmod go-w"]);
    mode(&data_dir, 0o700);
    fs::rename(&data_dir, &aside).unwrap();
    symlink(&aside, &data_dir).unwrap();
    refused(&server, &["is a symbolic link", "--data-dir", aside.to_str().unwrap()]);
    fs::remove_file(&data_dir).unwrap();
    fs::rename(&aside, &data_dir).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&names[0], Some(STRANGER), None).unwrap();
        refused(&server, &[names[0].to_str().unwrap(), "belongs to another user", "chown"]);
        chown(&names[0], Some(0), None).unwrap();
        chown(&data_dir, Some(STRANGER), None).unwrap();
        refused(&server, &["belongs to another user", "start Hearth as that user"]);
        chown(&data_dir, Some(0), None).unwrap();
    }
    server.launch();
    assert!(server.stop().success());
}

/// Every way in which these bytes may be written down.
fn spellings(name: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let unpadded = BASE64_NOPAD.encode(bytes);
    let texts = [HEXLOWER.encode(bytes), HEXUPPER.encode(bytes), BASE64.encode(bytes), unpadded, BASE64URL_NOPAD.encode(bytes)];
    let texts = texts.into_iter().map(String::into_bytes);
    texts.chain([bytes.to_vec()]).map(|spelled| (name.to_owned(), spelled)).collect()
}

/// Insists that none of the secrets stands in something that others may see.
#[track_caller]
fn assert_absent(secrets: &[(String, Vec<u8>)], place: &str, seen: &[u8]) {
    for (name, secret) in secrets {
        let Some(at) = seen.windows(secret.len()).position(|window| window == secret.as_slice()) else { continue };
        let line = seen[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        panic!("{name} stands in {place}: {}", String::from_utf8_lossy(&seen[line..at + secret.len()]));
    }
}

/// A server to which every secret was given that it takes, with all of them.
fn with_canaries(home: &Path) -> (TestServer, Vec<(String, Vec<u8>)>) {
    let plant = |name: &str, content: &str| {
        let path = home.join(name);
        let mut file = fs::File::create(&path).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        path.display().to_string()
    };
    let [metrics, shared, turn] = ["metrics", "shared", "turn"].map(|name| format!("canary-{name}-0123456789abcdef0123456789"));
    let config = format!(
        "[log]\nlevel = \"trace\"\nlines_per_second = 0\n[metrics]\ntoken_file = {:?}\n[ice]\nservers = [{{ urls = \
         [\"turn:turn.example.org:3478\"], secret_file = {:?} }}]\n",
        plant("metrics", &metrics),
        plant("turn", &turn)
    );
    let relay = format!("shared_secret_file = {:?}", plant("shared", &shared));
    let server = TestServer::with(&Options { config, relay, ..Options::default() });
    let mut secrets: Vec<_> = [metrics, shared, turn].map(|text| (text[..14].to_owned(), text.into_bytes())).into();
    for path in server.files().into_iter().filter(|path| path.parent().unwrap().ends_with("keys") && path.is_file()) {
        secrets.extend(spellings(&path.display().to_string(), &fs::read(&path).unwrap()));
    }
    for path in server.files().into_iter().filter(|path| path.to_string_lossy().ends_with("key.pem")) {
        let text = fs::read_to_string(&path).unwrap();
        let body = text.lines().nth(1).unwrap().to_owned();
        secrets.push((path.display().to_string(), body.into_bytes()));
    }
    secrets.push((String::from("the setup token"), server.setup_token.clone().unwrap().into_bytes()));
    for password in ["correct horse battery", "Ben keeps secrets"] {
        secrets.push((password.to_owned(), password.as_bytes().to_vec()));
    }
    (server, secrets)
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_no_secret_stands_in_log_arguments_environment_figures_answers_or_the_list_of_backups() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, mut secrets) = with_canaries(home.path());
    assert!(secrets.len() > 30, "{}", secrets.len());
    let admin = Person::admin(&server).await;
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    secrets.push((String::from("an access token"), ben.token.clone().unwrap().into_bytes()));
    secrets.push((String::from("a resume token"), socket.resume_token.clone().into_bytes()));
    // Whatever may go wrong, with a secret in it.
    for body in [json!({"email": "ben@example.org", "password": "Ben keeps secrets", "odd": 1}), json!("Ben keeps secrets")] {
        assert!(!Person::guest(&server).post("/api/auth/login", &body).await.status.is_success());
    }
    let token = server.setup_token.clone().unwrap();
    let late = json!({"token": token, "email": "e@example.org", "name": "E", "password": "correct horse battery"});
    assert!(!Person::guest(&server).post("/api/setup", &late).await.status.is_success());
    say_by_http2(&server, ben.token.as_deref().unwrap()).await;
    socket.send(&json!({"type": "resume", "resumeToken": "x", "media": null})).await;
    socket.send(&json!({"type": "ping"})).await;

    // What people and programs are told.
    let paths = ["/api/admin/settings", "/api/admin/status", "/api/admin/doctor", "/api/server", "/api/trust", "/api/auth/me"];
    let more = ["/api/openapi.json", "/metrics", "/healthz", "/readyz", "/api/meetings"].map(str::to_owned);
    let room = [format!("/api/meetings/{room}"), format!("/api/meetings/{room}/participants")];
    for path in paths.map(str::to_owned).into_iter().chain(more).chain(room) {
        for person in [&admin, &ben, &Person::guest(&server)] {
            assert_absent(&secrets, &path, told(person, &path).await.as_bytes());
        }
    }
    let joined = Person::guest(&server).join(&path_of_room(&ben).await, "Gus").await.ok();
    assert_absent(&secrets, "an answer to who joins", joined.to_string().as_bytes());

    // What other users of the machine can see, and what stands beside the data.
    let process = PathBuf::from(format!("/proc/{}", server.pid()));
    for file in ["cmdline", "environ", "status", "comm"] {
        let mut seen = Vec::new();
        fs::File::open(process.join(file)).unwrap().read_to_end(&mut seen).unwrap();
        assert_absent(&secrets, file, &seen);
    }
    let backup = home.path().join("x.backup");
    let made = run(&server.data_dir(), &["backup", backup.to_str().unwrap()]).ok();
    assert_absent(&secrets, "what is said of a backup", made.as_bytes());
    let shown = run(&server.data_dir(), &["config", "show", "--config", server.config_file().to_str().unwrap()]);
    assert_absent(&secrets, "the settings", format!("{}{}", shown.out, shown.err).as_bytes());

    // The log, talkative as one has it to look for a fault, with a stop and a failing start in it.
    assert!(server.stop().success());
    assert_absent(&secrets, "the log", server.log().as_bytes());
    let key = server.data_dir().join("keys/access");
    let key = if key.exists() { key } else { fs::read_dir(key.parent().unwrap()).unwrap().next().unwrap().unwrap().path() };
    let mut content = fs::read(&key).unwrap();
    content.push(b'x');
    fs::write(&key, content).unwrap();
    let failing = said(server.command().output().unwrap());
    assert_eq!(failing.code, Some(1));
    assert_absent(&secrets, "a refusal to start", format!("{}{}", failing.out, failing.err).as_bytes());
}

/// Sends secrets in a header and in a body by HTTP/2, whose library tells much of what it does.
async fn say_by_http2(server: &TestServer, token: &str) {
    let stream = TokioIo::new(connect_tls_for(server, b"h2").await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let mut connections = tokio::task::JoinSet::new();
    connections.spawn(connection);
    let body = json!({"email": "ben@example.org", "password": "Ben keeps secrets"}).to_string();
    let asked = Request::post(format!("{}/api/auth/login", server.address));
    let asked = asked.header("content-type", "application/json").header("authorization", format!("Bearer {token}"));
    assert_eq!(sender.send_request(asked.body(Body::from(body)).unwrap()).await.unwrap().status(), 200);
}

/// The code of Ben's meeting, as his list tells it.
async fn path_of_room(ben: &Person) -> String {
    let listed = ben.get("/api/meetings?limit=1").await.ok();
    listed["meetings"][0]["roomId"].as_str().unwrap().to_owned()
}

/// An answer as it came, headers and all.
async fn told(person: &Person, path: &str) -> String {
    let mut request = person.client.get(format!("{}{path}", person.base));
    if let Some(token) = &person.token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let headers = format!("{:?}", answer.headers());
    format!("{headers}\n{}", answer.text().await.unwrap())
}

#[tokio::test]
async fn f9_no_route_leads_to_a_key_and_a_key_that_was_replaced_is_gone() {
    let mut server = TestServer::start();
    let admin = Person::admin(&server).await;
    let keys: Vec<_> =
        server.files().into_iter().filter(|path| path.to_string_lossy().contains("key") && path.is_file()).collect();
    assert!(keys.len() > 4, "{keys:?}");
    let secrets: Vec<_> = keys
        .iter()
        .map(|path| {
            let content = fs::read(path).unwrap();
            // Of a key in PEM its body; its first line is everybody's.
            let body = String::from_utf8(content.clone()).ok().and_then(|text| text.lines().nth(1).map(str::to_owned));
            (path.display().to_string(), body.map_or(content, String::into_bytes))
        })
        .collect();
    let data_dir = server.data_dir();
    let mut asked = 0;
    for path in keys.iter().chain([&data_dir.join("settings.toml"), &data_dir.join("store/db")]) {
        let below = path.strip_prefix(&data_dir).unwrap().to_str().unwrap();
        let whole = path.to_str().unwrap();
        let up = "../".repeat(12);
        let ways = [
            format!("/{below}"),
            format!("/data/{below}"),
            format!("//{below}"),
            format!("/{whole}"),
            format!("/{up}{}", whole.trim_start_matches('/')),
            format!("/assets/{up}{}", whole.trim_start_matches('/')),
            format!("/{}{}", "..%2f".repeat(12), whole.trim_start_matches('/').replace('/', "%2f")),
            format!("/assets/..%5c..%5c{}", below.replace('/', "%5c")),
            format!("/{below}%00.js"),
            format!("/.well-known/acme-challenge/{up}{whole}"),
            format!("/api/trust/{up}{whole}"),
            format!("/api/backups/{below}"),
            format!("/backups/{below}"),
        ];
        for way in ways {
            let seen = raw(&server, &way, admin.token.as_deref()).await;
            assert_absent(&secrets, &way, &seen);
            asked += 1;
        }
        admin.send(Method::GET, &format!("/{below}"), &[], None).await;
    }
    println!("f9: {asked} ways lead to none of {} keys", keys.len());

    // A key that is replaced, as it is when its file was open to others, is nowhere any more.
    assert!(server.stop().success());
    let key = data_dir.join("tls/key.pem");
    let before = fs::read_to_string(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    server.launch();
    let after = fs::read_to_string(&key).unwrap();
    assert_ne!(before, after, "a key that others could read is not used any more");
    let old = [(String::from("the old key"), before.lines().nth(1).unwrap().as_bytes().to_vec())];
    for path in server.files().into_iter().filter(|path| path.is_file()) {
        assert_absent(&old, path.to_str().unwrap(), &fs::read(&path).unwrap());
    }
}

/// What comes back for a path that no client would leave as it is.
async fn raw(server: &TestServer, path: &str, token: Option<&str>) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = crate::harness::socket::connect_tls(server).await;
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost:{}\r\n{bearer}connection: close\r\n\r\n", server.port());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    // Some are refused so early that the connection ends without a word.
    let _ = stream.read_to_end(&mut seen).await;
    let text = String::from_utf8_lossy(&seen);
    let leads_to_page = text.contains("<!doctype html") || text.contains("<!DOCTYPE html");
    assert!(!text.starts_with("HTTP/1.1 200") || leads_to_page || is_json(&text), "{path}: {text}");
    seen
}

fn is_json(text: &str) -> bool {
    text.split_once("\r\n\r\n").is_some_and(|(_, body)| serde_json::from_str::<Value>(body).is_ok())
}
