//! Starting, stopping, crashing and coming back (rows O1, O3, M9; faults R1, R10, R20, R23; F1).

use std::process::Stdio;

use serde_json::json;

use crate::harness::{Person, Socket, TestServer, no_media};

#[tokio::test]
async fn r10_a_second_start_in_the_same_directory_exits_at_once_and_says_why() {
    let server = TestServer::start();
    let output = server.command().stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("another Hearth is using this data directory"), "{error}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    Person::guest(&server).get("/healthz").await.ok();
}

#[tokio::test]
async fn r23_both_stop_signals_end_it_cleanly_with_a_word_to_every_client() {
    for signal in ["TERM", "INT"] {
        let mut server = TestServer::start();
        let ben = Person::member(&server, "Ben").await;
        let room = ben.create("Standup", json!({})).await;
        let (mut socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
        server.signal(signal);
        let restart = socket.expect("serverRestart").await;
        assert!(restart["retryAfterMs"].as_u64().unwrap() > 0);
        assert_eq!(socket.closed().await, Some(1001));
        assert!(server.wait().success(), "{signal}");
    }
}

#[tokio::test]
async fn r20_after_a_restart_people_find_their_seats_with_the_same_ids_and_roles() {
    for crash in [false, true] {
        let mut server = TestServer::start();
        let ben = Person::member(&server, "Ben").await;
        let room = ben.create("Standup", json!({})).await;
        let (host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
        let (guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
        let read = format!("/api/meetings/{room}");
        crate::harness::eventually("the meeting reads as active", async || {
            ben.get(&read).await.ok()["meeting"]["status"] == "active"
        })
        .await;
        let started = ben.get(&read).await.ok()["meeting"]["startedAt"].clone();
        if crash {
            // What reads as active may still be on its way to the disk. Writes are in order, so the answer to this one vouches for it.
            ben.create("Later", json!({})).await;
            server.kill();
        } else {
            assert!(server.stop().success());
        }
        server.launch();
        let (mut host_again, welcome) = host.resume(&server).await;
        assert_eq!(welcome["participantId"], json!(host.participant));
        assert_eq!((&welcome["participants"][0]["role"], &welcome["resumed"]), (&json!("host"), &json!(true)));
        assert!(welcome["settlesInMs"].as_u64().unwrap() > 0, "the others may still come back");
        assert_eq!(welcome["meeting"]["startedAt"], started);
        let (guest_again, welcome) = guest.resume(&server).await;
        assert_eq!(welcome["participants"].as_array().unwrap().len(), 2, "no ghosts: {welcome}");
        assert_eq!(host_again.expect("participantJoined").await["participant"]["id"], json!(guest_again.participant));
        // Somebody who left before the restart did so for good only as far as the server remembers; a seat of another meeting is none here.
        let mut stranger = Socket::open(&server).await;
        stranger.send(&json!({"type": "resume", "resumeToken": "nonsense", "media": no_media()})).await;
        stranger.expect_error("not_admitted").await;
    }
}

#[tokio::test]
async fn r1_what_was_acknowledged_survives_kill_9_at_any_moment() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let (mut acknowledged, mut round) = (Vec::new(), 0);
    // A busy machine may take more time until it acknowledges the first.
    while round < 5 || acknowledged.is_empty() {
        let writer = {
            let ben = ben.clone();
            tokio::spawn(async move {
                let mut rooms = Vec::new();
                loop {
                    // The connection breaks off when the server is killed; only what was answered counts.
                    let created = tokio::spawn({
                        let ben = ben.clone();
                        async move { ben.create("Standup", json!({})).await }
                    });
                    match created.await {
                        Ok(room) => rooms.push(room),
                        Err(_) => return rooms,
                    }
                    if rooms.len() >= 11 {
                        return rooms;
                    }
                }
            })
        };
        tokio::time::sleep(std::time::Duration::from_millis(30 + 40 * round)).await;
        server.kill();
        acknowledged.extend(writer.await.unwrap());
        server.launch();
        round += 1;
    }
    for room in &acknowledged {
        ben.get(&format!("/api/meetings/{room}")).await.ok();
    }
    let listed = ben.get("/api/meetings?limit=100").await.ok();
    assert!(listed["total"].as_u64().unwrap() >= acknowledged.len() as u64);
}

#[tokio::test]
async fn o3_accounts_sign_ins_and_meetings_outlive_a_crash() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let ended = ben.create("Ended", json!({})).await;
    ben.post_empty(&format!("/api/meetings/{ended}/end")).await.ok();
    let deleted = ben.create("Deleted", json!({})).await;
    ben.delete(&format!("/api/meetings/{deleted}")).await.ok();
    server.kill();
    server.launch();
    assert_eq!(ben.get("/api/auth/me").await.ok()["name"], "Ben");
    assert_eq!(ben.get(&format!("/api/meetings/{ended}")).await.ok()["meeting"]["status"], "ended");
    ben.get(&format!("/api/meetings/{deleted}")).await.refused(404, "meeting_not_found");
    ben.post("/api/auth/login", &json!({"email": "ben@example.org", "password": "Ben keeps secrets"})).await.ok();
}

#[cfg(unix)]
#[tokio::test]
async fn f1_everything_below_the_data_directory_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = TestServer::start();
    Person::admin(&server).await;
    for path in server.files() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[tokio::test]
async fn o1_the_announcement_names_address_fingerprint_and_setup_link() {
    let server = TestServer::start();
    assert!(server.address.starts_with("https://localhost:"));
    assert_eq!(server.fingerprint.split(':').count(), 32, "{}", server.fingerprint);
    assert!(server.setup_token.as_ref().is_some_and(|token| token.len() >= 22));
    assert!(!server.log().contains(server.setup_token.as_deref().unwrap()), "the link is a secret and has no place in the log");
}
