//! The doctor on the page for administrators, and the test from outside by a link that works once.

use serde_json::{Value, json};

use crate::harness::{Options, Person, TestServer, eventually, sooner_or_later};

/// The secret of a new link.
async fn token(admin: &Person) -> String {
    let link = admin.post_empty("/api/admin/doctor/outside").await.ok();
    let (address, token) = link["link"].as_str().unwrap().split_once("/check#").unwrap();
    assert_eq!(address, admin.base, "a link leads to this server alone");
    assert!(link["qr"]["path"].as_str().unwrap().starts_with('M') && link["qr"]["size"].as_u64().unwrap() > 21);
    token.to_owned()
}

fn report(token: &str, transport: &str, relayed: bool) -> Value {
    json!({"token": token, "transport": transport, "host": true, "reflexive": false, "relayed": relayed, "reason": "701: nobody"})
}

#[tokio::test]
async fn o10_an_administrator_lets_the_doctor_look_and_reads_what_it_found() {
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    let before = admin.get("/api/admin/doctor").await.ok();
    assert_eq!(before, json!({"running": false, "examinedAt": null, "findings": [], "outside": null}));
    assert_eq!(admin.post_empty("/api/admin/doctor").await.ok()["running"], true);
    sooner_or_later("the doctor is done", async || admin.get("/api/admin/doctor").await.ok()["running"] == false).await;
    let state = admin.get("/api/admin/doctor").await.ok();
    let outcome = |check: &str| {
        let findings = state["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["check"] == check).map(|finding| finding["outcome"].clone()).unwrap()
    };
    for check in ["server", "https_port", "relay_udp_port", "relay_tcp_port", "relay_tls_port", "relay", "data_dir"] {
        assert_eq!(outcome(check), "good", "{check}: {state}");
    }
    admin.post_empty("/api/admin/doctor").await.refused(429, "too_many_requests");
}

#[tokio::test]
async fn o10_the_doctor_goes_by_the_settings_that_hold_now() {
    let server = TestServer::start();
    let admin = Person::admin(&server).await;
    let examined = async || {
        // It looks again after some seconds only.
        sooner_or_later("the doctor begins", async || admin.post_empty("/api/admin/doctor").await.status == 200).await;
        sooner_or_later("the doctor is done", async || admin.get("/api/admin/doctor").await.ok()["running"] == false).await;
        let state = admin.get("/api/admin/doctor").await.ok();
        let findings = state["findings"].as_array().unwrap().clone();
        move |check: &str| findings.iter().find(|finding| finding["check"] == check).unwrap()["sentence"].to_string()
    };
    let told = examined().await;
    assert!(told("dns").contains("No public name is configured"), "{}", told("dns"));
    assert!(!told("relay_address").contains("from there this machine is seen"), "{}", told("relay_address"));
    let (name, relay) = (&server.address, server.relay_port());
    server.reconfigure(&Options {
        server: format!("public_url = \"{name}\""),
        config: format!("[[ice.servers]]\nurls = [\"stun:127.0.0.1:{relay}\"]"),
        ..Options::default()
    });
    server.signal("HUP");
    eventually("the settings are taken", async || server.log().contains("settings_taken")).await;
    let told = examined().await;
    assert!(told("dns").contains("The name localhost leads here"), "{}", told("dns"));
    assert!(told("relay_address").contains("from there this machine is seen"), "{}", told("relay_address"));
}

#[tokio::test]
async fn h18_only_administrators_see_the_doctor_and_make_links() {
    let server = TestServer::with(&Options { config: "[accounts]\nregistration = \"open\"".into(), ..Options::default() });
    Person::admin(&server).await;
    let (member, guest) = (Person::member(&server, "Mia").await, Person::guest(&server));
    for (person, status, code) in [(member, 403, "admins_only"), (guest, 401, "unauthenticated")] {
        person.get("/api/admin/doctor").await.refused(status, code);
        person.post_empty("/api/admin/doctor").await.refused(status, code);
        person.post_empty("/api/admin/doctor/outside").await.refused(status, code);
    }
}

#[tokio::test]
async fn o10_a_phone_with_the_link_gets_each_way_by_itself_and_reports_each_once() {
    let server = TestServer::start();
    let (admin, phone) = (Person::admin(&server).await, Person::guest(&server));
    let token = token(&admin).await;
    phone.post("/api/check/report", &report(&token, "udp", true)).await.refused(403, "check_link_invalid");
    let ways = phone.post("/api/check/begin", &json!({"token": token})).await.ok();
    let urls: Vec<_> = ways["lanes"].as_array().unwrap().iter().map(|lane| lane["iceServers"][0]["urls"][0].clone()).collect();
    let port = server.relay_port();
    let page = server.socket_address().port();
    let expected = [
        format!("stun:127.0.0.1:{port}"),
        format!("turn:127.0.0.1:{port}?transport=tcp"),
        format!("turns:127.0.0.1:{page}?transport=tcp"),
    ];
    assert_eq!(urls, expected);
    let name = ways["lanes"][0]["iceServers"][1]["username"].as_str().unwrap();
    let expiry: u64 = name.split_once(':').unwrap().0.parse().unwrap();
    assert!(expiry <= hearth::clock::Timestamp::now().as_secs() + 600, "{name}");

    phone.post("/api/check/report", &report(&token, "udp", true)).await.ok();
    phone.post("/api/check/report", &report(&token, "udp", true)).await.refused(403, "check_link_invalid");
    let outside = admin.get("/api/admin/doctor").await.ok()["outside"].clone();
    assert_eq!((&outside["opened"], &outside["done"]), (&json!(true), &json!(false)));
    for transport in ["tcp", "tls"] {
        phone.post("/api/check/report", &report(&token, transport, false)).await.ok();
    }
    let outside = admin.get("/api/admin/doctor").await.ok()["outside"].clone();
    assert_eq!(outside["done"], true);
    let told: Vec<_> = outside["findings"].as_array().unwrap().iter().map(|found| (&found["check"], &found["outcome"])).collect();
    let (good, warning) = (json!("good"), json!("warning"));
    let checks = ["outside_udp", "outside_tcp", "outside_tls"].map(Value::from);
    assert_eq!(told, [(&checks[0], &good), (&checks[1], &warning), (&checks[2], &warning)]);
    assert!(outside["findings"][1]["mend"].as_str().unwrap().contains(&format!("sudo ufw allow {port}/tcp")));
    phone.post("/api/check/begin", &json!({"token": token})).await.refused(403, "check_link_invalid");
}

#[tokio::test]
async fn o10_guessing_links_is_slow_and_a_new_link_ends_the_one_before() {
    let server = TestServer::start();
    let (admin, phone) = (Person::admin(&server).await, Person::guest(&server));
    let (first, second) = (token(&admin).await, token(&admin).await);
    phone.post("/api/check/begin", &json!({"token": first})).await.refused(403, "check_link_invalid");
    phone.post("/api/check/begin", &json!({"token": second})).await.ok();
    let mut limited = false;
    for guess in 0..60 {
        let answer = phone.post("/api/check/begin", &json!({"token": format!("guess-{guess}")})).await;
        limited |= answer.code() == "too_many_requests";
        assert!(matches!(answer.code(), "too_many_requests" | "check_link_invalid"), "{}", answer.body);
    }
    assert!(limited, "sixty guesses were answered");
}

#[tokio::test]
async fn o10_without_a_relay_there_is_nothing_to_try_from_outside() {
    let server = TestServer::with(&Options { relay: "enabled = false".into(), ..Options::default() });
    let admin = Person::admin(&server).await;
    admin.post_empty("/api/admin/doctor/outside").await.refused(409, "relay_disabled");
}
