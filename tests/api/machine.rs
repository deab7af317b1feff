//! What the machine does to a running server: it sleeps, it forgets how to find names, it lets nothing be written (R14, R38, R41).

use std::time::Duration;

use serde_json::json;

use crate::harness::{Options, Person, Socket, TestServer, eventually, world};

#[tokio::test]
async fn r14_a_machine_that_slept_goes_on_where_it_was() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    server.signal("STOP");
    // What is asked meanwhile waits in the machine.
    host.send(&json!({"type": "chat", "id": "c", "to": null, "text": "are you asleep?"})).await;
    let asking = {
        let ben = ben.clone();
        tokio::spawn(async move { ben.get("/api/auth/me").await.ok() })
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!asking.is_finished());
    server.signal("CONT");
    assert_eq!(asking.await.unwrap()["name"], "Ben");
    assert_eq!(host.expect("chat").await["message"]["text"], "are you asleep?");
    host.expect_quiet().await;
    assert!(server.stop().success());
}

/// A way to start a program that sees other mounts than everybody else. `None` where this user may not.
fn on_another_machine(commands: &str) -> Option<Vec<String>> {
    let mut words = world(&["--mount"], &["mount", "-t", "tmpfs", "none", "/run"])?;
    words.extend(["sh", "-c", &format!("set -e; {commands}; exec \"$@\""), "sh"].map(str::to_owned));
    Some(words)
}

#[tokio::test]
async fn r38_r41_without_any_way_to_find_names_everything_is_served() {
    // A resolver that never answers, and no list of hosts.
    let barren = "for file in /etc/resolv.conf /etc/hosts /etc/nsswitch.conf /etc/hostname /etc/machine-id; do \
                  if [ -e $file ]; then mount --bind /dev/null $file; fi; done";
    let Some(run_by) = on_another_machine(barren) else { return };
    let mut server = TestServer::with(&Options { run_by, ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    host.expect_quiet().await;
    assert!(server.stop().success());
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn r41_on_a_read_only_machine_everything_is_served_from_the_data_directory_alone() {
    let temporary = std::env::temp_dir();
    let temporary = temporary.to_str().unwrap();
    // Bound to itself it is a mount of its own, which stays writable.
    let commands = format!("mount --bind '{temporary}' '{temporary}'; mount -o remount,bind,ro /");
    let Some(run_by) = on_another_machine(&commands) else { return };
    let mut server = TestServer::with(&Options { run_by, ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    ben.create("Standup", json!({})).await;
    eventually("it is ready", async || ben.get("/readyz").await.status == 200).await;
    assert!(server.stop().success());
}
