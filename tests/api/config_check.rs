//! `hearth config check`, by the program as people run it (row O7).

use std::process::Output;

use crate::harness::{Options, TestServer};

fn check(options: &Options) -> Output {
    let server = TestServer::prepare();
    server.configure(options);
    server.command().args(["config", "check"]).output().unwrap()
}

#[test]
fn o7_all_problems_of_a_file_are_told_at_once_each_with_its_mend() {
    let ran = check(&Options {
        config: String::from(
            "[accounts]\nregistration = \"perhaps\"\n[meetings]\nmax_participants = 99\nping_timeout_seconds = 1\nnonsense = 1\n\
             [[ice.servers]]\nurls = [\"http://a.org\"]",
        ),
        server: String::from("name = \"\""),
        ..Options::default()
    });
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stdout));
    let told = String::from_utf8(ran.stderr).unwrap();
    for key in [
        "accounts.registration",
        "meetings.max_participants",
        "meetings.ping_timeout_seconds",
        "meetings.nonsense",
        "ice.servers",
        "server.name",
    ] {
        let of_key = told.lines().filter(|line| line.contains(key)).count();
        assert_eq!(of_key, 1, "{key} in {told}");
    }
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(told.lines().all(|line| line.starts_with("config: ") && line.contains(" — ")), "{told}");
}

#[test]
fn o7_what_is_no_toml_is_told_by_its_line() {
    let ran = check(&Options { config: String::from("[meetings]\nmax_participants = = 4"), ..Options::default() });
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("line 2"), "{told}");
}

#[test]
fn o7_a_good_file_is_called_good_and_nothing_is_made_by_asking() {
    let server = TestServer::prepare();
    server.configure(&Options { config: String::from("[meetings]\nmax_participants = 4"), ..Options::default() });
    let ran = server.command().args(["config", "check"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "The configuration is good.\n");
    assert!(ran.stderr.is_empty() && !server.data_dir().exists());
}
