//! How the server is doing: `GET /api/admin/status`, `/readyz`, and what of it is nobody else's to know.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, Socket, TestServer, Tracer, can_trace, eventually};

const STATUS: &str = "/api/admin/status";

#[tokio::test]
async fn h18_the_status_is_for_administrators_alone() {
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    Person::guest(&server).get(STATUS).await.refused(401, "unauthenticated");
    Person::member(&server, "Ben").await.get(STATUS).await.refused(403, "admins_only");
    let told = admin.get(STATUS).await;
    assert_eq!(told.headers["cache-control"], "no-store");
    let told = told.ok();
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&told["people"], &told["meetings"], &told["problems"]), (&json!(0), &json!([]), &json!([])));
    assert_eq!(told["totals"]["averageSeconds"], json!(null));
    assert_eq!(told["certificate"]["fingerprint"], json!(server.fingerprint));
    let (free, total) = (&told["resources"]["diskFreeBytes"], &told["resources"]["diskTotalBytes"]);
    assert!(free.as_u64().unwrap() <= total.as_u64().unwrap());
    assert!(told["resources"]["memoryBytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(told["relay"]["byUdp"], 0);
    assert!(told["startedAt"].as_str().unwrap() <= told["now"].as_str().unwrap());
}

#[tokio::test]
async fn live_meetings_are_counted_and_only_ones_own_are_named() {
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    let ben = Person::member(&server, "Ben").await;
    let (bens, own) = (ben.create("Salary talks", json!({})).await, admin.create("Admins", json!({})).await);
    let (_one, _) = Socket::enter(&server, &ben, &bens, "Ben").await;
    let (mut two, _) = Socket::enter(&server, &Person::guest(&server), &bens, "Gus").await;
    let (_three, _) = Socket::enter(&server, &admin, &own, "Ada").await;
    let told = admin.get(STATUS).await.ok();
    assert_eq!((&told["people"], told["meetings"].as_array().unwrap().len()), (&json!(3), 2));
    let (larger, smaller) = (&told["meetings"][0], &told["meetings"][1]);
    assert_eq!((&larger["people"], &larger["title"], &larger["roomId"]), (&json!(2), &json!(null), &json!(null)));
    assert_eq!((&smaller["people"], &smaller["title"], &smaller["roomId"]), (&json!(1), &json!("Admins"), &json!(own)));
    assert!(larger["startedAt"].as_str().unwrap() <= told["now"].as_str().unwrap());
    assert!(!told.to_string().contains(&bens) && !told.to_string().contains("Salary"), "{told}");
    two.send(&json!({"type": "leave"})).await;
    two.closed().await;
    let told = admin.get(STATUS).await.ok();
    let totals = &told["totals"];
    assert_eq!((&totals["meetings"], &totals["joined"], &totals["leftDirect"]), (&json!(2), &json!(3), &json!(1)));
    ben.post_empty(&format!("/api/meetings/{bens}/end")).await.ok();
    let told = admin.get(STATUS).await.ok();
    assert!(told["totals"]["averageSeconds"].is_u64(), "{told}");
}

#[tokio::test]
async fn connections_that_stand_or_fail_are_counted_once_each_as_pages_tell_of_them() {
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    let room = admin.create("Standup", json!({})).await;
    let (mut ada, _) = Socket::enter(&server, &admin, &room, "Ada").await;
    let (mut gus, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    let tell = |to: &str, state: &str| json!({"type": "connection", "to": to, "state": state});
    let (of_ada, of_gus) = (ada.participant.clone(), gus.participant.clone());
    for _ in 0..3 {
        ada.send(&tell(&of_gus, "failed")).await;
        ada.send(&tell(&of_gus, "connected")).await;
        gus.send(&tell(&of_ada, "connected")).await;
    }
    for socket in [&mut ada, &mut gus] {
        socket.send(&json!({"type": "ping"})).await;
        socket.skip_to("pong").await;
    }
    let totals = admin.get(STATUS).await.ok()["totals"].clone();
    assert_eq!((&totals["connected"], &totals["failed"]), (&json!(2), &json!(1)));
    ada.send(&json!({"type": "connection", "to": of_gus, "state": "perhaps"})).await;
    ada.expect_error("invalid_message").await;
}

#[tokio::test]
async fn warnings_and_errors_are_shown_once_with_how_often_they_were_said() {
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    let log = admin.get(STATUS).await.ok()["log"].clone();
    assert_eq!((&log["dropped"], &log["leftOut"], &log["panics"]), (&json!(0), &json!(0), &json!(0)));
    for _ in 0..2 {
        steal_a_sign_in(&server).await;
    }
    let log = admin.get(STATUS).await.ok()["log"].clone();
    let warned: Vec<_> = log["recent"].as_array().unwrap().iter().filter(|remark| is_of_a_theft(remark)).collect();
    assert_eq!(warned.len(), 2, "{log}");
    assert!(warned.iter().all(|remark| remark["isError"] == json!(false) && remark["times"] == json!(1)), "{log}");
    assert!(warned[0]["at"].as_str() >= warned[1]["at"].as_str(), "the newest comes first: {log}");
}

fn is_of_a_theft(remark: &Value) -> bool {
    remark["text"].as_str().unwrap().starts_with("a used refresh token came again")
}

/// Uses a refresh token again that its owner has used several times, as a thief would. The server warns of that.
async fn steal_a_sign_in(server: &TestServer) {
    let owner = Person::guest(server);
    let body = json!({"email": "admin@example.org", "password": "correct horse battery"});
    let signed_in = owner.post("/api/auth/login", &body).await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..3 {
        owner.post_empty("/api/auth/refresh").await.ok();
    }
    let thief = Person::guest(server);
    let again = thief.send(Method::POST, "/api/auth/refresh", &[("cookie", &cookie)], None).await;
    again.refused(401, "unauthenticated");
}

#[tokio::test]
async fn r7_when_the_disk_fails_readiness_status_and_figures_say_so_and_calls_go_on() {
    if !can_trace() {
        return;
    }
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    let room = admin.create("Standup", json!({})).await;
    let (mut ada, _) = Socket::enter(&server, &admin, &room, "Ada").await;
    let guest = Person::guest(&server);
    let ready = guest.get("/readyz").await;
    assert_eq!((ready.status, ready.body), (StatusCode::OK, json!({"status": "ok"})));
    let _fault = Tracer::attach(server.pid(), "fsync,fdatasync", "error=EIO", &[]);
    eventually("a write is refused", async || {
        admin.post("/api/meetings/create", &json!({"title": "Another", "settings": {}})).await.status == 503
    })
    .await;
    let ready = guest.get("/readyz").await;
    assert_eq!((ready.status, &ready.body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("degraded")));
    assert_eq!(ready.body["problems"][0]["code"], "store_degraded");
    guest.get("/healthz").await.ok();
    let told = admin.get(STATUS).await.ok();
    assert_eq!(told["problems"], ready.body["problems"]);
    assert!(told["log"]["recent"].as_array().unwrap().iter().any(|remark| remark["isError"] == json!(true)), "{told}");
    let figures = guest.client.get(format!("{}/metrics", guest.base)).send().await.unwrap().text().await.unwrap();
    assert!(figures.contains("\nhearth_store_degraded 1\n"), "{figures}");
    ada.send(&json!({"type": "ping"})).await;
    ada.skip_to("pong").await;
}
