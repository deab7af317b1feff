//! The description of the API (row O11): it is the committed one, it is whole, and it tells of nothing that isn't there.
//!
//! That answers are described as they are is checked with every request of every test here: see [`document::must_allow`].

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;

use crate::harness::{Person, TestServer, document};

/// The one route that OpenAPI has no words for.
const SOCKET: &str = "/api/signaling";

/// Set to 1, it makes the first test write the file instead of comparing with it.
const BLESS: &str = "HEARTH_BLESS";

#[tokio::test]
async fn o11_the_server_describes_its_api_as_committed() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let response = guest.client.get(format!("{}/api/openapi.json", server.address)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let served = response.text().await.unwrap();
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        std::fs::write(document::path(), &served).unwrap();
    }
    let committed = std::fs::read_to_string(document::path()).unwrap();
    let differing = served.lines().zip(committed.lines()).find(|(served, committed)| served != committed);
    assert!(
        served == committed,
        "docs/openapi.json is not what the server tells (first difference, served and committed: {differing:?}).\n\
         If the change is wanted: {BLESS}=1 cargo test --test api o11_the_server && git diff docs/openapi.json"
    );
}

#[test]
fn o11_every_route_is_described_but_aliases_and_the_socket() {
    let router = include_str!("../../src/http/mod.rs");
    // A handler's first route is its own; the others are aliases.
    let mut routes: BTreeMap<(Method, &str), &str> = BTreeMap::new();
    let known = router.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once("\", "));
    for (path, methods) in known.filter(|(path, _)| *path != SOCKET) {
        for (method, handler) in handlers(methods) {
            if !routes.values().any(|known| *known == handler) {
                routes.insert((method, path), handler);
            }
        }
    }
    let routed: BTreeSet<_> = routes.into_keys().collect();
    let described: BTreeSet<_> = document::operations().map(|(method, path, _)| (method, path)).collect();
    assert!(routed.contains(&(Method::DELETE, "/api/meetings/{room}")), "the routes were not read rightly: {routed:?}");
    assert_eq!(routed, described);
}

/// `get(read).delete(end))` tells of two.
fn handlers(methods: &str) -> impl Iterator<Item = (Method, &str)> {
    methods.trim_end_matches(')').split(").").map(|one| {
        let (method, handler) = one.split_once('(').unwrap();
        (method.to_uppercase().parse().unwrap(), handler)
    })
}

#[tokio::test]
async fn o11_every_described_operation_is_served() {
    let server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    for (method, template, _) in document::operations() {
        let path = template.replace("{room}", "abcd-efgh-jkmn").replace("{user}", &ben.id);
        assert!(!path.contains('{'), "say what {template} is to be tried with");
        let answer = ben.send(method.clone(), &path, &[], None).await;
        assert!(!matches!(answer.code(), "not_found" | "method_not_allowed"), "{method} {path} is not there");
        // Outside of the API, what isn't there is answered with a page.
        let is_page = answer.headers["content-type"].to_str().unwrap().starts_with("text/html");
        assert!(!is_page, "{method} {path} answered {} and a page", answer.status);
    }
}

#[test]
fn o11_operations_have_an_id_each_and_say_what_they_do() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in document::operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is there twice");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.'), "{method} {path} doesn't say what it does: {summary:?}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert_ne!(response["description"].as_str().unwrap_or_default(), "", "{method} {path} {status} says nothing");
        }
    }
}
