//! Damaged files of the store: never a hang, never wrong data, and always a way out.

use std::fs;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth::ids::random_bytes;
use serde_json::json;

use crate::harness::{Person, TestServer};
use crate::tools::{again, chance, copy, hearth, rounds, run, said, sign_in};

/// A server whose store has a snapshot, an account and a meeting, and which is stopped.
async fn with_a_snapshot() -> (TestServer, String) {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    for _ in 0..40 {
        ben.create(&"a title that takes its place on the disk ".repeat(2), json!({})).await;
    }
    for _ in 0..2 {
        assert!(server.stop().success());
        server.launch();
    }
    assert!(server.stop().success());
    (server, room)
}

fn snapshot(store: &Path) -> PathBuf {
    let mut names = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let found = names.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."));
    found.expect("the store has a snapshot")
}

async fn assert_all_there(server: &TestServer, room: &str) {
    let ben = again(server, "Ben").await;
    assert_eq!(ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
}

#[tokio::test]
async fn r3_what_is_left_of_a_snapshot_is_removed_with_a_warning_and_everything_is_there() {
    let (mut server, room) = with_a_snapshot().await;
    let store = server.data_dir().join("store");
    let planted = [("snap.FFFFFFFFFFFFFFF0.generating", &b""[..]), ("snap.0000000000000001.generating", b"half of one")];
    planted.iter().for_each(|(name, content)| fs::write(store.join(name), content).unwrap());
    server.launch();
    assert!(planted.iter().all(|(name, _)| !store.join(name).exists()));
    server.has_logged("half written");
    assert_all_there(&server, &room).await;
}

#[tokio::test]
async fn r3_a_snapshot_with_a_wrong_checksum_is_set_aside_with_a_warning_and_everything_is_there() {
    let (mut server, room) = with_a_snapshot().await;
    let path = snapshot(&server.data_dir().join("store"));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&path, bytes).unwrap();
    server.launch();
    server.has_logged("snapshot is damaged");
    assert_all_there(&server, &room).await;
}

/// One way to break a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Empty,
    Gone,
    CutAt(u64),
    Noise(u64),
}

impl Damage {
    fn random(length: u64) -> Self {
        if chance(0, 2) == 0 { Self::CutAt(chance(0, length - 1)) } else { Self::Noise(chance(0, length - 64)) }
    }

    fn apply(self, path: &Path) {
        let file = || fs::OpenOptions::new().write(true).open(path).unwrap();
        match self {
            Self::Empty => file().set_len(0).unwrap(),
            Self::Gone => fs::remove_file(path).unwrap(),
            Self::CutAt(length) => file().set_len(length).unwrap(),
            Self::Noise(place) => file().write_all_at(&random_bytes::<64>(), place).unwrap(),
        }
    }
}

#[tokio::test]
async fn r4_a_damaged_store_never_hangs_says_how_to_restore_and_a_restore_works() {
    let (mut server, room) = with_a_snapshot().await;
    let (data_dir, home) = (server.data_dir(), tempfile::tempdir().unwrap());
    let (pristine, backups) = (home.path().join("pristine"), data_dir.join("backups"));
    fs::create_dir(&backups).unwrap();
    let newest = backups.join("hearth-20260102T000000Z.backup");
    run(&data_dir, &["backup", newest.to_str().unwrap()]).ok();
    fs::copy(&newest, backups.join("hearth-20260101T000000Z.backup")).unwrap();
    copy(&data_dir, &pristine);
    let length = fs::metadata(data_dir.join("store/db")).unwrap().len();

    let sure = [Damage::Empty, Damage::Gone];
    let random = (0..rounds(3)).map(|_| Damage::random(length));
    let (mut refused, mut served) = (0, 0);
    for damage in sure.into_iter().chain(random) {
        fs::remove_dir_all(&data_dir).unwrap();
        copy(&pristine, &data_dir);
        damage.apply(&data_dir.join("store/db"));
        match start(&mut server).await {
            Start::Serves => {
                // What is gone with a cut log is gone; what is there is right.
                let signed_in = sign_in(&server, "Ben").await;
                assert!(matches!(signed_in.status.as_u16(), 200 | 401 | 503), "{damage:?}: {signed_in:?}");
                assert!(server.stop().success());
                served += 1;
            }
            Start::Refuses(error) => {
                let command = format!("hearth restore --data-dir {} {}", data_dir.display(), newest.display());
                assert!(error.contains(&command), "{damage:?}: {error}");
                refused += 1;
                let told = run(&data_dir, &["restore", newest.to_str().unwrap()]).ok();
                assert!(told.contains("before-restore-"), "{told}");
                server.launch();
                assert_all_there(&server, &room).await;
                assert!(server.stop().success());
            }
        }
    }
    println!("r4: {refused} damaged stores were refused with the way out and restored, {served} could be served");
    assert!(refused >= sure.len());
}

enum Start {
    Serves,
    Refuses(String),
}

/// Starts the server, which must serve or refuse within twice the time that opening may take.
async fn start(server: &mut TestServer) -> Start {
    let mut log = tempfile::tempfile().unwrap();
    let mut child = server.command().stdout(std::process::Stdio::null()).stderr(log.try_clone().unwrap()).spawn().unwrap();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let health = format!("{}/healthz", server.address);
    for _ in 0..2600 {
        if let Some(status) = child.try_wait().unwrap() {
            let mut text = String::new();
            log.seek(SeekFrom::Start(0)).unwrap();
            std::io::Read::read_to_string(&mut log, &mut text).unwrap();
            assert_eq!(status.code(), Some(74), "{text}");
            return Start::Refuses(text);
        }
        if client.get(&health).send().await.is_ok() {
            child.kill().unwrap();
            child.wait().unwrap();
            server.launch();
            return Start::Serves;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    panic!("it neither serves nor refuses");
}

#[tokio::test]
async fn r4_without_an_automatic_backup_the_refusal_says_so() {
    let (server, _) = with_a_snapshot().await;
    Damage::Empty.apply(&server.data_dir().join("store/db"));
    let refused = said(server.command().output().unwrap());
    refused.refused(74, &["There is no automatic backup", "hearth restore --data-dir", "FILE"]);
    // A command that needs the data says the same.
    let output = server.data_dir().join("out.backup");
    let said = said(hearth(&server.data_dir(), &["backup", output.to_str().unwrap()]).output().unwrap());
    said.refused(74, &["damaged", "hearth restore --data-dir"]);
    assert!(!output.exists());
}
