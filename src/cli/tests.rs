//! The command line as the shell sees it: what goes to which stream, and the exit status.

use std::path::PathBuf;

use anyhow::Context;

use super::*;
use crate::config::Config;

struct Ran {
    outcome: Outcome,
    out: String,
    err: String,
    served: Option<Config>,
}

fn run_with(arguments: &[&str], env: &[(&str, &str)], answer: anyhow::Result<()>) -> Ran {
    let (mut out, mut err, mut served) = (Vec::new(), Vec::new(), None);
    let arguments = ["hearth"].iter().chain(arguments).map(OsString::from);
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let outcome = dispatch(arguments, env, Path::new("/nowhere/config.toml"), &mut out, &mut err, |loaded, _, _| {
        served = Some(loaded.config);
        answer
    });
    Ran { outcome, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap(), served }
}

fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, &[], Ok(()))
}

#[test]
fn clap_finds_no_fault_with_the_declarations() {
    <Arguments as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn serving_is_what_happens_without_a_command() {
    for arguments in [&[][..], &["serve"]] {
        let ran = run(arguments);
        assert_eq!((ran.outcome, ran.served), (Outcome::Done, Some(Config::default())));
        assert!(ran.out.is_empty() && ran.err.is_empty());
    }
}

#[test]
fn options_stand_before_or_after_the_command() {
    let options = ["--data-dir", "/srv/hearth", "--listen", "127.0.0.1:0", "--listen", "[::1]:0"];
    for arguments in [[&["serve"][..], &options].concat(), [&options[..], &["serve"]].concat(), options.to_vec()] {
        let config = run(&arguments).served.unwrap();
        assert_eq!(config.server.data_dir, PathBuf::from("/srv/hearth"));
        assert_eq!(config.server.listen, ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]);
    }
}

#[test]
fn the_file_is_named_by_the_flag_or_else_by_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("[server]\nname = \"{name}\"\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (flag, variable) = (write("flag"), write("variable"));
    let env = [("HEARTH_CONFIG", variable.as_str())];
    assert_eq!(run_with(&[], &env, Ok(())).served.unwrap().server.name, "variable");
    assert_eq!(run_with(&["--config", &flag], &env, Ok(())).served.unwrap().server.name, "flag");
}

#[test]
fn problems_are_told_one_a_line_and_nothing_is_served() {
    for command in [&["serve"][..], &["config", "check"]] {
        let env = [("HEARTH_MEETINGS_MAX_PARTICIPANTS", "99"), ("HEARTH_LOG_FORMAT", "xml")];
        let ran = run_with(command, &env, Ok(()));
        assert_eq!(ran.outcome, Outcome::Misused);
        assert!(ran.served.is_none() && ran.out.is_empty());
        assert_eq!(ran.err.lines().count(), 2, "{}", ran.err);
        assert!(ran.err.lines().all(|line| line.starts_with("config: ") && line.contains(" — ")), "{}", ran.err);
    }
}

#[test]
fn config_check_and_example_start_nothing() {
    let check = run(&["config", "check"]);
    assert_eq!((check.outcome, check.out.as_str()), (Outcome::Done, "The configuration is good (no configuration file).\n"));
    let example = run(&["config", "example"]);
    assert_eq!((example.outcome, example.out), (Outcome::Done, config::example()));
    assert!(check.served.is_none() && example.served.is_none());
}

#[test]
fn config_show_tells_each_setting_with_who_says_so_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("hearth.toml"), dir.path().join("data"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&file, "[meetings]\nmax_participants = 4\n[[ice.servers]]\nurls = [\"turn:a.org\"]\nsecret = \"hush-hush\"")
        .unwrap();
    std::fs::write(data.join("settings.toml"), "[server]\nname = \"Ours\"\n[meetings]\nmax_participants = 3").unwrap();
    let arguments = ["config", "show", "--config", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let ran = run_with(&arguments, &[("HEARTH_LOG_FORMAT", "json")], Ok(()));
    assert_eq!(ran.outcome, Outcome::Done, "{}", ran.err);
    assert_eq!(ran.out.lines().next(), Some(format!("# settings of {}", file.display()).as_str()));
    for line in [
        "server.name = \"Ours\"  # set in the browser",
        "meetings.max_participants = 4  # configuration file",
        "meetings.guests_allowed = true  # default",
        "server.public_url = (not set)  # default",
        "log.format = \"json\"  # environment",
    ] {
        assert!(ran.out.lines().any(|told| told == line), "{line} is not in {}", ran.out);
    }
    let of = |key: &str| ran.out.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(of("server.data_dir").ends_with("# command line"));
    assert!(of("ice.servers").contains("turn:a.org") && !ran.out.contains("hush"), "{}", ran.out);
}

#[test]
fn help_and_version_are_no_failures_and_unknown_flags_are() {
    let version = run(&["--version"]);
    assert_eq!((version.outcome, version.out), (Outcome::Done, format!("hearth {}\n", env!("CARGO_PKG_VERSION"))));
    assert_eq!(run(&["--help"]).outcome, Outcome::Done);
    for arguments in [&["--port", "1"][..], &["--listen", "8443"], &["sevre"], &["config"]] {
        let ran = run(arguments);
        assert_eq!(ran.outcome, Outcome::Misused, "{arguments:?}");
        assert!(ran.served.is_none() && ran.out.is_empty() && !ran.err.is_empty());
    }
}

#[test]
fn failures_are_told_with_their_causes_and_damaged_data_apart() {
    let failed = run_with(&[], &[], Err(anyhow::anyhow!("the port is taken")).context("no listener"));
    assert_eq!((failed.outcome, failed.err.as_str()), (Outcome::Failed, "hearth: no listener: the port is taken\n"));
    let damaged = run_with(&[], &[], Err(anyhow::anyhow!("bad checksum")).context(app::DamagedData).context("no store"));
    assert_eq!(damaged.outcome, Outcome::Damaged);
    assert!(damaged.err.contains("bad checksum"), "{}", damaged.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(say(&mut Gone, "text"), Outcome::Done);
}
