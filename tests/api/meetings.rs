//! Meetings over HTTP (rows M1 to M6, M12, A5; attacks H1 to H4, H19, H21).

use serde_json::{Value, json};

use crate::harness::{Person, Socket, TestServer, eventually};

#[tokio::test]
async fn m1_m2_a_meeting_is_created_with_all_its_settings_by_either_path() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let settings = json!({
        "maxParticipants": 4, "isRecordingEnabled": true, "isChatEnabled": false, "isScreenShareEnabled": false,
        "requireApproval": true, "allowedDomains": ["Example.org"], "guestsAllowed": false,
    });
    let request = json!({
        "title": " Team  Standup ", "description": "Daily\nstandup", "hostId": ben.id, "hostName": "ignored",
        "scheduledAt": "2030-01-20T10:00:00Z", "settings": settings,
    });
    for path in ["/api/meetings/create", "/meeting/create"] {
        let answer = ben.post(path, &request).await;
        assert_eq!(answer.status, 201);
        let meeting = &answer.body["meeting"];
        assert_eq!(answer.body["success"], true);
        assert_eq!(meeting["title"], "Team Standup");
        assert_eq!(meeting["hostId"], json!(ben.id));
        assert_eq!(meeting["hostName"], "Ben");
        assert_eq!(meeting["status"], "waiting");
        assert_eq!(meeting["scheduledAt"], "2030-01-20T10:00:00Z");
        assert_eq!(meeting["settings"]["allowedDomains"], json!(["example.org"]));
        for key in
            ["maxParticipants", "isRecordingEnabled", "isChatEnabled", "isScreenShareEnabled", "requireApproval", "guestsAllowed"]
        {
            assert_eq!(meeting["settings"][key], settings[key], "{key}");
        }
        let room = meeting["roomId"].as_str().unwrap();
        for read in [format!("/api/meetings/{room}"), format!("/meeting/{room}"), format!("/meeting/{}", room.to_uppercase())] {
            assert_eq!(&ben.get(&read).await.ok()["meeting"], meeting);
        }
    }
    let plain = ben.post("/api/meetings/create", &json!({"title": "Plain"})).await.ok();
    let defaults = json!({
        "maxParticipants": 6, "isRecordingEnabled": false, "isChatEnabled": true, "isScreenShareEnabled": true,
        "requireApproval": false, "allowedDomains": [], "guestsAllowed": true,
    });
    assert_eq!(plain["meeting"]["settings"], defaults);
}

#[tokio::test]
async fn m1_bad_meetings_are_refused_with_the_field_that_is_wrong() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let cases = [
        (json!({"title": "  "}), "title"),
        (json!({"title": "x".repeat(121)}), "title"),
        (json!({"title": "x", "description": "x".repeat(2001)}), "description"),
        (json!({"title": "x", "settings": {"maxParticipants": 1}}), "settings.maxParticipants"),
        (json!({"title": "x", "settings": {"maxParticipants": 1_000_000_000}}), "settings.maxParticipants"),
        (json!({"title": "x", "settings": {"allowedDomains": ["not a domain"]}}), "settings.allowedDomains"),
    ];
    for (body, field) in cases {
        let refused = ben.post("/api/meetings/create", &body).await.refused(422, "invalid_field");
        assert_eq!(refused.body["error"]["field"], field);
    }
    Person::guest(&server).post("/api/meetings/create", &json!({"title": "x"})).await.refused(401, "unauthenticated");
    assert_eq!(ben.get("/api/meetings").await.ok()["total"], 0);
}

#[tokio::test]
async fn h2_a_body_that_names_somebody_else_is_refused() {
    let server = TestServer::start();
    let (ben, eve) = (Person::member(&server, "Ben").await, Person::member(&server, "Eve").await);
    eve.post("/api/meetings/create", &json!({"title": "x", "hostId": ben.id})).await.refused(403, "identity_mismatch");
    let room = ben.create("Standup", json!({})).await;
    let join = json!({"roomId": room, "displayName": "Ben", "userId": ben.id});
    eve.post("/api/meetings/join", &join).await.refused(403, "identity_mismatch");
    Person::guest(&server).post("/api/meetings/join", &join).await.refused(403, "identity_mismatch");
    ben.post(&format!("/api/meetings/{room}/end"), &json!({"hostId": eve.id})).await.refused(403, "identity_mismatch");
    ben.post("/api/meetings/join", &join).await.ok();
}

#[tokio::test]
async fn m3_joining_gives_a_ticket_ice_servers_and_the_sockets_address() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    for path in ["/api/meetings/join", "/meeting/join"] {
        let joined = Person::guest(&server).post(path, &json!({"roomId": room, "displayName": "Gus"})).await;
        assert_eq!(joined.headers["cache-control"], "no-store");
        let joined = joined.ok();
        let host = server.address.strip_prefix("https://").unwrap();
        assert_eq!(joined["signalingUrl"], format!("wss://{host}/api/signaling"));
        assert_eq!(joined["meeting"]["title"], "Standup");
        let servers = joined["iceServers"].as_array().unwrap();
        assert!(servers[0]["urls"][0].as_str().unwrap().starts_with("stun:127.0.0.1:"));
        let dialled = servers[0]["urls"][0].as_str().unwrap().strip_prefix("stun:").unwrap();
        let plain = ["udp", "tcp"].map(|transport| format!("turn:{dialled}?transport={transport}"));
        let over_tls = format!("turns:127.0.0.1:{}?transport=tcp", server.socket_address().port());
        assert_eq!(servers[1]["urls"], json!([&plain[..], &[over_tls]].concat()));
        let username = servers[1]["username"].as_str().unwrap();
        assert!(username.ends_with(joined["participantId"].as_str().unwrap()), "{username} is bound to nobody");
        assert!(!username.contains(&room), "the code would travel in clear");
    }
}

#[tokio::test]
async fn a5_guests_need_a_name_and_a_meeting_that_takes_them() {
    let server = TestServer::start();
    let (ben, guest) = (Person::member(&server, "Ben").await, Person::guest(&server));
    let open = ben.create("Open", json!({})).await;
    guest.post("/api/meetings/join", &json!({"roomId": open})).await.refused(422, "invalid_field");
    guest.join(&open, "x\u{7}".repeat(61).as_str()).await.refused(422, "invalid_field");
    guest.join(&open, "Gus").await.ok();
    let members = ben.create("Members", json!({"guestsAllowed": false})).await;
    guest.join(&members, "Gus").await.refused(403, "members_only");
    assert_eq!(guest.get(&format!("/api/meetings/{members}/preview")).await.ok()["guestsAllowed"], false);
    Person::member(&server, "Cleo").await.join(&members, "Cleo").await.ok();
}

#[tokio::test]
async fn m12_only_addresses_of_the_allowed_domains_may_join_and_the_host_always() {
    let server = TestServer::start();
    let (ben, cleo) = (Person::member(&server, "Ben").await, Person::member(&server, "Cleo").await);
    let elsewhere = ben.create("Elsewhere", json!({"allowedDomains": ["elsewhere.example", "notexample.org"]})).await;
    cleo.join(&elsewhere, "Cleo").await.refused(403, "domain_not_allowed");
    Person::guest(&server).join(&elsewhere, "Gus").await.refused(403, "members_only");
    ben.join(&elsewhere, "Ben").await.ok();
    let here = ben.create("Here", json!({"allowedDomains": ["example.org"]})).await;
    cleo.join(&here, "Cleo").await.ok();
}

#[tokio::test]
async fn m2_a_meeting_with_approval_lets_nobody_in_unasked() {
    let server = TestServer::start();
    let (ben, cleo) = (Person::member(&server, "Ben").await, Person::member(&server, "Cleo").await);
    let room = ben.create("Private", json!({"requireApproval": true})).await;
    cleo.join(&room, "Cleo").await.refused(403, "approval_required");
    // Signing in would not help.
    Person::guest(&server).join(&room, "Gus").await.refused(403, "approval_required");
    ben.join(&room, "Ben").await.ok();
}

#[tokio::test]
async fn h19_of_many_who_join_at_once_exactly_as_many_get_in_as_there_are_seats() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Popular", json!({"maxParticipants": 5})).await;
    let attempts: Vec<_> = (0..40)
        .map(|number| {
            let (guest, room) = (Person::guest(&server), room.clone());
            tokio::spawn(async move { guest.join(&room, &format!("Guest {number}")).await })
        })
        .collect();
    let mut seated = 0;
    for attempt in attempts {
        let answer = attempt.await.unwrap();
        if answer.status.is_success() {
            seated += 1;
        } else {
            answer.refused(409, "meeting_full");
        }
    }
    assert_eq!(seated, 5);
}

#[tokio::test]
async fn m2_the_servers_own_limit_holds_beside_the_hosts() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Big", json!({"maxParticipants": 50})).await;
    let guest = Person::guest(&server);
    for number in 0..6 {
        guest.join(&room, &format!("Guest {number}")).await.ok();
    }
    guest.join(&room, "One more").await.refused(409, "meeting_full");
}

#[tokio::test]
async fn h1_other_peoples_meetings_do_not_exist() {
    let server = TestServer::start();
    let (ben, eve) = (Person::member(&server, "Ben").await, Person::member(&server, "Eve").await);
    let room = ben.create("Standup", json!({})).await;
    let unknown = "0000-0000-0000";
    let missing = eve.get(&format!("/api/meetings/{unknown}")).await.refused(404, "meeting_not_found");
    for path in [format!("/api/meetings/{room}"), format!("/meeting/{room}"), format!("/api/meetings/{room}/participants")] {
        let hidden = eve.get(&path).await.refused(404, "meeting_not_found");
        assert_eq!(hidden.body, missing.body);
    }
    eve.delete(&format!("/api/meetings/{room}")).await.refused(404, "meeting_not_found");
    eve.delete(&format!("/meeting/{room}")).await.refused(404, "meeting_not_found");
    eve.post_empty(&format!("/api/meetings/{room}/end")).await.refused(404, "meeting_not_found");
    eve.get(&format!("/api/meetings/user/{}", ben.id)).await.refused(404, "user_not_found");
    eve.join(unknown, "Eve").await.refused(404, "meeting_not_found");
    eve.get(&format!("/api/meetings/{unknown}/preview")).await.refused(404, "meeting_not_found");
    eve.get("/api/meetings/no-such-code/preview").await.refused(404, "meeting_not_found");
    ben.get(&format!("/api/meetings/{room}")).await.ok();
}

#[tokio::test]
async fn h3_a_participant_who_is_not_the_host_may_not_end_the_meeting() {
    let server = TestServer::start();
    let (ben, cleo) = (Person::member(&server, "Ben").await, Person::member(&server, "Cleo").await);
    let room = ben.create("Standup", json!({})).await;
    let (_socket, _) = Socket::enter(&server, &cleo, &room, "Cleo").await;
    cleo.post_empty(&format!("/api/meetings/{room}/end")).await.refused(403, "host_only");
    cleo.delete(&format!("/api/meetings/{room}")).await.refused(403, "host_only");
    let read = cleo.get(&format!("/api/meetings/{room}")).await.ok();
    assert_eq!((&read["meeting"]["status"], &read["meeting"]["participantCount"]), (&json!("active"), &json!(1)));
}

#[tokio::test]
async fn h4_guessing_codes_is_slowed_down() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let mut limited = false;
    for number in 0..60 {
        let answer = guest.get(&format!("/api/meetings/0000-0000-{number:04}/preview")).await;
        if answer.status == 429 {
            answer.refused(429, "too_many_requests");
            limited = true;
            break;
        }
        answer.refused(404, "meeting_not_found");
    }
    assert!(limited);
}

#[tokio::test]
async fn m6_one_lists_ones_own_meetings_newest_first_in_parts_and_by_status() {
    let server = TestServer::start();
    let (ben, cleo) = (Person::member(&server, "Ben").await, Person::member(&server, "Cleo").await);
    cleo.create("Not Ben's", json!({})).await;
    let mut rooms = Vec::new();
    for number in 0..5 {
        rooms.push(ben.create(&format!("Meeting {number}"), json!({})).await);
    }
    ben.post_empty(&format!("/api/meetings/{}/end", rooms[1])).await.ok();
    let titles = |list: &Value| -> Vec<String> {
        list["meetings"].as_array().unwrap().iter().map(|meeting| meeting["title"].as_str().unwrap().to_owned()).collect()
    };
    let all = ben.get("/api/meetings").await.ok();
    assert_eq!(titles(&all), ["Meeting 4", "Meeting 3", "Meeting 2", "Meeting 1", "Meeting 0"]);
    let part = ben.get(&format!("/api/meetings/user/{}?limit=2&skip=1", ben.id)).await.ok();
    assert_eq!((titles(&part), &part["total"]), (vec!["Meeting 3".into(), "Meeting 2".into()], &json!(5)));
    let ended = ben.get("/api/meetings?status=ended").await.ok();
    assert_eq!((titles(&ended), &ended["total"]), (vec![String::from("Meeting 1")], &json!(1)));
    assert_eq!(titles(&ben.get("/api/meetings?limit=1000000000").await.ok()).len(), 5);
    for bad in ["limit=-1", "limit=x", "status=gone", "cursor=1", "limit=99999999999"] {
        ben.get(&format!("/api/meetings?{bad}")).await.refused(400, "invalid_query");
    }
}

#[tokio::test]
async fn m4_an_ended_meeting_tells_everybody_and_takes_nobody_any_more() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    let ended = ben.post(&format!("/api/meetings/{room}/end"), &json!({"hostId": ben.id})).await.ok();
    assert_eq!(ended["meeting"]["status"], "ended");
    assert_eq!(socket.expect("meetingEnded").await["reason"], "endedByHost");
    assert_eq!(socket.closed().await, Some(4404));
    let again = ben.post_empty(&format!("/api/meetings/{room}/end")).await.ok();
    assert_eq!(again["meeting"]["endedAt"], ended["meeting"]["endedAt"]);
    Person::guest(&server).join(&room, "Late").await.refused(410, "meeting_ended");
    Person::guest(&server).get(&format!("/api/meetings/{room}/preview")).await.refused(410, "meeting_ended");
    let mut late = Socket::open(&server).await;
    let (_, token) = socket.cut();
    late.send(&json!({"type": "resume", "resumeToken": token, "media": crate::harness::no_media()})).await;
    late.expect_error("meeting_ended").await;
    assert_eq!(late.closed().await, Some(4404));
}

#[tokio::test]
async fn m4_a_deleted_meeting_is_gone_for_everybody() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    for alias in ["/api/meetings", "/meeting"] {
        let room = ben.create("Standup", json!({})).await;
        let (mut socket, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
        assert_eq!(ben.delete(&format!("{alias}/{room}")).await.ok(), json!({"success": true}));
        assert_eq!(socket.expect("meetingEnded").await["reason"], "deleted");
        ben.get(&format!("{alias}/{room}")).await.refused(404, "meeting_not_found");
        ben.delete(&format!("{alias}/{room}")).await.refused(404, "meeting_not_found");
    }
    assert_eq!(ben.get("/api/meetings").await.ok()["total"], 0);
}

#[tokio::test]
async fn m5_the_live_list_follows_who_is_there() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let path = format!("/api/meetings/{room}/participants");
    assert_eq!(ben.get(&path).await.ok()["participants"], json!([]));
    let (mut socket, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    let list = ben.get(&path).await.ok();
    assert_eq!((&list["participants"][0]["name"], &list["participants"][0]["guest"]), (&json!("Gus"), &json!(true)));
    eventually("the meeting reads as active", async || {
        ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["status"] == "active"
    })
    .await;
    socket.send(&json!({"type": "leave"})).await;
    assert_eq!(socket.closed().await, Some(1000));
    assert_eq!(ben.get(&path).await.ok()["participants"], json!([]));
}

#[tokio::test]
async fn m4_a_host_who_hangs_up_while_ending_leaves_no_meeting_half_ended() {
    use tokio::io::AsyncWriteExt;
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let mut rounds = Vec::new();
    // The last ones give even a busy machine the time to hear of it.
    for pause in (0..12).chain([50, 200, 800]) {
        let room = ben.create("Standup", json!({})).await;
        let (socket, _) = Socket::enter(&server, &ben, &room, "Ben").await;
        let mut connection = crate::harness::socket::connect_tls(&server).await;
        let token = ben.token.as_deref().unwrap();
        let request =
            format!("POST /api/meetings/{room}/end HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.flush().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        drop(connection);
        rounds.push((room, socket));
    }
    let mut ended = 0;
    for (room, mut socket) in rounds {
        // It may have been too early to be heard at all.
        if ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["status"] == "ended" {
            assert_eq!(socket.closed().await, Some(4404), "people still sit in a meeting that is over");
            ended += 1;
        }
    }
    assert!(ended > 0, "no meeting was ended");
}
