//! The socket (rows R1, R2, R4, R5, R6, M9; attacks W2 to W11, W13).

use std::io::ErrorKind;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::harness::socket::connect_tls;
use crate::harness::{Options, Person, Socket, TestServer, no_media};

/// A server with a host and an empty meeting.
async fn meeting() -> (TestServer, Person, String) {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    (server, ben, room)
}

/// The host and a guest in that meeting, who have heard of each other.
async fn two_people() -> (TestServer, String, Socket, Socket) {
    let (server, ben, room) = meeting().await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (two, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    one.skip_to("participantJoined").await;
    (server, room, one, two)
}

/// The same with another guest.
async fn three_people() -> (TestServer, String, [Socket; 3]) {
    let (server, room, mut one, mut two) = two_people().await;
    let (three, _) = Socket::enter(&server, &Person::guest(&server), &room, "Hal").await;
    one.skip_to("participantJoined").await;
    two.skip_to("participantJoined").await;
    (server, room, [one, two, three])
}

fn names(welcome: &Value) -> Vec<&str> {
    welcome["participants"].as_array().unwrap().iter().map(|participant| participant["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn r4_the_list_of_participants_follows_join_and_leave() {
    let (server, ben, room) = meeting().await;
    let (mut host, welcome) = Socket::enter(&server, &ben, &room, "Ben").await;
    assert_eq!(names(&welcome), ["Ben"]);
    assert_eq!((&welcome["protocol"], &welcome["resumed"], &welcome["settlesInMs"]), (&json!(1), &json!(false), &json!(0)));
    assert_eq!((&welcome["meeting"]["title"], &welcome["meeting"]["roomId"]), (&json!("Standup"), &json!(room)));
    assert_eq!(welcome["participants"][0]["role"], "host");
    assert!(welcome["iceServers"].as_array().unwrap().len() >= 2);
    let (mut guest, welcome) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    assert_eq!(names(&welcome), ["Ben", "Gus"]);
    let joined = host.expect("participantJoined").await;
    assert_eq!(joined["participant"]["name"], "Gus");
    assert_eq!((&joined["participant"]["guest"], &joined["participant"]["role"]), (&json!(true), &json!("participant")));
    guest.send(&json!({"type": "leave"})).await;
    assert_eq!(guest.closed().await, Some(1000));
    let left = host.expect("participantLeft").await;
    assert_eq!((&left["participantId"], &left["reason"]), (&json!(guest.participant), &json!("left")));
    host.expect_quiet().await;
    // What was given up can't be taken back.
    let mut again = Socket::open(&server).await;
    again.send(&json!({"type": "resume", "resumeToken": guest.resume_token, "media": no_media()})).await;
    again.expect_error("seat_gone").await;
    assert_eq!(again.closed().await, Some(4410));
}

#[tokio::test]
async fn r1_offers_answers_and_candidates_reach_the_one_they_are_for() {
    let (_server, _room, [mut one, mut two, mut three]) = three_people().await;
    for kind in ["offer", "answer"] {
        one.send(&json!({"type": kind, "to": two.participant, "sdp": "v=0\r\n…"})).await;
        assert_eq!(two.expect(kind).await, json!({"type": kind, "from": one.participant, "sdp": "v=0\r\n…"}));
    }
    let candidate = json!({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": null});
    two.send(&json!({"type": "candidate", "to": one.participant, "candidate": candidate})).await;
    assert_eq!(one.expect("candidate").await, json!({"type": "candidate", "from": two.participant, "candidate": candidate}));
    three.expect_quiet().await;
}

#[tokio::test]
async fn w4_nothing_reaches_other_rooms_oneself_or_nobody() {
    let (server, ben, room) = meeting().await;
    let other = ben.create("Other", json!({})).await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut elsewhere, _) = Socket::enter(&server, &Person::guest(&server), &other, "Gus").await;
    for to in [elsewhere.participant.clone(), one.participant.clone(), String::from("aaaaaaaaaaaaaaaa")] {
        one.send(&json!({"type": "offer", "to": to, "sdp": "v=0"})).await;
        one.expect_error("unknown_participant").await;
        one.send(&json!({"type": "chat", "id": "c1", "to": to, "text": "psst"})).await;
        assert_eq!(one.expect_error("unknown_participant").await["chatId"], "c1");
    }
    elsewhere.expect_quiet().await;
}

#[tokio::test]
async fn r2_mute_states_are_seen_by_the_others_at_once_and_by_latecomers() {
    let (server, room, mut one, mut two) = two_people().await;
    let on = json!({"audio": true, "video": true, "screen": false});
    two.send(&json!({"type": "media", "media": on})).await;
    let changed = one.expect("mediaChanged").await;
    assert_eq!((&changed["participantId"], &changed["media"]), (&json!(two.participant), &on));
    two.expect_quiet().await;
    let (_, welcome) = Socket::enter(&server, &Person::guest(&server), &room, "Late").await;
    assert_eq!(welcome["participants"][1]["media"], on);
}

#[tokio::test]
async fn r5_chat_reaches_everybody_or_only_one_and_waits_for_latecomers() {
    let (server, room, [mut one, mut two, mut three]) = three_people().await;
    two.send(&json!({"type": "chat", "id": "a1", "to": null, "text": "<b>Hello</b> everybody 👋"})).await;
    let writer = json!(two.participant);
    for socket in [&mut one, &mut two, &mut three] {
        let message = &socket.expect("chat").await["message"];
        assert_eq!(
            (&message["text"], &message["fromName"], &message["to"]),
            (&json!("<b>Hello</b> everybody 👋"), &json!("Gus"), &json!(null))
        );
        assert_eq!(message["from"], writer);
    }
    two.send(&json!({"type": "chat", "id": "a2", "to": one.participant, "text": "between us"})).await;
    assert_eq!(one.expect("chat").await["message"]["text"], "between us");
    assert_eq!(two.expect("chat").await["message"]["to"], json!(one.participant));
    three.expect_quiet().await;
    // Sent again because the answer was lost: it doesn't appear twice.
    two.send(&json!({"type": "chat", "id": "a2", "to": one.participant, "text": "between us"})).await;
    two.expect("chat").await;
    one.expect_quiet().await;
    let (_, welcome) = Socket::enter(&server, &Person::guest(&server), &room, "Late").await;
    let texts: Vec<_> = welcome["chat"].as_array().unwrap().iter().map(|line| line["text"].clone()).collect();
    assert_eq!(texts, ["<b>Hello</b> everybody 👋"]);
}

#[tokio::test]
async fn m2_chat_that_is_switched_off_is_refused_for_that_line_only() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Quiet", json!({"isChatEnabled": false, "isScreenShareEnabled": false})).await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    one.send(&json!({"type": "chat", "id": "a1", "to": null, "text": "hello?"})).await;
    assert_eq!(one.expect_error("chat_disabled").await["chatId"], "a1");
    one.send(&json!({"type": "media", "media": {"audio": true, "video": true, "screen": true}})).await;
    one.expect_error("screen_share_disabled").await;
    one.expect_quiet().await;
}

#[tokio::test]
async fn r6_a_lost_socket_keeps_its_seat_and_takes_it_back() {
    let (server, ben, room) = meeting().await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (two, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    one.skip_to("participantJoined").await;
    let (participant, resume_token) = two.cut();
    assert_eq!(one.expect("participantDisconnected").await["participantId"], json!(participant));
    one.send(&json!({"type": "offer", "to": participant, "sdp": "v=0"})).await;
    one.expect_error("participant_away").await;
    one.send(&json!({"type": "chat", "id": "m1", "to": participant, "text": "come back"})).await;
    one.expect("chat").await;
    let mut back = Socket::open(&server).await;
    back.send(&json!({"type": "resume", "resumeToken": resume_token, "media": {"audio": true, "video": false, "screen": false}}))
        .await;
    let welcome = back.expect("welcome").await;
    assert_eq!((&welcome["participantId"], &welcome["resumed"]), (&json!(participant), &json!(true)));
    assert_eq!(welcome["chat"][0]["text"], "come back");
    let returned = one.expect("participantReturned").await;
    assert_eq!((&returned["participant"]["id"], &returned["participant"]["media"]["audio"]), (&json!(participant), &json!(true)));
    back.send(&json!({"type": "offer", "to": one.participant, "sdp": "v=0"})).await;
    one.expect("offer").await;
}

#[tokio::test]
async fn r6_the_same_seat_from_a_second_socket_replaces_the_first() {
    let (server, ben, room) = meeting().await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut second, welcome) = one.resume(&server).await;
    assert_eq!(names(&welcome), ["Ben"]);
    assert_eq!(one.closed().await, Some(4409));
    second.expect_quiet().await;
}

#[tokio::test]
async fn w2_tickets_are_good_once_and_only_for_what_they_were_made_for() {
    let (server, ben, room) = meeting().await;
    let ticket = ben.join(&room, "Ben").await.ok()["ticket"].clone();
    let join = |ticket: &Value| json!({"type": "join", "ticket": ticket, "media": no_media()});
    let mut first = Socket::open(&server).await;
    first.send(&join(&ticket)).await;
    let welcome = first.expect("welcome").await;
    first.expect_quiet().await;
    let mut second = Socket::open(&server).await;
    second.send(&join(&ticket)).await;
    second.expect_error("ticket_used").await;
    assert_eq!(second.closed().await, Some(4401));
    let wrong = [
        join(&welcome["resumeToken"]),
        join(&json!(ben.token)),
        join(&json!("")),
        json!({"type": "resume", "resumeToken": ticket, "media": no_media()}),
        json!({"type": "resume", "resumeToken": "x.y.z", "media": no_media()}),
    ];
    for message in wrong {
        let mut socket = Socket::open(&server).await;
        socket.send(&message).await;
        socket.expect_error("not_admitted").await;
        assert_eq!(socket.closed().await, Some(4401));
    }
    first.expect_quiet().await;
}

#[tokio::test]
async fn w2_a_ticket_whose_welcome_was_lost_still_works() {
    let (server, ben, room) = meeting().await;
    let joined = ben.join(&room, "Ben").await.ok();
    let join = json!({"type": "join", "ticket": joined["ticket"], "media": no_media()});
    let mut lost = Socket::open(&server).await;
    lost.send(&join).await;
    lost.expect("welcome").await;
    drop(lost);
    let mut again = Socket::open(&server).await;
    again.send(&join).await;
    assert_eq!(names(&again.expect("welcome").await), ["Ben"]);
}

#[tokio::test]
async fn w2_a_socket_must_say_who_it_is_first_and_soon() {
    let (server, _, _) = meeting().await;
    for first in [json!({"type": "ping"}), json!({"type": "chat", "id": "a", "to": null, "text": "hello"})] {
        let mut socket = Socket::open(&server).await;
        socket.send(&first).await;
        socket.expect_error("not_seated").await;
        assert_eq!(socket.closed().await, Some(4401));
    }
    let mut silent = Socket::open(&server).await;
    assert_eq!(silent.closed().await, Some(4408));
}

#[tokio::test]
async fn w3_messages_carry_no_identity_of_their_own() {
    let (server, ben, room) = meeting().await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut two, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    one.skip_to("participantJoined").await;
    for (key, value) in
        [("from", json!(one.participant)), ("userId", json!(ben.id)), ("name", json!("Ben")), ("role", json!("host"))]
    {
        let mut message = json!({"type": "chat", "id": "a1", "to": null, "text": "I am Ben"});
        message[key] = value;
        two.send(&message).await;
        two.expect_error("invalid_message").await;
    }
    one.expect_quiet().await;
}

#[tokio::test]
async fn w8_w9_malformed_messages_are_refused_and_the_room_goes_on() {
    use tokio_tungstenite::tungstenite::Message;
    let (server, room, mut one, mut two) = two_people().await;
    let deep = format!("{{\"type\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let malformed = [
        "",
        "null",
        "[]",
        "{",
        "{}",
        "\"ping\"",
        "{\"type\":\"nonsense\"}",
        "{\"type\":\"ping\",\"extra\":1}",
        &deep,
        "{\"type\":\"media\",\"media\":{\"audio\":true,\"audio\":false,\"video\":false,\"screen\":false}}",
        "{\"type\":\"media\",\"media\":{\"audio\":\"yes\",\"video\":false,\"screen\":false}}",
        "{\"type\":\"offer\",\"to\":\"../../etc/passwd\",\"sdp\":\"\"}",
        "{\"type\":\"chat\",\"id\":\"a\",\"to\":null}",
    ];
    for text in malformed {
        two.send_raw(Message::text(text)).await;
        two.expect_error("invalid_message").await;
    }
    let out_of_bounds = [
        (json!({"type": "offer", "to": one.participant, "sdp": "x".repeat(50_000)}), "sdp_too_long"),
        (
            json!({"type": "candidate", "to": one.participant, "candidate": {"candidate": "x".repeat(3_000)}}),
            "candidate_too_long",
        ),
        (json!({"type": "chat", "id": "a", "to": null, "text": "x".repeat(4_001)}), "chat_too_long"),
        (json!({"type": "chat", "id": "a", "to": null, "text": "  "}), "chat_empty"),
        (json!({"type": "chat", "id": "not plain", "to": null, "text": "x"}), "invalid_chat_id"),
        (json!({"type": "join", "ticket": "x", "media": no_media()}), "already_seated"),
    ];
    for (message, code) in out_of_bounds {
        two.send(&message).await;
        two.expect_error(code).await;
    }
    one.expect_quiet().await;
    for (message, code) in [(Message::text("x".repeat(70_000)), 1009), (Message::binary(vec![1, 2, 3]), 1003)] {
        let (mut socket, _) = Socket::enter(&server, &Person::guest(&server), &room, "Hal").await;
        socket.try_send(message).await;
        assert_eq!(socket.closed().await, Some(code));
    }
    two.expect_error_free().await;
}

/// Asks for a socket in the words that `differently` makes of the right ones; the head of the answer, in lower case.
async fn opening(server: &TestServer, differently: impl FnOnce(String) -> String) -> (TlsStream<TcpStream>, String) {
    let mut stream = connect_tls(server).await;
    let (host, origin) = (server.host(), &server.address);
    let request = format!(
        "GET /api/signaling HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: x, hearth.v1\r\n\r\n"
    );
    stream.write_all(differently(request).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(answer).unwrap().to_lowercase())
}

#[tokio::test]
async fn who_asks_for_a_socket_in_another_way_is_told_what_to_ask_for() {
    let server = TestServer::start();
    for (asked, instead, status) in [
        ("keep-alive, Upgrade", "keep-alive, Upgrade", 101),
        ("x, hearth.v1", "hearth.v1", 101),
        ("x, hearth.v1", "x\r\nSec-WebSocket-Protocol: hearth.v1", 101),
        ("GET ", "HEAD ", 426),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("keep-alive, Upgrade", "keep-alive", 426),
        ("Upgrade: WebSocket\r\n", "", 426),
        ("Upgrade: WebSocket\r\n", "Upgrade: h2c\r\n", 426),
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 8, 13", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 426),
        ("x, hearth.v1", "HEARTH.V1", 400),
        ("x, hearth.v1", "hearth.v10, xhearth.v1", 400),
        ("Sec-WebSocket-Protocol: x, hearth.v1\r\n", "", 400),
    ] {
        let (_, answer) = opening(&server, |request| request.replacen(asked, instead, 1)).await;
        let is_old = instead.ends_with("1.0");
        assert!(answer.starts_with(&format!("http/1.{} {status} ", u8::from(!is_old))), "{instead:?}: {answer}");
        if status == 426 && !is_old {
            for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"] {
                assert!(answer.contains(&format!("\r\n{line}\r\n")), "{instead:?}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn w9_a_flood_that_is_no_message_is_not_read_to_its_end() {
    const MOST: usize = 64 * 1024 * 1024;
    let server = TestServer::start();
    let (mut stream, _) = opening(&server, |request| request).await;
    // A text of a tebibyte.
    stream.write_all(&[0x81, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let (mut sent, piece) = (0, [b'x'; 64 * 1024]);
    while sent < MOST && stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
    }
    assert!(sent < MOST, "it read on and on");
}

#[tokio::test]
async fn w9_who_sends_too_much_at_once_hears_why_and_is_not_cut_off_by_a_reset() {
    let server = TestServer::start();
    let (mut stream, answer) = opening(&server, |request| request).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    // The answer to this key in RFC 6455 §1.3.
    for line in ["sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=", "sec-websocket-protocol: hearth.v1", "upgrade: websocket"]
    {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{answer}");
    }
    // A text of 128 KiB: twice what is taken.
    let mut frame = vec![0x81, 0xFF, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
    frame.resize(frame.len() + 128 * 1024, b'x');
    stream.write_all(&frame).await.expect("the server takes what it is not going to look at");
    stream.flush().await.unwrap();
    let mut heard = Vec::new();
    let end = stream.read_to_end(&mut heard).await;
    // After it may come that nothing comes any more (RFC 8446 §6.1), or not.
    assert_eq!(heard, [0x88, 2, 0x03, 0xF1], "closed with 1009");
    assert!(end.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::UnexpectedEof), "{end:?}");
}

impl Socket {
    /// The seat is unharmed: after whatever others did, the server still answers.
    async fn expect_error_free(&mut self) {
        self.send(&json!({"type": "ping"})).await;
        self.skip_to("pong").await;
    }
}

#[tokio::test]
async fn w10_a_flood_costs_its_sender_the_connection_and_nobody_else_anything() {
    use tokio_tungstenite::tungstenite::Message;
    let (_server, _room, mut one, mut two) = two_people().await;
    for _ in 0..1_000 {
        if !two.try_send(Message::text("{\"type\":\"ping\"}")).await {
            break;
        }
    }
    assert_eq!(two.closed().await, Some(1008));
    assert_eq!(one.expect("participantDisconnected").await["participantId"], json!(two.participant));
    one.expect_quiet().await;
}

#[tokio::test]
async fn w11_a_reader_that_never_reads_is_dropped_and_nobody_waits_for_it() {
    let (server, ben, room) = meeting().await;
    let (stuck, _) = Socket::enter_with_small_buffer(&server, &Person::guest(&server), &room, "Gus").await;
    let offer = json!({"type": "offer", "to": stuck.participant, "sdp": "x".repeat(48 * 1024)});
    // Each burst is 9 MB. The system takes some 4 MB of it and the server's queue 1 MiB: the rest is what nobody may keep.
    let mut dropped = None;
    for name in ["Ben", "Hal", "Ida"] {
        let (mut sender, _) = Socket::enter(&server, &ben, &room, name).await;
        for _ in 0..190 {
            sender.send(&offer).await;
        }
        sender.send(&json!({"type": "ping"})).await;
        loop {
            let message = sender.next().await.expect("the sender is not to suffer");
            match message["type"].as_str().unwrap() {
                "pong" => break,
                "participantDisconnected" => dropped = Some(message["participantId"].clone()),
                "error" => assert_eq!(message["error"]["code"], "participant_away"),
                other => panic!("{other}"),
            }
        }
        if dropped.is_some() {
            break;
        }
    }
    // Nobody has waited for anything but answers: it was the queue's bound and not the deadline of a write.
    assert_eq!(dropped, Some(json!(stuck.participant)), "the server keeps whatever is sent to somebody who never reads");
    drop(stuck);
}

#[tokio::test]
async fn m9_a_held_seat_that_nobody_takes_is_free_again_when_its_time_is_up() {
    let server = TestServer::with(&Options { config: "[meetings]\nmax_participants = 2".into(), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Small", json!({})).await;
    let guest = Person::guest(&server);
    guest.join(&room, "One").await.ok();
    guest.join(&room, "Two").await.ok();
    guest.join(&room, "Three").await.refused(409, "meeting_full");
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    guest.join(&room, "Four").await.ok();
}

#[tokio::test]
async fn w5_a_meeting_whose_chat_is_full_of_long_lines_can_still_be_entered() {
    let (server, ben, room) = meeting().await;
    let (mut one, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    // Each of these is six characters of JSON.
    let text = "\u{1}".repeat(4_000);
    // Twenty at once, and on a busy machine some more, for two come back each second.
    let mut lines = 0;
    let refused = loop {
        one.send(&json!({"type": "chat", "id": format!("c{lines}"), "to": null, "text": text})).await;
        let answer = one.next().await.unwrap();
        if answer["type"] == "error" {
            break answer;
        }
        assert_eq!(answer["type"], "chat", "{answer}");
        lines += 1;
        assert!(lines < 60, "lines of chat are not limited");
    };
    assert!(lines >= 20, "only {lines} lines were taken");
    assert_eq!((&refused["error"]["code"], &refused["chatId"]), (&json!("chat_too_fast"), &json!(format!("c{lines}"))));
    // Others go on writing until the oldest lines make room.
    for writer in 0..2 {
        let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
        for line in 0..20 {
            guest.send(&json!({"type": "chat", "id": format!("g{writer}-{line}"), "to": null, "text": text})).await;
            guest.expect("chat").await;
        }
        guest.send(&json!({"type": "leave"})).await;
        guest.closed().await;
    }
    let (late, welcome) = Socket::enter(&server, &Person::guest(&server), &room, "Late").await;
    assert!(welcome["chat"].as_array().unwrap().len() >= 20);
    let (_, welcome) = late.resume(&server).await;
    assert!(welcome["chat"].as_array().unwrap().len() >= 20);
}

#[tokio::test]
async fn t2_who_stays_is_sent_new_relay_credentials_before_the_old_ones_end() {
    let server = TestServer::with(&Options { relay: "credential_ttl_seconds = 60\n".into(), ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut one, welcome) = Socket::enter(&server, &ben, &room, "Ben").await;
    let expiry =
        |servers: &Value| -> u64 { servers[1]["username"].as_str().unwrap().split(':').next().unwrap().parse().unwrap() };
    let mut renewed = None;
    // The server's patience with silence is shorter than this wait.
    for _ in 0..12 {
        one.send(&json!({"type": "ping"})).await;
        match one.next().await.unwrap() {
            message if message["type"] == "iceServers" => {
                renewed = Some(message);
                break;
            }
            message => assert_eq!(message["type"], "pong"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    }
    let renewed = renewed.expect("no new credentials came in half their life");
    assert!(expiry(&renewed["iceServers"]) > expiry(&welcome["iceServers"]));
}

#[tokio::test]
async fn h19_in_a_full_meeting_an_account_replaces_its_own_ghost_and_the_host_comes_before_held_seats() {
    let server = TestServer::start();
    let (ben, cleo) = (Person::member(&server, "Ben").await, Person::member(&server, "Cleo").await);
    let room = ben.create("Small", json!({"maxParticipants": 2})).await;
    let (ghost, _) = Socket::enter(&server, &cleo, &room, "Cleo").await;
    Person::guest(&server).join(&room, "Held").await.ok();
    cleo.join(&room, "Cleo").await.refused(409, "meeting_full");
    ben.join(&room, "Ben").await.ok();
    drop(ghost);
    crate::harness::eventually("Cleo's ghost makes way for Cleo", async || cleo.join(&room, "Cleo").await.status.is_success())
        .await;
}
