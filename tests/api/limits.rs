//! What is counted and what is not (attacks D8, H4).

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Options, Person, TestServer};

#[tokio::test]
async fn registrations_that_were_never_going_to_work_do_not_use_up_those_of_others() {
    let server = TestServer::start();
    let clumsy = Person::guest(&server);
    for _ in 0..70 {
        let body = json!({"email": "clumsy@example.org", "name": "Clumsy", "password": "short"});
        clumsy.post("/api/auth/register", &body).await.refused(422, "invalid_password");
    }
    Person::member(&server, "Ben").await;
}

#[tokio::test]
async fn h4_a_hidden_meeting_and_one_that_is_not_there_are_limited_alike() {
    let server = TestServer::start();
    let (ben, eve) = (Person::member(&server, "Ben").await, Person::member(&server, "Eve").await);
    let room = ben.create("Standup", json!({})).await;
    let paths = [format!("/api/meetings/{room}"), format!("/api/meetings/{room}/participants"), format!("/meeting/{room}")];
    let mut limited = false;
    for path in paths.iter().cycle().take(60) {
        let answer = eve.get(path).await;
        limited |= answer.status == StatusCode::TOO_MANY_REQUESTS;
        assert!(limited || answer.code() == "meeting_not_found", "{answer:?}");
    }
    assert!(limited, "sixty looks at a hidden meeting were all taken");
    let (room, end) = (format!("/api/meetings/{room}"), format!("/api/meetings/{room}/end"));
    refused_soon(async || eve.post_empty(&end).await, "meeting_not_found").await;
    refused_soon(async || eve.delete(&room).await, "meeting_not_found").await;
    ben.get(&room).await.ok();
}

/// Insists that what was limited a moment ago is limited for this, too. On a slow machine one or two may have come back since then: far
/// fewer than would be there if it had a limit of its own. Those are answered with this code.
async fn refused_soon(ask: impl AsyncFn() -> Answer, otherwise: &str) {
    const MOST: usize = 5;
    for _ in 0..MOST {
        let answer = ask().await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            answer.refused(429, "too_many_requests");
            return;
        }
        assert_eq!(answer.code(), otherwise, "{answer:?}");
    }
    panic!("{MOST} more were taken");
}

#[tokio::test]
async fn every_route_is_limited_by_whatever_name_but_the_page_and_the_health_checks_are_not() {
    // So few that even a slow machine asks faster than they come back.
    let few = String::from("[limits]\nrequests_per_minute = 60");
    let server = TestServer::with(&Options { config: few, ..Options::default() });
    let guest = Person::guest(&server);
    let certificate = reqwest::Certificate::from_pem(server.certificate().as_bytes()).unwrap();
    // Keeps its connection, which makes hundreds of requests cheap.
    let client = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().build().unwrap();
    let status = async |path: &str| client.get(format!("{}{path}", server.address)).send().await.unwrap().status();
    let guest = Person { client: client.clone(), ..guest };
    for path in ["/", "/healthz", "/readyz"] {
        for _ in 0..100 {
            assert_eq!(status(path).await, StatusCode::OK, "{path}");
        }
    }
    let mut limited = false;
    for _ in 0..300 {
        limited = status("/meeting/0000-0000-0000").await == StatusCode::TOO_MANY_REQUESTS;
        if limited {
            break;
        }
    }
    assert!(limited, "an alias was not limited");
    refused_soon(async || guest.get("/api/server").await, "").await;
    assert_eq!(status("/").await, StatusCode::OK);
}
