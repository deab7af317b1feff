//! A wall clock that jumps while the server runs. A small library (`clock.c`), preloaded into the real server, gives it another wall
//! clock; its monotonic clock, and with it every timer, stays the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hearth::clock::Timestamp;
use hearth::ids::Secret;
use hearth::turn::credentials::Credential;
use serde_json::{Value, json};
use stun::message::METHOD_ALLOCATE;

use crate::client::{Client, code, udp};
use crate::harness::{Options, Person, Socket, TestServer, eventually, no_media, sooner_or_later};
use crate::tools::{again, can, try_create};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

/// A wall clock for one server.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// None where nothing can be compiled.
    fn new(home: &Path) -> Option<Self> {
        can("cc", &["--version"]).then_some(())?;
        let this = Self { file: home.join("step"), library: home.join("clock.so") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/clock.c");
        let compiled = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&this.library).arg(source).status();
        assert!(compiled.unwrap().success());
        fs::write(&this.file, 0_i64.to_ne_bytes()).unwrap();
        Some(this)
    }

    fn run_by(&self) -> Vec<String> {
        let (library, file) = (self.library.display(), self.file.display());
        ["env".into(), format!("LD_PRELOAD={library}"), format!("WALL_CLOCK={file}")].to_vec()
    }

    /// Steps the clock, so many seconds away from the right time.
    fn step(&self, seconds: i64) {
        let file = fs::OpenOptions::new().write(true).open(&self.file).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0).unwrap();
    }
}

/// How far a time that the server tells lies from the right one, in seconds.
fn ahead(told: &Value) -> i64 {
    let told = Timestamp::parse_rfc3339(told.as_str().unwrap()).unwrap();
    i64::try_from(told.as_secs()).unwrap() - i64::try_from(Timestamp::now().as_secs()).unwrap()
}

/// Insists on a step that was meant to be `wanted` seconds.
#[track_caller]
fn assert_ahead(told: &Value, wanted: i64) {
    assert!((ahead(told) - wanted).abs() < 120, "{told} is not {wanted} s away");
}

/// The relay's credential in an answer.
fn credential(told: &Value) -> Credential {
    let text = |server: &Value, key: &str| server[key].as_str().map(str::to_owned);
    let server = told["iceServers"].as_array().unwrap().iter().find(|server| server["username"].is_string()).unwrap();
    Credential {
        username: text(server, "username").unwrap(),
        password: Secret::new(text(server, "credential").unwrap()),
        expires_at: Timestamp::default(),
    }
}

/// What the relay says to whoever wants an allocation with this credential.
async fn allocate(server: &TestServer, credential: &Credential) -> u16 {
    let relay = std::net::SocketAddr::from(([127, 0, 0, 1], server.relay_port()));
    let client = Client::new(relay, credential.clone()).await;
    code(&client.request(METHOD_ALLOCATE, vec![udp()]).await)
}

/// Insists that the two hear each other, and tells by the server's clock when.
async fn assert_talk(from: &mut Socket, to: &mut Socket, line: &str) -> Value {
    from.send(&json!({"type": "chat", "id": line, "to": null, "text": line})).await;
    loop {
        let heard = to.skip_to("chat").await;
        if heard["message"]["text"] == line {
            return heard["message"]["sentAt"].clone();
        }
    }
}

/// How many meetings Ben has, by a sign-in of this moment.
async fn meetings(server: &TestServer) -> Value {
    again(server, "Ben").await.get("/api/meetings?limit=1").await.ok()["total"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_clock_that_jumps_ends_no_call_and_no_meeting_and_what_was_signed_before_is_void() {
    let home = tempfile::tempdir().unwrap();
    let Some(clock) = Clock::new(home.path()) else { return };
    let relay = String::from("challenges_per_second = 1000");
    let server = TestServer::with(&Options { run_by: clock.run_by(), relay, ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let others = [(); 4].map(|()| ben.create("Retrospective", json!({})));
    let others = futures_util::future::join_all(others).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    // Longer than access tokens and relay credentials last, forwards; and further back than any of them looks ahead.
    for (other, step) in others.iter().zip([HOUR + 60, -HOUR, 10 * YEAR, -YEAR]) {
        clock.step(0);
        let before = again(&server, "Ben").await;
        let joined = Person::guest(&server).join(other, "Hal").await.ok();
        let old = credential(&joined);
        assert_eq!(allocate(&server, &old).await, 0);
        before.get("/api/auth/me").await.ok();

        clock.step(step);
        let sent_at = assert_talk(&mut host, &mut guest, &format!("{step}a")).await;
        assert_ahead(&sent_at, step);
        // What was signed by the other clock counts for nothing, whichever way the clock went.
        before.get("/api/auth/me").await.refused(401, "unauthenticated");
        let mut late = Socket::open(&server).await;
        late.send(&json!({"type": "join", "ticket": joined["ticket"], "media": no_media()})).await;
        late.expect_error("not_admitted").await;
        if step != -HOUR {
            // Within a day the relay takes any expiry that the same secret has signed.
            assert_eq!(allocate(&server, &old).await, 401, "{step}");
        }
        // Whoever asks anew gets what is good.
        assert_eq!(meetings(&server).await, 5, "{step}");
        let anew = Person::guest(&server).join(other, "Ida").await.ok();
        assert_eq!(allocate(&server, &credential(&anew)).await, 0, "{step}");
        let sent_at = assert_talk(&mut guest, &mut host, &format!("{step}b")).await;
        assert_ahead(&sent_at, step);
        assert_eq!(before.get("/readyz").await.status, 200);
    }
    clock.step(0);
    assert_talk(&mut host, &mut guest, "last").await;
    assert_eq!(meetings(&server).await, 5);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_seat_whose_socket_was_lost_is_kept_by_the_monotonic_clock() {
    let home = tempfile::tempdir().unwrap();
    let Some(clock) = Clock::new(home.path()) else { return };
    let server = TestServer::with(&Options { run_by: clock.run_by(), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    drop(guest);
    clock.step(10 * YEAR);
    host.skip_to("participantDisconnected").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    clock.step(-YEAR);
    tokio::time::sleep(Duration::from_secs(2)).await;
    clock.step(0);
    let participants = ben.get(&format!("/api/meetings/{room}/participants")).await.ok();
    assert_eq!(participants["participants"].as_array().unwrap().len(), 2, "{participants}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_server_that_starts_with_a_wrong_clock_keeps_meetings_accounts_and_backups() {
    let home = tempfile::tempdir().unwrap();
    let Some(clock) = Clock::new(home.path()) else { return };
    let mut server = TestServer::with(&Options { run_by: clock.run_by(), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    ben.create("Standup", json!({})).await;
    let dir = server.data_dir().join("backups");
    fs::create_dir(&dir).unwrap();
    let today = Timestamp::now();
    let planted: Vec<_> = (1..=7_u64)
        .map(|days| {
            let made = Timestamp::from_millis((today.as_secs() - days * 24 * 3600) * 1000).to_rfc3339().replace(['-', ':'], "");
            dir.join(format!("hearth-{made}.backup"))
        })
        .collect();
    planted.iter().for_each(|path| fs::write(path, "one of other days").unwrap());
    let left = || planted.iter().filter(|path| path.exists()).count();
    let count = || fs::read_dir(&dir).unwrap().count();
    for (total, step) in [(1, 10 * YEAR), (2, -YEAR), (3, 0)] {
        assert!(server.stop().success());
        clock.step(step);
        let made = |server: &TestServer| server.log().matches("a daily backup was made").count();
        // Of all the starts before.
        let before = made(&server);
        server.launch();
        let ben = again(&server, "Ben").await;
        assert_eq!(ben.get("/api/meetings?limit=1").await.ok()["total"], total, "{step}");
        assert_ahead(&try_create(&ben).await.ok()["meeting"]["createdAt"], step);
        if step != 0 {
            sooner_or_later("it makes a backup by its clock", async || made(&server) > before).await;
            // It is there before an older one makes room.
            eventually("an older one makes room", async || count() == 7).await;
        }
        assert_eq!(count(), 7, "{step}");
    }
    // Each day that a wrong clock made up costs one backup of the other days, and no more.
    println!("r13: {} of 7 backups of other days are left", left());
    assert!(left() >= 5, "{}", left());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
