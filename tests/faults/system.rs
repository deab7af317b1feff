//! A system that refuses: calls that fail, directories that may not be written or are gone.

use std::cell::RefCell;
use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Options, Person, TestServer, eventually};
use crate::tools::{Tracer, again, can, can_trace, hearth, on_a_small_disk, program, rounds, run, said, traced, try_create};

/// Settings for tests that ask more often than anybody may.
const OFTEN: &str = "[limits]\nmeetings_per_hour = 100000\nrequests_per_minute = 100000";

/// The calls that the store writes with, and the errors that they are given.
const FAILURES: [(&str, &str); 7] = [
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EROFS"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("sync_file_range", "EIO"),
    ("rename", "ENOSPC"),
];

/// Starts the server with a failing call, writes until something fails or is acknowledged ten times, and kills it.
async fn write_although(server: &TestServer, calls: &str, error: &str, nth: usize) -> (Vec<String>, usize) {
    let traced_to = tempfile::NamedTempFile::new().unwrap();
    // Some calls that fail in a row, as on a disk that is out of order for a moment.
    let injection = format!("error={error}:when={nth}..{}", nth + 3);
    let words = traced(calls, &injection, traced_to.path());
    let plain = server.command();
    let mut command = program(&words[0]);
    command.args(&words[1..]).arg(plain.get_program()).args(plain.get_args());
    let log = tempfile::NamedTempFile::new().unwrap();
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(log.reopen().unwrap());
    let mut child = command.spawn().unwrap();
    let mut acknowledged = Vec::new();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    for _ in 0..1200 {
        if let Some(status) = child.try_wait().unwrap() {
            let text = fs::read_to_string(log.path()).unwrap();
            assert!(matches!(status.code(), Some(1 | 74)), "{calls} {error} {nth}: {status}\n{text}");
            assert!(text.contains("hearth: "), "it says why it can't start: {text}");
            break;
        }
        if client.get(format!("{}/healthz", server.address)).send().await.is_ok() {
            let ben = again_or_nothing(server).await;
            for _ in 0..10 {
                let Some(ben) = &ben else { break };
                let answer = try_create(ben).await;
                if answer.status.is_success() {
                    acknowledged.push(answer.body["meeting"]["roomId"].as_str().unwrap().to_owned());
                } else {
                    answer.refused(503, "storage_unavailable");
                }
            }
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let injected = fs::read_to_string(traced_to.path()).unwrap().matches("(INJECTED)").count();
    (acknowledged, injected)
}

/// Signing in writes, too, and may be refused.
async fn again_or_nothing(server: &TestServer) -> Option<Person> {
    let answer = crate::tools::sign_in(server, "Ben").await;
    if !answer.status.is_success() {
        answer.refused(503, "storage_unavailable");
        return None;
    }
    let mut ben = Person::guest(server);
    ben.token = Some(answer.body["accessToken"].as_str().unwrap().to_owned());
    Some(ben)
}

#[tokio::test]
async fn r7_a_call_that_fails_acknowledges_nothing_that_is_lost_and_the_next_start_is_good() {
    if !can_trace() {
        return;
    }
    let mut server = TestServer::with(&Options { config: String::from(OFTEN), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let mut acknowledged = vec![ben.create("Standup", json!({})).await];
    server.kill();
    let (mut failures, rounds) = (0, rounds(2));
    for (calls, error) in FAILURES {
        for round in 0..rounds {
            // The first few in order, and then further and further apart.
            let nth = if rounds <= 10 { 1 + round * 9 } else { 1 + round };
            let (more, injected) = write_although(&server, calls, error, nth).await;
            acknowledged.extend(more);
            failures += injected;
            server.launch();
            let ben = again(&server, "Ben").await;
            for room in acknowledged.iter().rev().take(12) {
                ben.get(&format!("/api/meetings/{room}")).await.ok();
            }
            server.kill();
        }
    }
    server.launch();
    let ben = again(&server, "Ben").await;
    for room in &acknowledged {
        ben.get(&format!("/api/meetings/{room}")).await.ok();
    }
    println!("r7: {failures} calls failed; all of {} acknowledged meetings are there", acknowledged.len());
    assert!(failures > 0, "nothing failed");
}

#[tokio::test]
async fn r7_a_running_server_recovers_from_writes_that_failed() {
    if !can_trace() {
        return;
    }
    let server = TestServer::with(&Options { config: String::from(OFTEN), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let made = RefCell::new(Vec::new());
    let write = async || {
        let answer = try_create(&ben).await;
        if answer.status.is_success() {
            made.borrow_mut().push(answer.body["meeting"]["roomId"].as_str().unwrap().to_owned());
            return true;
        }
        answer.refused(503, "storage_unavailable");
        false
    };
    assert!(write().await);
    let fault = Tracer::attach(server.pid(), "pwrite64,fdatasync", "error=EIO", &[]);
    eventually("a write is refused", async || !write().await).await;
    assert_eq!(ben.get("/readyz").await.status, 503);
    drop(fault);
    eventually("it takes writes again", write).await;
    eventually("it is well again", async || ben.get("/readyz").await.status == 200).await;
    for room in made.take() {
        ben.get(&format!("/api/meetings/{room}")).await.ok();
    }
}

#[tokio::test]
async fn r9_a_data_directory_that_went_away_is_an_error_and_no_new_data() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (here, away) = (server.data_dir(), server.data_dir().with_extension("away"));
    fs::rename(&here, &away).unwrap();
    try_create(&ben).await.refused(503, "storage_unavailable");
    assert_eq!(ben.get("/readyz").await.status, 503);
    assert_eq!(ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
    assert!(!here.exists(), "nothing new was made in its place");
    assert!(server.is_running());

    fs::rename(&away, &here).unwrap();
    eventually("it takes writes again", async || try_create(&ben).await.status.is_success()).await;
    assert!(server.stop().success());
}

#[tokio::test]
async fn r9_a_store_that_is_gone_while_its_mark_is_there_is_damage_and_no_new_store() {
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    assert!(server.stop().success());
    fs::remove_file(server.data_dir().join("store/db")).unwrap();
    said(server.command().output().unwrap()).refused(74, &["missing or empty"]);
    assert!(!server.data_dir().join("store/db").exists());
}

#[tokio::test]
async fn r9_a_directory_that_may_not_be_written_is_named_with_the_mend() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let words = on_a_small_disk("mount -o remount,ro \"$store\"");
    let start = |prepare: Option<&str>| {
        let words = prepare.map_or_else(|| words.clone(), on_a_small_disk);
        let mut command = program(&words[0]);
        command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_hearth")).arg("--data-dir").arg(&data_dir);
        said(command.output().unwrap())
    };
    start(None).refused(1, &["store can't be used", "must be a directory that this user may read and write"]);
    let whole = "mount -t tmpfs -o size=1m,mode=700 tmpfs \"$data\" && mount -o remount,ro \"$data\"";
    start(Some(whole)).refused(1, &["the data directory", "--data-dir or server.data_dir"]);
    let file = home.path().join("file");
    fs::write(&file, "a file").unwrap();
    said(hearth(&file, &[]).output().unwrap()).refused(1, &["the data directory", "--data-dir"]);
    assert_eq!(fs::read(&file).unwrap(), b"a file");
}

#[tokio::test]
async fn r10_while_a_server_runs_nothing_else_may_use_its_data() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("one.backup");
    let data_dir = server.data_dir();
    run(&data_dir, &["backup", file.to_str().unwrap()]).ok();
    for command in [&["restore", file.to_str().unwrap()][..], &["serve"], &[]] {
        run(&data_dir, command).refused(1, &["another Hearth is using this data directory", "stop it first"]);
    }
    try_create(&ben).await.ok();
    assert!(server.stop().success());
    run(&data_dir, &["restore", file.to_str().unwrap()]).ok();
}
