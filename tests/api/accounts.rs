//! Making accounts, signing in, staying signed in (rows A1, A3, A4, A7; attacks of the `Auth` list).

use serde_json::json;

use crate::harness::{Options, Person, TestServer};

#[tokio::test]
async fn a7_the_one_time_link_makes_the_first_admin_and_then_never_again() {
    let mut server = TestServer::start();
    let stranger = Person::guest(&server);
    assert_eq!(stranger.get("/api/server").await.ok()["needsSetup"], true);
    let token = server.setup_token.clone().unwrap();
    let request =
        |token: &str| json!({"token": token, "email": "a@example.org", "name": "Ada", "password": "correct horse battery"});
    stranger.post("/api/setup", &request("not-the-token")).await.refused(403, "setup_token_invalid");
    let signed_in = stranger.post("/api/setup", &request(&token)).await;
    assert_eq!(signed_in.status, 201);
    assert_eq!(signed_in.body["user"]["role"], "admin");
    stranger.post("/api/setup", &request(&token)).await.refused(410, "setup_done");
    assert_eq!(stranger.get("/api/server").await.ok()["needsSetup"], false);
    assert!(server.stop().success());
    server.launch();
    assert_eq!(server.setup_token, None, "a server that has an admin prints no link");
}

#[tokio::test]
async fn a18_of_many_who_use_the_link_at_once_exactly_one_becomes_admin() {
    let server = TestServer::start();
    let token = server.setup_token.clone().unwrap();
    let attempts = (0..12).map(|number| {
        let (person, token) = (Person::guest(&server), token.clone());
        tokio::spawn(async move {
            let email = format!("a{number}@example.org");
            person
                .post("/api/setup", &json!({"token": token, "email": email, "name": "Ada", "password": "correct horse"}))
                .await
                .status
        })
    });
    let mut made = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        made += usize::from(attempt.await.unwrap() == 201);
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a1_a4_an_account_is_registered_and_signs_in_by_either_path() {
    let server = TestServer::start();
    let person = Person::member(&server, "Ben").await;
    let me = person.get("/api/auth/me").await.ok();
    assert_eq!((&me["email"], &me["name"], &me["role"]), (&json!("ben@example.org"), &json!("Ben"), &json!("member")));
    let elsewhere = Person::guest(&server);
    for path in ["/api/auth/login", "/auth/login"] {
        let body = json!({"email": " BEN@Example.org ", "password": "Ben keeps secrets"});
        let signed_in = elsewhere.post(path, &body).await.ok();
        assert_eq!(signed_in["user"]["id"], me["id"]);
        assert_eq!(signed_in["expiresInSeconds"], 900);
    }
    let taken = json!({"email": "ben@EXAMPLE.org", "name": "Other", "password": "something else"});
    let refused = elsewhere.post("/api/auth/register", &taken).await.refused(409, "email_taken");
    assert_eq!(refused.body["error"]["field"], "email");
}

#[tokio::test]
async fn a1_registration_can_be_closed() {
    let server = TestServer::with(&Options { config: "[accounts]\nregistration = \"closed\"".into(), ..Options::default() });
    let stranger = Person::guest(&server);
    assert_eq!(stranger.get("/api/server").await.ok()["registration"], "closed");
    let body = json!({"email": "ben@example.org", "name": "Ben", "password": "correct horse battery"});
    stranger.post("/api/auth/register", &body).await.refused(403, "registration_closed");
    Person::admin(&server).await;
}

#[tokio::test]
async fn a11_a_wrong_password_and_an_unknown_address_read_the_same() {
    let server = TestServer::start();
    Person::member(&server, "Ben").await;
    let stranger = Person::guest(&server);
    let wrong = stranger.post("/api/auth/login", &json!({"email": "ben@example.org", "password": "not his password"})).await;
    let unknown = stranger.post("/api/auth/login", &json!({"email": "nobody@example.org", "password": "not his password"})).await;
    assert_eq!(wrong.body, unknown.body);
    wrong.refused(401, "wrong_credentials");
}

#[tokio::test]
async fn a12_guessing_one_password_is_slowed_down_and_the_owner_is_told_how_long() {
    let server = TestServer::start();
    Person::member(&server, "Ben").await;
    let stranger = Person::guest(&server);
    let mut limited = None;
    for attempt in 0..40 {
        let body = json!({"email": "ben@example.org", "password": format!("guess number {attempt}")});
        let answer = stranger.post("/api/auth/login", &body).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        answer.refused(401, "wrong_credentials");
    }
    let limited = limited.expect("forty guesses in a row were all taken").refused(429, "too_many_requests");
    assert!(limited.body["error"]["retryAfterSeconds"].as_u64().unwrap() > 0);
    assert!(limited.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a13_a_huge_password_costs_no_hash_and_bad_fields_are_named() {
    let server = TestServer::start();
    let stranger = Person::guest(&server);
    let cases = [
        (json!({"email": "a@example.org", "name": "Ada", "password": "x".repeat(40_000)}), "invalid_password", "password"),
        (json!({"email": "a@example.org", "name": "Ada", "password": "short"}), "invalid_password", "password"),
        (json!({"email": "nonsense", "name": "Ada", "password": "correct horse battery"}), "invalid_email", "email"),
        (json!({"email": "a@example.org", "name": " \u{202e}", "password": "correct horse battery"}), "invalid_name", "name"),
    ];
    for (body, code, field) in cases {
        let refused = stranger.post("/api/auth/register", &body).await.refused(422, code);
        assert_eq!(refused.body["error"]["field"], field);
    }
}

#[tokio::test]
async fn a3_the_refresh_cookie_is_out_of_reach_and_gives_new_tokens_until_signing_out() {
    let server = TestServer::start();
    let person = Person::guest(&server);
    let body = json!({"email": "ben@example.org", "name": "Ben", "password": "correct horse battery"});
    let registered = person.post("/api/auth/register", &body).await;
    let cookie = registered.headers["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["__Secure-", "Secure", "HttpOnly", "SameSite=Strict", "Path=/api/auth"] {
        assert!(cookie.contains(attribute), "{cookie} lacks {attribute}");
    }
    let refreshed = person.post_empty("/api/auth/refresh").await.ok();
    let token = refreshed["accessToken"].as_str().unwrap().to_owned();
    let with_token = Person { token: Some(token), ..person.clone() };
    with_token.get("/api/auth/me").await.ok();
    let signed_out = person.post_empty("/api/auth/logout").await;
    assert_eq!(signed_out.headers["clear-site-data"], "\"cache\"");
    signed_out.ok();
    person.post_empty("/api/auth/refresh").await.refused(401, "unauthenticated");
    // A10: the access token had minutes to live and is worth nothing any more.
    with_token.get("/api/auth/me").await.refused(401, "unauthenticated");
    person.post_empty("/api/auth/logout").await.ok();
}

#[tokio::test]
async fn a9_two_tabs_that_refresh_at_once_both_stay_signed_in() {
    let server = TestServer::start();
    let person = Person::guest(&server);
    let body = json!({"email": "ben@example.org", "name": "Ben", "password": "correct horse battery"});
    let registered = person.post("/api/auth/register", &body).await;
    let cookie = registered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let tab = Person::guest(&server);
    let headers = [("cookie", cookie.as_str())];
    let refresh = || tab.send(reqwest::Method::POST, "/api/auth/refresh", &headers, None);
    let (one, two) = tokio::join!(refresh(), refresh());
    let successor =
        |answer: &crate::harness::Answer| answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(successor(&one), successor(&two));
    one.ok();
    two.ok();
}

#[tokio::test]
async fn a2_a5_tokens_of_another_kind_or_another_server_open_nothing() {
    let (server, other) = (TestServer::start(), TestServer::start());
    let ben = Person::member(&server, "Ben").await;
    let foreign = Person::member(&other, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let ticket = ben.join(&room, "Ben").await.ok()["ticket"].as_str().unwrap().to_owned();
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.".to_owned();
    for token in [foreign.token.unwrap(), ticket, unsigned, String::from("x"), String::new()] {
        let bearer = format!("Bearer {token}");
        let answer = ben.send(reqwest::Method::GET, "/api/auth/me", &[("authorization", &bearer)], None).await;
        answer.refused(401, "unauthenticated");
        let answer = ben
            .send(
                reqwest::Method::POST,
                "/api/meetings/join",
                &[("authorization", &bearer), ("content-type", "application/json")],
                Some(json!({"roomId": room, "displayName": "Eve"}).to_string().into_bytes()),
            )
            .await;
        answer.refused(401, "unauthenticated");
    }
}
