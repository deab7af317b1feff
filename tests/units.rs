//! The units below `systemd/`, as systemd itself reads them (row O5, F4).

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a test that can't run says so, and one that measures says what")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hearth::config::Config;
use skipping::skip;

#[expect(dead_code, reason = "others need tools of which this says nothing")]
#[path = "api/harness/skipping.rs"]
mod skipping;

/// How much `systemd-analyze security` may find exposed, in tenths of the ten points it has.
const EXPOSURE: &str = "15";

/// The units that hold the sockets.
const SOCKETS: [&str; 3] = ["hearth.socket", "hearth-http.socket", "hearth-turns.socket"];

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(units().join(name)).unwrap()
}

/// What a unit says about a key, once for each line.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// `None` where there is no systemd at all; `make setup` installs it where Debian's packages are.
fn analyze(arguments: &[&str]) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).output();
    if output.is_err() {
        skip("systemd-analyze is not there");
    }
    output.ok()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn f4_systemd_finds_no_more_than_a_remnant_exposed() {
    let service = units().join("hearth.service");
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE, service.to_str().unwrap()];
    let Some(output) = analyze(&arguments) else { return };
    let said = said(&output);
    assert!(output.status.success(), "more than {EXPOSURE} tenths are exposed:\n{said}");
    let overall = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    println!("f4: {}", overall.trim());
}

#[test]
fn o5_systemd_has_no_complaint_about_the_units() {
    let home = tempfile::tempdir().unwrap();
    // It looks whether the program is there, and before the package is installed it lies elsewhere.
    let service = unit("hearth.service").replace("/usr/bin/hearth", env!("CARGO_BIN_EXE_hearth"));
    let units = SOCKETS.map(|name| (name, unit(name))).into_iter().chain([("hearth.service", service)]);
    let paths: Vec<String> = units
        .map(|(name, text)| {
            let path = home.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let arguments: Vec<&str> = ["verify", "--man=no"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let Some(output) = analyze(&arguments) else { return };
    let said = said(&output);
    // Units of this machine that have nothing to do with ours may have faults of their own.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("hearth")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn o5_the_sockets_are_those_that_the_configuration_would_have_the_relay_listen_on() {
    let (socket, config) = (unit("hearth.socket"), Config::default());
    let ports_of = |unit: &str, key: &str| -> BTreeSet<u16> {
        values(unit, key).iter().map(|value| value.parse::<SocketAddr>().unwrap().port()).collect()
    };
    let ports = |key: &str| ports_of(&socket, key);
    let of = |addresses: &[SocketAddr]| -> BTreeSet<u16> { addresses.iter().map(SocketAddr::port).collect() };
    let (relay, relay_tls) = (of(&config.relay.listen), of(&config.relay.listen_tls));
    assert_eq!(ports("ListenDatagram"), relay);
    assert_eq!(
        ports("ListenStream").difference(&relay).copied().collect::<Vec<_>>(),
        [443],
        "the one that is left is the page's"
    );
    // What Hearth can do without has units of its own: a port that is taken fails the whole of its unit.
    let (http, turns) = (unit("hearth-http.socket"), unit("hearth-turns.socket"));
    assert_eq!(ports_of(&http, "ListenStream"), BTreeSet::from([80]));
    assert_eq!(ports_of(&turns, "ListenStream"), relay_tls);
    for (spare, name) in [(http, "http"), (turns, "relay-tls")] {
        assert_eq!((values(&spare, "Service"), values(&spare, "FileDescriptorName")), (vec!["hearth.service"], vec![name]));
        assert_eq!(values(&spare, "BindIPv6Only"), ["ipv6-only"]);
    }
    // Without it, the relay refuses what it is given, and several sockets can't share a port.
    assert_eq!((values(&socket, "BindIPv6Only"), values(&socket, "ReusePort")), (vec!["ipv6-only"], vec!["yes"]));
}

#[test]
fn o5_the_service_asks_for_all_its_sockets_and_begins_after_them() {
    let service = unit("hearth.service");
    for key in ["Wants", "After", "Also"] {
        let named: BTreeSet<&str> = values(&service, key).into_iter().flat_map(str::split_whitespace).collect();
        assert!(SOCKETS.iter().all(|socket| named.contains(socket)), "{key}={named:?}");
    }
    let packaged = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(SOCKETS.iter().all(|socket| packaged.contains(&format!("\"systemd/{socket}\""))), "a unit is in no package");
}

#[test]
fn o5_the_service_is_given_time_for_what_the_program_promises() {
    let service = unit("hearth.service");
    let seconds = |key: &str| values(&service, key).concat().parse::<u64>().unwrap();
    assert!(seconds("TimeoutStopSec") > hearth::lifecycle::STOP_DEADLINE.as_secs());
    let opening = hearth::store::Settings::new(PathBuf::new()).open_timeout.as_secs();
    assert!(seconds("TimeoutStartSec") > opening);
    assert!(hearth::lifecycle::supervisor::STEP.as_secs() > opening, "a start that goes on is given as much again");
    assert_eq!(values(&service, "RestartPreventExitStatus"), ["2 74"], "as `cli::Outcome` has it");
}
