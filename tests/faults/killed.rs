//! The real server, killed while it writes and while it starts.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Person, TestServer};
use crate::tools::{chance, rounds};

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_server_killed_while_it_writes_keeps_every_meeting_that_it_acknowledged() {
    let rounds = rounds(6);
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let (mut acknowledged, mut checked) = (Vec::new(), 0);
    for round in 1..=rounds {
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let ben = ben.clone();
            writers.spawn(async move {
                let mut made = Vec::new();
                // The connection breaks off when the server is killed; only what was answered counts.
                while let Ok(room) = create(&ben).await {
                    made.extend(room);
                }
                made
            });
        }
        tokio::time::sleep(Duration::from_millis(chance(5, 500))).await;
        server.kill();
        acknowledged.extend(writers.join_all().await.concat());
        server.launch();
        // All of them now and then, the latest each time.
        let from = if round == rounds || round % 50 == 0 { 0 } else { checked };
        for room in &acknowledged[from..] {
            let read = ben.get(&format!("/api/meetings/{room}")).await.ok();
            assert_eq!(read["meeting"]["title"], "Standup");
        }
        checked = acknowledged.len();
    }
    let listed = ben.get("/api/meetings?limit=1").await.ok();
    assert!(listed["total"].as_u64().unwrap() >= acknowledged.len() as u64, "a meeting is in its host's list");
    println!("r1: killed {rounds} times while it wrote; all of {} acknowledged meetings are there", acknowledged.len());
    assert!(!acknowledged.is_empty());
}

/// The code of a new meeting; none when there were too many in a minute. An error when the connection breaks.
async fn create(ben: &Person) -> reqwest::Result<Option<String>> {
    let request = ben.client.post(format!("{}/api/meetings/create", ben.base));
    let request = request.bearer_auth(ben.token.as_deref().unwrap()).json(&json!({"title": "Standup", "settings": {}}));
    let answer: Value = request.send().await?.json().await?;
    let room = answer["meeting"]["roomId"].as_str().map(str::to_owned);
    if room.is_none() {
        assert_eq!(answer["error"]["code"], "too_many_requests", "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(room)
}

#[tokio::test]
async fn r2_a_server_killed_while_it_starts_always_starts_again() {
    let rounds = rounds(40);
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    server.kill();
    for round in 1..=rounds {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = server.command().stdout(Stdio::null()).stderr(log.reopen().unwrap()).spawn().unwrap();
        // One in four lives long enough to write its first snapshot.
        let life = if round % 4 == 0 { chance(60, 400) } else { chance(2, 60) };
        tokio::time::sleep(Duration::from_millis(life)).await;
        if let Some(status) = child.try_wait().unwrap() {
            let said = std::fs::read_to_string(log.path()).unwrap();
            // While it is down, a program that has nothing to do with these tests may take its port.
            assert!(said.contains("another program listens on"), "it ended by itself in round {round}: {status}\n{said}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 10 == 0 || round == rounds {
            server.launch();
            assert_eq!(ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
            server.kill();
        }
    }
    println!("r2: killed {rounds} times while it started, and it always started again");
}
