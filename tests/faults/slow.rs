//! A disk that takes its time: each call of the store on its data file is held up by a tracer.

use axum::body::{Body, to_bytes};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use crate::harness::socket::connect_tls_for;
use crate::harness::{Options, Person, Socket, TestServer, eventually, held_up};
use crate::tools::{Tracer, again, can_trace, try_create};

/// As many as the store lets wait (`QUEUE` in `src/store/mod.rs`), and as many as it may have in hand (`BATCH` in its writer).
const MAY_WAIT: usize = 1024 + 256;
/// How many more are asked for.
const BEYOND: usize = 300;
/// How many requests one connection carries at once.
const STREAMS: usize = 100;

/// A server that lets one test do what usually many people would have to.
fn generous() -> TestServer {
    let config = "[limits]\nrequests_per_minute = 100000\nmeetings_per_hour = 100000\nchat_lines_per_ten_seconds = 1000\n";
    TestServer::with(&Options { config: config.to_owned(), ..Options::default() })
}

/// Holds up every call that brings the store's data to the disk, each for so many milliseconds.
fn slow_down(server: &TestServer, millis: u32) -> Tracer {
    let calls = "pwrite64,fsync,fdatasync,sync_file_range";
    Tracer::attach(server.pid(), calls, &format!("delay_enter={}", millis * 1000), &[server.data_dir().join("store/db")])
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_while_a_write_waits_for_a_slow_disk_messages_are_passed_and_meetings_are_read() {
    if !can_trace() {
        return;
    }
    let server = generous();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    // Far longer than all that is done meanwhile.
    let tracer = slow_down(&server, 10_000);
    let mut writes = tokio::task::JoinSet::new();
    let writer = ben.clone();
    writes.spawn(async move { try_create(&writer).await });
    eventually("it has come to the disk", async || !held_up(server.pid()).is_empty()).await;
    for line in 0..10 {
        let text = format!("line {line}");
        host.send(&json!({"type": "chat", "id": line.to_string(), "to": null, "text": text})).await;
        assert_eq!(guest.skip_to("chat").await["message"]["text"], text);
        guest.send(&json!({"type": "ping"})).await;
        guest.skip_to("pong").await;
    }
    let joined = Person::guest(&server).join(&room, "Hal").await;
    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!(ben.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
    assert!(writes.try_join_next().is_none(), "the disk was not slow enough for this test");
    assert_eq!(ben.get("/readyz").await.status, 200, "slow is not broken");
    drop(tracer);
    writes.join_next().await.unwrap().unwrap().ok();
}

/// Asks for so many meetings at once while the disk is slow, and tells what came of it. When `enough` were refused, it is fast again.
async fn create_all(server: &TestServer, ben: &Person, count: usize, enough: usize) -> Vec<(StatusCode, Value)> {
    let mut asked = tokio::task::JoinSet::new();
    let mut senders = Vec::new();
    // Before the server is traced, which makes each of its calls slow.
    for _ in 0..count.div_ceil(STREAMS) {
        let stream = TokioIo::new(connect_tls_for(server, b"h2").await);
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        asked.spawn(async move {
            connection.await.unwrap();
            None
        });
        senders.push(sender);
    }
    let mut tracer = Some(slow_down(server, 1000));
    for (sender, first) in senders.into_iter().zip((0..count).step_by(STREAMS)) {
        for _ in first..count.min(first + STREAMS) {
            let body = json!({"title": "Standup", "settings": {}}).to_string();
            let request = Request::post(format!("{}/api/meetings/create", server.address))
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {}", ben.token.as_deref().unwrap()))
                .body(Body::from(body))
                .unwrap();
            let mut sender = sender.clone();
            asked.spawn(async move {
                let answer = sender.send_request(request).await.unwrap();
                let status = answer.status();
                let body = to_bytes(Body::new(answer.into_body()), 1 << 20).await.unwrap();
                Some((status, serde_json::from_slice::<Value>(&body).unwrap()))
            });
        }
    }
    let (mut answers, mut refused) = (Vec::new(), 0);
    while let Some(answer) = asked.join_next().await {
        let Some(answer) = answer.unwrap() else { continue };
        refused += usize::from(answer.1["error"]["code"] == "storage_unavailable");
        if refused >= enough {
            drop(tracer.take());
        }
        answers.push(answer);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_more_writes_than_may_wait_for_a_slow_disk_are_refused_and_none_that_was_taken_is_lost() {
    if !can_trace() {
        return;
    }
    let mut server = generous();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let answers = create_all(&server, &ben, MAY_WAIT + BEYOND, BEYOND).await;
    let (made, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| status.is_success());
    assert!(others.iter().all(|(status, _)| *status == 503), "{others:?}");
    let with_code = |code: &str| others.iter().filter(|(_, body)| body["error"]["code"] == code).count();
    // On a busy machine some wait for longer than an answer may take. Those were taken, and may come to be.
    let (refused, waited) = (with_code("storage_unavailable"), with_code("timed_out"));
    println!("r8: {} writes were taken, {waited} waited for too long, {refused} were refused", made.len());
    assert_eq!(refused + waited, others.len(), "{others:?}");
    assert!(refused >= BEYOND && made.len() + waited >= 1024, "{} of {waited} more were taken and {refused} refused", made.len());
    host.send(&json!({"type": "ping"})).await;
    host.skip_to("pong").await;
    eventually("it takes writes again", async || try_create(&ben).await.status.is_success()).await;

    server.kill();
    server.launch();
    let ben = again(&server, "Ben").await;
    for (_, body) in made.iter().step_by(20) {
        ben.get(&format!("/api/meetings/{}", body["meeting"]["roomId"].as_str().unwrap())).await.ok();
    }
    let listed = ben.get("/api/meetings?limit=1").await.ok();
    assert!(listed["total"].as_u64().unwrap() >= made.len() as u64, "{listed}");
}
