//! `hearth health`, which containers ask every now and then.

use std::process::Output;

use crate::harness::TestServer;

/// Asks with the configuration of this server.
fn health(server: &TestServer) -> (Output, String) {
    let output = server.command().arg("health").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn o8_health_tells_a_running_server_from_a_stopped_one() {
    let mut server = TestServer::start();
    let (output, said) = health(&server);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"The server is ready.\n"[..]), "{said}");
    server.kill();
    let (output, said) = health(&server);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(said.starts_with("hearth: nothing answers at 127.0.0.1:"), "{said}");
}

#[test]
fn o8_health_of_a_server_that_does_not_answer_is_bad_and_the_asking_ends() {
    let server = TestServer::start();
    server.signal("STOP");
    let (output, said) = health(&server);
    server.signal("CONT");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("hearth: nothing answers at "), "{said}");
}
