//! For how long somebody may be silent, and for how long their seat is kept: as the settings say (rows R2, S1).

use serde_json::json;

use crate::harness::{Options, Person, Socket, TestServer, no_media};
use crate::reload::{TAKEN, reload};

/// Closed because there is no seat left.
const FULL: u16 = 4429;

fn meetings(setting: &str) -> Options {
    Options { config: format!("[meetings]\n{setting}"), ..Options::default() }
}

#[tokio::test]
async fn s1_who_goes_silent_counts_as_lost_after_the_ping_timeout_that_held_when_they_came() {
    let server = TestServer::with(&meetings("ping_timeout_seconds = 300"));
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut watching, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    // Pings are answered by whoever reads, and these two never read again.
    let (patiently, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    server.reconfigure(&meetings("ping_timeout_seconds = 10"));
    reload(&server, TAKEN).await;
    let (briefly, _) = Socket::enter(&server, &Person::guest(&server), &room, "Hal").await;
    let lost = watching.skip_to_late("participantDisconnected").await;
    assert_eq!(lost["participantId"], json!(briefly.participant));
    // The one who came before is waited for.
    watching.expect_quiet().await;
    drop(patiently.cut());
}

/// A meeting for two with its host, and a guest with the other seat.
async fn meeting_for_two(server: &TestServer, host: &Person, window_ms: u32) -> (String, Socket, Socket) {
    let room = host.create("For two", json!({"maxParticipants": 2})).await;
    let (mut watching, _) = Socket::enter(server, host, &room, "Ben").await;
    let (guest, welcome) = Socket::enter(server, &Person::guest(server), &room, "Gus").await;
    assert_eq!(welcome["resumeWindowMs"], json!(window_ms));
    watching.skip_to("participantJoined").await;
    (room, watching, guest)
}

/// Comes back to the seat with this token; how the socket is closed where it can't.
async fn resume(server: &TestServer, token: &str) -> Result<Socket, Option<u16>> {
    let mut socket = Socket::open(server).await;
    socket.send(&json!({"type": "resume", "resumeToken": token, "media": no_media()})).await;
    match socket.next().await.unwrap()["type"].as_str() {
        Some("welcome") => Ok(socket),
        _ => Err(socket.closed().await),
    }
}

#[tokio::test]
async fn s1_a_seat_is_kept_for_the_resume_window_that_held_when_the_meeting_began() {
    let server = TestServer::with(&meetings("resume_window_seconds = 15"));
    let (ben, eve) = (Person::member(&server, "Ben").await, Person::guest(&server));
    let (brief, mut watching_brief, gus) = meeting_for_two(&server, &ben, 15_000).await;
    server.reconfigure(&meetings("resume_window_seconds = 600"));
    reload(&server, TAKEN).await;
    let (long, mut watching_long, hal) = meeting_for_two(&server, &ben, 600_000).await;

    let (_, token_for_long) = hal.cut();
    watching_long.expect("participantDisconnected").await;
    let (_, token_for_brief) = gus.cut();
    watching_brief.expect("participantDisconnected").await;
    eve.join(&brief, "Eve").await.refused(409, "meeting_full");
    let back = resume(&server, &token_for_brief).await.expect("within the window");
    watching_brief.expect("participantReturned").await;

    drop(back.cut());
    watching_brief.expect("participantDisconnected").await;
    assert_eq!(watching_brief.skip_to_late("participantLeft").await["reason"], "timedOut");
    let (_eve, _) = Socket::enter(&server, &eve, &brief, "Eve").await;
    assert_eq!(resume(&server, &token_for_brief).await.err(), Some(Some(FULL)), "the seat was kept beyond the window");

    // Lost before the other one, and still kept.
    watching_long.expect_quiet().await;
    eve.join(&long, "Eve").await.refused(409, "meeting_full");
    resume(&server, &token_for_long).await.expect("within the longer window");
    watching_long.expect("participantReturned").await;
}
