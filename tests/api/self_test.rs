//! What the relay says in the log about itself.

use crate::harness::{Options, TestServer, eventually};

fn with(relay: &str) -> TestServer {
    TestServer::with(&Options { relay: relay.to_owned(), self_test: true, ..Options::default() })
}

async fn says(server: &TestServer, what: &str) {
    eventually(what, async || server.log().contains(what)).await;
}

#[tokio::test]
async fn a_relay_that_works_says_so_once() {
    let mut server = with("");
    says(&server, "the relay works: a packet went through it at 127.0.0.1:").await;
    assert!(server.stop().success());
    assert_eq!(server.log().matches("the relay").count(), 1, "{}", server.log());
}

#[tokio::test]
async fn a_relay_whose_outside_address_does_not_answer_says_what_may_be_the_cause() {
    // Nothing listens there, as with a router that doesn't return packets for its own outside address.
    let mut server = with("external_address = \"127.0.0.2\"");
    says(&server, "the relay works, but its outside address 127.0.0.2:").await;
    server.has_logged("many routers don't return packets that are sent to their own outside address");
    assert!(!server.log().lines().any(|line| line.contains("WARN") && line.contains("relay")), "{}", server.log());
    assert!(server.stop().success());
}

#[test]
fn a_server_whose_test_is_under_way_stops_at_once_and_in_good_order() {
    let mut server = with("external_address = \"127.0.0.2\"");
    assert!(server.stop().success());
    assert!(!server.log().contains("did not end in time"), "{}", server.log());
}
