//! Full disks: a small file system of the store's own, which root can make.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Options, Person, Socket, TestServer, eventually};
use crate::tools::{can, copy, on_a_small_disk, run, said, try_create};

fn on(prepare: &str) -> Options {
    Options { run_by: on_a_small_disk(prepare), ..Options::default() }
}

/// The store as the server sees it.
fn store_inside(server: &TestServer) -> PathBuf {
    let seen = server.data_dir().join("store");
    PathBuf::from(format!("/proc/{}/root{}", server.pid(), seen.display()))
}

/// Takes what is left, but for `spare` bytes.
fn fill(server: &TestServer, spare: u64) -> PathBuf {
    let path = store_inside(server).join("ballast");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(spare)).unwrap();
    path
}

#[tokio::test]
async fn r5_with_a_full_disk_writes_are_refused_calls_and_reads_go_on_and_it_recovers() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    // Nearly full, so that the store stops by itself; and so full that it fails in the middle.
    for spare in [8 * 1024 * 1024, 0] {
        let server = TestServer::with(&on(""));
        let ben = Person::member(&server, "Ben").await;
        let room = ben.create("Standup", json!({})).await;
        let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
        let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;

        let ballast = fill(&server, spare);
        eventually("writes are refused", async || try_create(&ben).await.status == 503).await;
        try_create(&ben).await.refused(503, "storage_unavailable");
        assert_eq!(ben.get("/readyz").await.status, 503);
        assert_eq!(ben.get("/healthz").await.status, 200);
        assert_eq!(ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
        assert_eq!(ben.get("/api/auth/me").await.ok()["name"], "Ben");
        host.send(&json!({"type": "chat", "id": "1", "to": null, "text": "Can you hear me?"})).await;
        assert_eq!(guest.skip_to("chat").await["message"]["text"], "Can you hear me?");

        fs::remove_file(ballast).unwrap();
        eventually("writes are taken again", async || try_create(&ben).await.status.is_success()).await;
        assert_eq!(ben.get("/readyz").await.status, 200);
        assert_eq!(ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
        guest.send(&json!({"type": "chat", "id": "2", "to": null, "text": "Yes."})).await;
        // The first one comes back to whoever said it.
        host.skip_to("chat").await;
        assert_eq!(host.skip_to("chat").await["message"]["text"], "Yes.");
    }
}

#[tokio::test]
async fn r6_a_first_start_on_a_full_disk_says_so_and_leaves_nothing_behind() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    let server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    let words = on_a_small_disk("dd if=/dev/zero of=\"$store/ballast\" bs=64k status=none || true");
    let mut command = std::process::Command::new(&words[0]);
    command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_hearth")).arg("--data-dir").arg(home.path().join("data"));
    let refused = said(command.output().unwrap());
    refused.refused(1, &["not enough free space", "free some and start again"]);
    drop(server);
}

#[tokio::test]
async fn r6_a_start_on_a_full_disk_serves_what_is_there() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    let mut plain = TestServer::start();
    let ben = Person::member(&plain, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    assert!(plain.stop().success());
    // Its store, in a file system that is full but for a little.
    let home = tempfile::tempdir().unwrap();
    let kept = home.path().join("store");
    copy(&plain.data_dir().join("store"), &kept);
    let prepare = format!(
        "cp -a {}/. \"$store\"/
        head -c 70000000 /dev/zero > \"$store/ballast\"
        cp -a {}/keys \"$data\"/",
        kept.display(),
        plain.data_dir().display()
    );
    let full = TestServer::with(&on(&prepare));
    let again = crate::tools::sign_in(&full, "Ben").await;
    assert_eq!(again.status, 503, "a sign-in is a write: {again:?}");
    let preview = Person::guest(&full).get(&format!("/api/meetings/{room}/preview")).await.ok();
    assert_eq!(preview["title"], "Standup");
    assert_eq!(Person::guest(&full).get("/readyz").await.status, 503);
}

#[tokio::test]
async fn r5_a_backup_that_would_fill_the_disk_is_refused_and_nothing_stays_behind() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    assert!(server.stop().success());
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("full");
    let script = "mkdir \"$1\" && mount -t tmpfs -o size=64k tmpfs \"$1\" && head -c 64000 /dev/zero > \"$1/ballast\"
        \"$2\" backup \"$1/out.backup\" --data-dir \"$3\"; status=$?
        ls -A \"$1\"; exit $status";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&target).arg(env!("CARGO_BIN_EXE_hearth")).arg(server.data_dir());
    let refused = said(command.output().unwrap());
    assert_eq!(refused.out, "ballast\n");
    refused.refused(1, &["out.backup can't be written"]);
    run(&server.data_dir(), &["upgrade-check"]).ok();
}

#[tokio::test]
async fn r5_a_restore_without_room_changes_nothing_and_says_so() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let script =
        "mkdir \"$1\" && mount -t tmpfs -o size=16k,mode=700 tmpfs \"$1\" && mkdir \"$1/keys\" && echo mine > \"$1/keys/access\"
        \"$2\" restore \"$3\" --data-dir \"$1\"; status=$?
        find \"$1\" -type f -size +0 -exec cat {} +; exit $status";
    let backup = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1.backup");
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(home.path().join("full")).arg(env!("CARGO_BIN_EXE_hearth")).arg(backup);
    let refused = said(command.output().unwrap());
    assert_eq!(refused.out, "mine\n");
    refused.refused(1, &["was not restored"]);
}
