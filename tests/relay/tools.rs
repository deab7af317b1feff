//! Foreign clients against the relay. Ignored, because they need coturn's tools on the machine.

use std::net::{Ipv6Addr, SocketAddr};
use std::process::Command;

use hearth::ids::ParticipantId;
use hearth::turn::Settings;

use crate::client::{By, mint};
use crate::site::{settings, start, start_for_others};

async fn run(settings: Settings, tool: &str, arguments: &[&str]) -> (String, hearth::turn::Counters) {
    let (succeeded, text, counters) = attempt(settings, tool, arguments).await;
    assert!(succeeded, "{tool} failed: {text}");
    (text, counters)
}

/// Whether the tool ended well, and what it said.
async fn attempt(settings: Settings, tool: &str, arguments: &[&str]) -> (bool, String, hearth::turn::Counters) {
    let site = start(settings).await;
    let credential = mint(ParticipantId::random());
    let door = if arguments.contains(&"-S") { By::Tls } else { By::Tcp };
    let port = site.door(door).port().to_string();
    let mut command = Command::new(tool);
    if tool.ends_with("uclient") {
        command.args(["-u", &credential.username, "-w", credential.password.expose()]);
    }
    command.args(arguments).args(["-p", &port, &site.address.ip().to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text, site.counters().await)
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_stunclient"]
async fn stunclient_learns_its_address() {
    let (text, counters) = run(settings(), "turnutils_stunclient", &[]).await;
    assert!(text.contains("UDP reflexive addr: 127.0.0.1"));
    assert!(counters.bindings > 0);
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_uclient"]
async fn uclient_makes_its_own_credentials_from_the_shared_secret() {
    let relay = async |secret: &str, tool_says: &'static str| {
        let site = start_for_others(secret).await;
        let port = site.address.port().to_string();
        let mut command = Command::new("turnutils_uclient");
        command.args(["-u", "ada", "-W", tool_says, "-y", "-c", "-s", "-n", "50", "-m", "2", "-p", &port, "127.0.0.1"]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), site.counters().await)
    };
    let (text, counters) = relay("a secret of two programs", "a secret of two programs").await;
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "packets were lost: {text}");
    assert!(counters.packets_in >= 100);
    let (_, counters) = relay("a secret of two programs", "another secret").await;
    assert_eq!(counters.allocated, 0);
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_uclient"]
async fn uclient_relays_over_tcp() {
    let arguments = ["-t", "-y", "-c", "-s", "-n", "50", "-l", "801", "-m", "2"];
    let (text, counters) = run(settings(), "turnutils_uclient", &arguments).await;
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "packets were lost: {text}");
    assert!(counters.packets_in >= 100);
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_uclient"]
async fn uclient_relays_over_tls() {
    let arguments = ["-t", "-S", "-y", "-c", "-s", "-n", "50", "-l", "801", "-m", "2"];
    let (text, counters) = run(settings(), "turnutils_uclient", &arguments).await;
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "packets were lost: {text}");
    assert!(counters.packets_in >= 100);
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_uclient"]
async fn uclient_relays_between_two_of_its_own_allocations() {
    // With Send indications, because this tool picks its channels from the range of RFC 5766, most of which RFC 8656 took back.
    let arguments = ["-y", "-c", "-s", "-n", "50", "-l", "800", "-m", "2"];
    let (text, counters) = run(settings(), "turnutils_uclient", &arguments).await;
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "packets were lost: {text}");
    assert!(counters.packets_in >= 100);
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_uclient"]
async fn uclient_relays_over_ipv6() {
    let listen = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let settings = Settings { listen, relay_ipv6: Some(Ipv6Addr::LOCALHOST), ..settings() };
    let arguments = ["-x", "-y", "-c", "-s", "-n", "50", "-l", "800", "-m", "2"];
    let (text, counters) = run(settings, "turnutils_uclient", &arguments).await;
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "packets were lost: {text}");
    assert!(counters.packets_in >= 100);
}

#[tokio::test]
#[ignore = "needs coturn's turnutils_uclient"]
async fn uclient_relays_over_channels() {
    // It picks two channels at random out of 0x4000 to 0x7FFF, and gives up when one is refused: one run in sixteen gets by.
    let arguments = ["-y", "-c", "-n", "50", "-l", "800", "-m", "2"];
    for _ in 0..300 {
        let (succeeded, text, counters) = attempt(settings(), "turnutils_uclient", &arguments).await;
        if text.contains("channel bind: error 400") {
            continue;
        }
        assert!(succeeded && text.contains("Total lost packets 0 (0.000000%)"), "packets were lost: {text}");
        assert!(counters.packets_in >= 100);
        return;
    }
    panic!("of 300 runs none picked two channels of RFC 8656");
}
