//! Restores: of hostile files, of files from elsewhere, and such that are killed in the middle.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Person, TestServer};
use crate::tools::{again, can, can_trace, chance, contents, copy, hearth, rounds, run, sign_in, traced};

/// A backup that was made by version 0.1.0 on x86-64, with the member Fay and her meeting.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1.backup")
}

/// The code of the meeting in it.
fn room() -> String {
    fs::read_to_string(committed().with_extension("room")).unwrap().trim().to_owned()
}

/// A stopped server with Ben's account, and a backup of another with Cleo's.
async fn old_and_new(home: &Path) -> (TestServer, PathBuf) {
    let file = home.join("new.backup");
    let mut other = TestServer::start();
    Person::member(&other, "Cleo").await;
    assert!(other.stop().success());
    run(&other.data_dir(), &["backup", file.to_str().unwrap()]).ok();
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    assert!(server.stop().success());
    (server, file)
}

/// Whether the old data are there, or else the new. Insists that it is one of them, wholly.
async fn has_old(server: &TestServer) -> bool {
    let (old, new) = (sign_in(server, "Ben").await, sign_in(server, "Cleo").await);
    match (old.status.as_u16(), new.status.as_u16()) {
        (200, 401) => true,
        (401, 200) => false,
        _ => panic!("neither the old data nor the new: {old:?} {new:?}"),
    }
}

#[tokio::test]
async fn f7_a_damaged_or_hostile_backup_is_refused_and_nothing_is_touched() {
    let home = tempfile::tempdir().unwrap();
    let (server, good) = old_and_new(home.path()).await;
    let before = contents(&server.data_dir());
    let bytes = fs::read(&good).unwrap();
    let bad = home.path().join("bad.backup");
    let refuse = |content: &[u8], words: &[&str]| {
        fs::write(&bad, content).unwrap();
        let complaint = run(&server.data_dir(), &["restore", bad.to_str().unwrap()]).refused(1, words);
        assert!(complaint.contains("bad.backup was not restored"), "{complaint}");
        assert_eq!(contents(&server.data_dir()), before);
    };
    let length = bytes.len() as u64;
    for place in (0..40).map(|_| chance(0, length - 1)).chain([0, 8, 12, 16, length - 1]) {
        let mut flipped = bytes.clone();
        flipped[usize::try_from(place).unwrap()] ^= 1 << chance(0, 7);
        refuse(&flipped, &[]);
    }
    for cut in (0..10).map(|_| chance(0, length - 1)) {
        refuse(&bytes[..usize::try_from(cut).unwrap()], &[]);
    }
    refuse(&[&bytes[..], b"\0"].concat(), &["something follows its end"]);
    refuse(b"", &["no backup of Hearth"]);
    refuse(&vec![0; 1 << 20], &["no backup of Hearth"]);
    refuse(&sealed(1, 9, b"", 0), &["format 9", "up to 1"]);
    refuse(&sealed(7, 1, b"", 0), &["version 7", "up to version 1"]);
    // Checksums are right, and what they protect is not.
    for name in ["../../evil", "/tmp/evil", "keys/../../evil", "store/db", "lock"] {
        let file = [&[3][..], &u16::try_from(name.len()).unwrap().to_be_bytes(), name.as_bytes(), &[0; 4]].concat();
        refuse(&sealed(1, 1, &file, 1), &["a file that no Hearth would put there"]);
    }
    let bomb = [&[2][..], &u32::MAX.to_be_bytes()].concat();
    refuse(&sealed(1, 1, &bomb, 1), &["larger than any can be"]);
    refuse(&sealed(1, 1, b"", 0), &["not those that the backup tells of"]);
    refuse(&sealed(1, 1, b"\x02\0\0\0\x01k\0\0\0\x01v", 1), &["before the first tree"]);
    for missing in [home.path().join("nothing"), home.path().to_owned()] {
        run(&server.data_dir(), &["restore", missing.to_str().unwrap()]).refused(1, &["was not restored"]);
    }
    let fresh = home.path().join("fresh");
    run(&fresh, &["restore", bad.to_str().unwrap()]).refused(1, &["was not restored"]);
    assert!(!home.path().join("evil").exists() && !Path::new("/tmp/evil").exists());
}

/// A backup with these records whose checksums are right.
fn sealed(schema: u32, format: u32, records: &[u8], count: u64) -> Vec<u8> {
    use sha2::Digest;
    let mut bytes = b"HEARTHBK".to_vec();
    bytes.extend(format.to_be_bytes());
    bytes.extend(schema.to_be_bytes());
    bytes.extend(1_700_000_000_000_u64.to_be_bytes());
    bytes.extend(b"\x059.9.9");
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(records);
    bytes.push(127);
    bytes.extend(count.to_be_bytes());
    let digest = sha2::Sha256::digest(&bytes);
    bytes.extend(digest);
    bytes
}

#[tokio::test]
async fn a_restore_killed_at_any_step_leaves_the_old_data_or_the_new() {
    if !can_trace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (mut server, file) = old_and_new(home.path()).await;
    let (data_dir, pristine) = (server.data_dir(), home.path().join("pristine"));
    copy(&data_dir, &pristine);
    let (mut old, mut new) = (0, 0);
    for step in 1.. {
        fs::remove_dir_all(&data_dir).unwrap();
        copy(&pristine, &data_dir);
        let trace = home.path().join("trace");
        let mut words = traced("rename,renameat,renameat2,unlinkat,rmdir", &format!("signal=KILL:when={step}"), &trace);
        // With it, calls are seen and no signal comes.
        words.retain(|word| word != "--seccomp-bpf");
        let plain = hearth(&data_dir, &["restore", file.to_str().unwrap()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(plain.get_program()).args(plain.get_args());
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        server.launch();
        if has_old(&server).await {
            old += 1;
        } else {
            new += 1;
        }
        assert!(server.stop().success());
        let left = fs::read_dir(&data_dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<_> = left.filter(|name| name.starts_with("restore.")).collect();
        assert_eq!(left, [""; 0], "after a kill at step {step}");
        if status.success() {
            break;
        }
    }
    println!(
        "a restore was killed at {} steps: {old} times the old data were there afterwards, {new} times the new",
        old + new - 1
    );
    assert!(old > 0 && new > 3);
}

#[tokio::test]
async fn a_restore_killed_at_any_moment_leaves_the_old_data_or_the_new() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, file) = old_and_new(home.path()).await;
    let (data_dir, pristine) = (server.data_dir(), home.path().join("pristine"));
    copy(&data_dir, &pristine);
    let (rounds, mut old) = (rounds(10), 0);
    for _ in 0..rounds {
        fs::remove_dir_all(&data_dir).unwrap();
        copy(&pristine, &data_dir);
        let mut child = hearth(&data_dir, &["restore", file.to_str().unwrap()]).stdout(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(chance(2, 120))).await;
        // It may have ended.
        let _ = child.kill();
        child.wait().unwrap();
        server.launch();
        old += usize::from(has_old(&server).await);
        server.kill();
    }
    println!(
        "a restore was killed {rounds} times: {old} times the old data were there afterwards, {} times the new",
        rounds - old
    );
}

#[tokio::test]
async fn a_restore_keeps_what_was_there_and_can_be_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, file) = old_and_new(home.path()).await;
    let data_dir = server.data_dir();
    fs::create_dir(data_dir.join("backups")).unwrap();
    fs::write(data_dir.join("backups/mine"), "stays").unwrap();
    fs::write(data_dir.join("hearth.toml"), "stays").unwrap();
    let told = run(&data_dir, &["restore", file.to_str().unwrap()]).ok();
    let kept = fs::read_dir(&data_dir).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("before-restore-")).collect();
    assert!(kept.len() == 1 && told.contains(kept[0].to_str().unwrap()), "{told}");
    server.launch();
    assert!(!has_old(&server).await);
    assert!(server.stop().success());
    assert_eq!(fs::read_to_string(data_dir.join("backups/mine")).unwrap(), "stays");
    assert_eq!(fs::read_to_string(data_dir.join("hearth.toml")).unwrap(), "stays");
    // What was kept is a data directory of its own.
    let taken_back = home.path().join("taken-back.backup");
    run(&kept[0], &["backup", taken_back.to_str().unwrap()]).ok();
    run(&data_dir, &["restore", taken_back.to_str().unwrap()]).ok();
    server.launch();
    assert!(has_old(&server).await);
}

#[tokio::test]
async fn what_root_does_leaves_the_files_to_their_owner() {
    /// Nobody's number, for whom nothing runs here.
    const OWNER: u32 = 51_234;
    let home = tempfile::tempdir().unwrap();
    if !can("chown", &["51234:51234", home.path().to_str().unwrap()]) {
        return;
    }
    let (server, file) = old_and_new(home.path()).await;
    let data_dir = server.data_dir();
    assert!(Command::new("chown").args(["-R", "51234:51234"]).arg(&data_dir).status().unwrap().success());
    let owned = || {
        for path in server.files() {
            assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), OWNER, "{}", path.display());
        }
    };
    run(&data_dir, &["upgrade-check"]).ok();
    owned();
    run(&data_dir, &["backup", home.path().join("mine.backup").to_str().unwrap()]).ok();
    owned();
    run(&data_dir, &["restore", file.to_str().unwrap()]).ok();
    owned();
}

#[tokio::test]
async fn r12_the_committed_backup_of_another_machine_is_restored() {
    let mut server = TestServer::start();
    assert!(server.stop().success());
    run(&server.data_dir(), &["restore", committed().to_str().unwrap()]).ok();
    server.launch();
    let fay = again(&server, "Fay").await;
    let read = fay.get(&format!("/api/meetings/{}", room())).await.ok();
    assert_eq!(read["meeting"]["title"], "Standup");
    assert_eq!(fay.get("/api/auth/me").await.ok()["name"], "Fay");
}

/// Writes the committed backup. Run it by hand when the format or the schema changes, under the name of the new one:
/// `cargo test --test faults write_the_committed_backup -- --ignored`.
#[tokio::test]
#[ignore = "writes into the repository"]
async fn write_the_committed_backup() {
    let server = TestServer::start();
    let fay = Person::member(&server, "Fay").await;
    let room = fay.create("Standup", json!({})).await;
    run(&server.data_dir(), &["backup", committed().to_str().unwrap()]).ok();
    fs::write(committed().with_extension("room"), room + "\n").unwrap();
}
