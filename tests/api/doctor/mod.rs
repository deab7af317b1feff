//! `hearth doctor`: in a small world in which all is well it says so, and when exactly one thing is broken, it finds exactly that.

mod broken;
mod certificate;
pub mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hearth::doctor::Check;
use tempfile::TempDir;
use world::{World, doctor};

/// The checks that need somebody outside.
const FROM_OUTSIDE: &str = "outside_";

#[test]
fn o10_where_nothing_is_wrong_nothing_is_found() {
    let Some(examined) = World::well().examine() else { return };
    examined.found(&[]);
    for check in [
        "server",
        "dns",
        "https_port",
        "http_port",
        "relay_udp_port",
        "relay_tcp_port",
        "relay_tls_port",
        "relay",
        "hairpin",
        "ipv6",
    ] {
        assert_eq!(examined.findings[check].0, "good", "{check}: {}", examined.findings[check].1);
    }
    let from_here = checks().into_iter().filter(|check| !check.starts_with(FROM_OUTSIDE));
    assert_eq!(examined.findings.keys().cloned().collect::<BTreeSet<_>>(), from_here.collect());
}

/// The names of all checks.
fn checks() -> BTreeSet<String> {
    Check::ALL.iter().map(|check| check.name()).collect()
}

#[test]
fn o10_the_guide_explains_each_check_and_no_other() {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DOCTOR.md")).unwrap();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(check, _)| check.to_owned()));
    assert_eq!(rows.collect::<BTreeSet<_>>(), checks());
}

/// The tests of this program that are in [`broken`], by their modules, which are named for the checks.
fn broken_by(which: &[&str]) -> BTreeSet<String> {
    let listed =
        Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).args(which).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test")?.strip_prefix("doctor::broken::"));
    tests.map(|test| test.split_once("::").map_or(test, |(check, _)| check).to_owned()).collect()
}

#[test]
fn o10_every_check_has_a_test_that_breaks_exactly_that_thing() {
    assert_eq!(broken_by(&[]), checks(), "each check has a module with its name in tests/api/doctor/broken.rs");
    assert_eq!(broken_by(&["--ignored"]), BTreeSet::new(), "none is left out");
}

#[test]
fn o10_without_a_server_the_ports_are_tried_by_opening_them() {
    let Some(examined) = (World { server: false, ..World::well() }).examine() else { return };
    examined.found(&[]);
    assert_eq!(examined.findings["server"].0, "skipped");
    assert!(examined.findings["https_port"].1.contains("is free"));
    assert_eq!(examined.findings["relay"].0, "skipped");
}

#[tokio::test]
async fn o10_people_read_a_line_for_each_finding_and_scripts_the_exit_status() {
    let run = async |first: i64, last: i64| {
        let port = certificate::show(&["hearth.localhost"], first, last).await;
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("hearth.toml");
        std::fs::write(&config, format!("[server]\nlisten = [\"127.0.0.1:{port}\"]\n[relay]\nenabled = false\n")).unwrap();
        let run = move || doctor(&config, &dir.path().join("data")).output().unwrap();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        let (first, told) = told.split_once('\n').unwrap();
        assert!(first.starts_with("Looked at with settings of ") && first.ends_with("/hearth.toml."), "{first}");
        assert!(told.starts_with("good     Hearth runs here.\n"), "{told}");
        assert!(told.lines().all(|line| line.len() > 9), "{told}");
        (output.status.code(), told.to_owned())
    };
    // What else is wrong with the machine of the test is told as well, and is not the same everywhere.
    let (status, told) = run(-1, 80).await;
    assert_eq!(status, Some(i32::from(told.lines().any(|line| line.starts_with("bad ")))), "{told}");
    let (status, told) = run(-90, -1).await;
    assert_eq!(status, Some(1));
    assert!(told.contains("bad      The certificate has expired") && told.contains("\n         to mend it: renew it"), "{told}");
}
