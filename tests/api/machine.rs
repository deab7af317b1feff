//! What the machine does to a running server: it sleeps, it forgets how to find names, it lets nothing be written (R14, R38, R41).

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Options, Person, Socket, TestServer, eventually, skip, world};

/// What people know the server by where it has a public name.
const NAME: &str = "meet.hearth.test";

/// For how many seconds the machine sleeps: longer than anybody may be silent and a seat is kept. `make faults` lets it be minutes.
fn slept() -> Duration {
    Duration::from_secs(std::env::var("HEARTH_FAULT_SLEEP").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(14))
}

/// The next thing that counts: goes on in the same seat, by the same socket or, where that was given up, by another.
async fn go_on(server: &TestServer, socket: &mut Socket) -> bool {
    if socket.try_send(Message::text(r#"{"type":"ping"}"#)).await && socket.hears("pong").await {
        return false;
    }
    let (back, _) = socket.resume(server).await;
    assert_eq!(back.participant, socket.participant, "it is another seat");
    *socket = back;
    true
}

#[tokio::test]
async fn r14_a_machine_that_slept_longer_than_anybody_may_be_silent_goes_on_where_it_was() {
    let config = String::from("[meetings]\nping_timeout_seconds = 10\nresume_window_seconds = 5\n");
    let mut server = TestServer::with(&Options { config, ..Options::default() });
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    host.skip_to("participantJoined").await;
    guest.expect_quiet().await;
    server.signal("STOP");
    // What is asked meanwhile waits in the machine.
    let asking = {
        let ben = ben.clone();
        tokio::spawn(async move { ben.get("/api/auth/me").await })
    };
    tokio::time::sleep(slept()).await;
    assert!(!asking.is_finished());
    let before = (host.pings, guest.pings);
    let awake = Instant::now();
    server.signal("CONT");
    // A request may have been waited for in vain; the next one is answered.
    drop(asking.await);
    assert_eq!(ben.get("/api/auth/me").await.ok()["name"], "Ben");
    // Each comes back to the seat, if need be once, and both hear each other.
    let anew = [go_on(&server, &mut host).await, go_on(&server, &mut guest).await];
    eprintln!("r14: after {:?} of sleep these came back by another socket: {anew:?}", slept());
    for (text, from_host) in [("awake?", true), ("awake.", false)] {
        let (from, to) = if from_host { (&mut host, &mut guest) } else { (&mut guest, &mut host) };
        from.send(&json!({"type": "chat", "id": "c", "to": null, "text": text})).await;
        while to.skip_to("chat").await["message"]["text"] != text {}
    }
    let participants = ben.get(&format!("/api/meetings/{room}/participants")).await.ok();
    assert_eq!(participants["participants"].as_array().unwrap().len(), 2, "{participants}");
    // What was missed in the sleep is not made up for: of all the pings there is one, perhaps one of this moment, and those of the time
    // since then, three in the ten seconds of the ping timeout.
    let since = usize::try_from(awake.elapsed().as_millis() * 3 / 10_000).unwrap();
    for (socket, before) in [(&host, before.0), (&guest, before.1)] {
        assert!(socket.pings <= before + 2 + since, "{} pings came at once", socket.pings - before);
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(server.stop().success());
}

/// A way to start a program that sees other mounts than everybody else. `None` where this user may not.
fn on_another_machine(commands: &str) -> Option<Vec<String>> {
    let mut words = world(&["--mount"], &["mount", "-t", "tmpfs", "none", "/run"])?;
    words.extend(["sh", "-c", &format!("set -e; {commands}; exec \"$@\""), "sh"].map(str::to_owned));
    Some(words)
}

#[tokio::test]
async fn r38_while_no_name_server_answers_everything_is_served_and_only_what_needs_names_waits() {
    // An address of loopback of this test alone, where questions arrive and are never answered.
    let [one, two] = hearth::ids::random_bytes();
    let address = std::net::Ipv4Addr::new(127, 77, one, two.clamp(1, 254));
    let Ok(mute) = tokio::net::UdpSocket::bind((address, 53)).await else {
        return skip("this user may not listen on port 53");
    };
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let resolver = write("resolv.conf", &format!("nameserver {address}\n"));
    let order = write("nsswitch.conf", "hosts: files dns\n");
    let commands = format!(
        "mount --bind {resolver} /etc/resolv.conf; if [ -e /etc/nsswitch.conf ]; then mount --bind {order} /etc/nsswitch.conf; fi"
    );
    let Some(run_by) = on_another_machine(&commands) else { return };
    let config = "[tls]\nmode = \"acme\"\nacme_directory = \"https://acme.hearth.test/directory\"\nacme_retry_seconds = 1\n\
                  [[ice.servers]]\nurls = [\"stun:stun.hearth.test:3478\"]\n";
    let options = Options { run_by, config: config.to_owned(), ..Options::default() };
    let mut server = TestServer::prepared(&options);
    server.configure(&Options { server: format!("public_url = \"https://{NAME}:{}\"", server.port()), ..options });
    server.launch();
    server.is_known_as(NAME, server.certificate());
    let admin = Person::admin(&server).await;
    admin.post_empty("/api/admin/doctor").await.ok();
    // What needs names is under way: a certificate, and the doctor, who asks a STUN server.
    let mut asked = String::new();
    let mut question = [0; 512];
    while !(asked.contains("acme") && asked.contains("stun")) {
        let heard = tokio::time::timeout(Duration::from_secs(30), mute.recv(&mut question)).await;
        let length = heard.unwrap_or_else(|_| panic!("no more names are asked for than: {asked}")).unwrap();
        asked.push_str(&String::from_utf8_lossy(&question[..length]));
    }
    let ben = Person::member(&server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
    let (mut guest, welcome) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
    assert!(welcome["iceServers"].to_string().contains("stun.hearth.test"), "{welcome}");
    host.send(&json!({"type": "chat", "id": "c", "to": null, "text": "Can you hear me?"})).await;
    assert_eq!(guest.skip_to("chat").await["message"]["text"], "Can you hear me?");
    assert_eq!(ben.get("/readyz").await.status, 200);
    assert!(server.stop().success());
}

#[tokio::test]
async fn r41_on_a_machine_without_any_files_about_names_everything_is_served() {
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
