//! The relay and the meeting: who is given credentials, and what they are worth when the seat is gone.

use std::net::UdpSocket as StdUdpSocket;
use std::time::{Duration, Instant};

use hearth::clock::Timestamp;
use hearth::ids::Secret;
use hearth::turn::credentials::Credential;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stun::message::{METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_REFRESH};
use tokio::io::AsyncReadExt;
use turn::proto::channum::ChannelNumber;

use crate::client::{By, Canary, Client, Line, PATIENCE, code, peer, receive, udp};
use crate::harness::{Options, Person, Socket, eventually, no_media};
use crate::site::{Site, settings, start, start_with, with_local_peers};

/// The program promises that nobody who left is relayed for longer than two seconds; a busy machine may be late.
const PROMISE: Duration = Duration::from_secs(5);

/// The credential in an answer or a message that has ICE servers.
fn credential(with_servers: &Value) -> Credential {
    let servers = with_servers["iceServers"].as_array().unwrap();
    let relay = servers.iter().find(|server| server["credential"].is_string()).expect("a relay is told of");
    let text = |name: &str| relay[name].as_str().unwrap().to_owned();
    Credential { username: text("username"), password: Secret::new(text("credential")), expires_at: Timestamp::now() }
}

/// Somebody in a meeting, with an allocation by each transport, and a friend that the one by UDP is bound to.
struct Seated {
    socket: Socket,
    udp: Client,
    tcp: Client,
    tls: Client,
    friend: Canary,
}

impl Seated {
    async fn enter(site: &Site, room: &str, name: &str) -> Self {
        let guest = Person::guest(&site.server);
        let (socket, welcome) = Socket::enter(&site.server, &guest, room, name).await;
        let credential = credential(&welcome);
        let mut udp = Client::new(site.address, credential.clone()).await;
        let mut tcp = Client::by_stream(site, By::Tcp, credential.clone()).await;
        let mut tls = Client::by_stream(site, By::Tls, credential).await;
        udp.allocate().await;
        tcp.allocate().await;
        tls.allocate().await;
        let friend = Canary::new().await;
        let channel = vec![Box::new(ChannelNumber(0x4000)) as Box<dyn stun::message::Setter>, peer(&friend.address())];
        assert_eq!(code(&udp.request(METHOD_CHANNEL_BIND, channel).await), 0);
        Self { socket, udp, tcp, tls, friend }
    }

    /// Passes when all that this seat had at the relay is gone within the time that is promised.
    async fn must_be_cut_off(self, site: &Site, left: u64) {
        let (relayed, name) = (self.udp.relayed.unwrap(), self.udp.credential.clone());
        site.until_within(PROMISE, "the allocations are gone", |counters| counters.allocations == left).await;
        self.udp.send(&[0x40, 0, 0, 1, b'x']).await;
        self.friend.0.send_to(b"still there?", relayed).await.unwrap();
        self.udp.heard_nothing().await;
        self.friend.is_untouched().await;
        for client in [self.tcp, self.tls] {
            let Line::Stream(stream) = client.line else { panic!("this client speaks by a stream") };
            let mut stream = stream.into_inner();
            let closed = async { while !matches!(stream.read(&mut [0; 4096]).await, Ok(0) | Err(_)) {} };
            tokio::time::timeout(PROMISE, closed).await.expect("the stream is still open");
        }
        assert_eq!(code(&self.udp.request(METHOD_REFRESH, vec![]).await), 401);
        let again = Client::new(site.address, name).await;
        assert_eq!(code(&again.request(METHOD_ALLOCATE, vec![udp()]).await), 401);
        let freed = async {
            while StdUdpSocket::bind(relayed).is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PROMISE, freed).await.expect("the relay port is still bound");
    }
}

#[tokio::test]
async fn t27_who_leaves_or_whose_meeting_ends_is_relayed_no_longer() {
    let site = start(with_local_peers()).await;
    let host = Person::member(&site.server, "Ben").await;
    let room = host.create("Standup", json!({})).await;
    let mut ann = Seated::enter(&site, &room, "Ann").await;
    let bob = Seated::enter(&site, &room, "Bob").await;
    let counters = site.counters().await;
    assert_eq!((counters.allocations_by_udp, counters.allocations_by_tcp, counters.allocations_by_tls), (2, 2, 2));
    ann.socket.send(&json!({"type": "leave"})).await;
    ann.must_be_cut_off(&site, 3).await;
    assert_eq!(code(&bob.udp.request(METHOD_REFRESH, vec![]).await), 0, "somebody else was cut off too");
    host.post_empty(&format!("/api/meetings/{room}/end")).await.ok();
    bob.must_be_cut_off(&site, 0).await;
}

#[tokio::test]
async fn whether_somebody_was_relayed_is_known_when_the_seat_ends() {
    let config = String::from("[log]\nformat = \"json\"");
    let site = start_with(with_local_peers(), Options { config, ..Options::default() }).await;
    let host = Person::member(&site.server, "Ben").await;
    let room = host.create("Standup", json!({})).await;
    let mut ann = Seated::enter(&site, &room, "Ann").await;
    let mut bob = Seated::enter(&site, &room, "Bob").await;
    // Bob's browser only looks whether there is a way; Ann's has no other one.
    bob.udp.send(&[0x40, 0, 0, 4, b'f', b'o', b'u', b'r']).await;
    bob.friend.0.send_to(b"more", bob.udp.relayed.unwrap()).await.unwrap();
    bob.udp.receive().await;
    for _ in 0..200 {
        ann.udp.send(&[&[0x40, 0, 0x03, 0xE8][..], &[7; 1000]].concat()).await;
        assert_eq!(receive(&ann.friend.0).await.0.len(), 1000);
    }
    for leaver in [&mut ann, &mut bob] {
        leaver.socket.send(&json!({"type": "leave"})).await;
    }
    site.until("both are gone", |counters| counters.allocations == 0).await;
    let ended = || -> Vec<(bool, u64)> {
        let log = site.server.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended = lines.filter(|line| line["event"] == "participant_left");
        let mut ended: Vec<_> =
            ended.map(|line| (line["relayed"].as_bool().unwrap(), line["relayed_bytes"].as_u64().unwrap())).collect();
        ended.sort_unstable();
        ended
    };
    eventually("both ends are written down", async || ended().len() == 2).await;
    assert_eq!(ended(), [(false, 8), (true, 200_000)]);
}

#[tokio::test]
async fn t26_credentials_are_for_those_who_have_a_seat_alone() {
    let config = String::from("[log]\nlevel = \"hearth=trace,info\"");
    let site = start_with(settings(), Options { config, ..Options::default() }).await;
    let (host, anonymous) = (Person::member(&site.server, "Ben").await, Person::guest(&site.server));
    let members_only = host.create("Board", json!({"guestsAllowed": false})).await;
    let with_approval = host.create("Interview", json!({"requireApproval": true})).await;
    let ended = host.create("Yesterday", json!({})).await;
    host.post_empty(&format!("/api/meetings/{ended}/end")).await.ok();
    for (room, status, error) in
        [(&members_only, 403, "members_only"), (&with_approval, 403, "approval_required"), (&ended, 410, "meeting_ended")]
    {
        let refused = anonymous.join(room, "Eve").await.refused(status, error);
        assert!(!refused.body.to_string().contains("iceServers"), "{}", refused.body);
        assert_eq!(refused.headers["cache-control"], "no-store");
    }
    let joined = host.join(&members_only, "Ben").await;
    assert_eq!(joined.headers["cache-control"], "no-store");
    let credential = credential(&joined.ok());
    let mut client = Client::new(site.address, credential.clone()).await;
    client.allocate().await;
    // The socket tells nobody where the relay is who has no good ticket, or has left.
    let open_house = host.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&site.server, &anonymous, &open_house, "Ann").await;
    socket.send(&json!({"type": "leave"})).await;
    socket.closed().await;
    for first in [
        json!({"type": "join", "ticket": "x.y.z", "media": no_media()}),
        json!({"type": "resume", "resumeToken": "x.y.z", "media": no_media()}),
        json!({"type": "resume", "resumeToken": socket.resume_token, "media": no_media()}),
    ] {
        let mut socket = Socket::open(&site.server).await;
        socket.send(&first).await;
        let refused = socket.expect("error").await;
        assert!(!refused.to_string().contains("iceServers"), "{refused}");
    }
    let log = site.server.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG") || log.contains("INFO"), "nothing was logged:\n{log}");
    assert!(!log.contains(credential.password.expose()) && !log.contains(&credential.username), "a credential was logged");
}

#[tokio::test]
async fn t26_asking_for_credentials_is_limited() {
    let site = start(settings()).await;
    let host = Person::member(&site.server, "Ben").await;
    let room = host.create("Board", json!({"guestsAllowed": false})).await;
    let body = json!({"roomId": room, "displayName": "Eve"}).to_string();
    let mut limited = false;
    let begun = Instant::now();
    while !limited {
        let asked = site.ask(Method::POST, "/api/meetings/join", &body).await;
        limited = asked == StatusCode::TOO_MANY_REQUESTS;
        assert!(limited || asked == StatusCode::FORBIDDEN, "{asked}");
        // Ten a second are allowed, and some hundred at once.
        assert!(begun.elapsed() < PATIENCE * 3, "nobody was limited");
    }
}
