//! What is said to somebody who builds Hearth without what that needs, and which versions of Node.js are good enough.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

#[expect(
    dead_code,
    clippy::print_stdout,
    reason = "the build script speaks to cargo; here only its rule on versions is of interest"
)]
#[path = "../build.rs"]
mod build_script;

const TOOLS: [&str; 5] = ["cargo", "cc", "c++", "node", "npm"];
const GOOD_NODE: &str = "v20.19.0";

/// Runs `packaging/need.sh` where these tools are all that there is, and `node` says this version.
fn need(present: &[&str], node: &str) -> Output {
    let path = TempDir::new().unwrap();
    for tool in present {
        let file = path.path().join(tool);
        let says = if *tool == "node" { node } else { "1.0.0" };
        fs::write(&file, format!("#!/bin/sh\necho {says}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/need.sh");
    Command::new("/bin/sh").arg(script).args(TOOLS).env_clear().env("PATH", path.path()).output().unwrap()
}

/// Insists on exactly one line on stderr, with all these words in it.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in {said:?}");
    }
}

#[test]
fn o1_nothing_is_said_when_everything_is_there() {
    let output = need(&TOOLS, GOOD_NODE);
    assert!(output.status.success());
    assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()));
}

#[test]
fn o1_each_missing_tool_is_one_line_that_says_what_to_install() {
    for (missing, words) in [
        ("cargo", ["Rust 1.95", "rustup"]),
        ("cc", ["C compiler", "the package gcc"]),
        ("c++", ["C++ compiler", "the package g++"]),
        ("node", ["Node.js 20.19, or 22.12 or newer", "the package nodejs"]),
        ("npm", ["npm", "the package npm"]),
    ] {
        let present: Vec<_> = TOOLS.into_iter().filter(|tool| *tool != missing).collect();
        assert_refused(&need(&present, GOOD_NODE), &words);
    }
    let output = need(&[], GOOD_NODE);
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), TOOLS.len());
}

#[test]
fn o1_the_script_and_the_build_agree_on_what_node_is_new_enough() {
    for good in ["v20.19.0", "v20.20.2", "v22.12.0", "v22.22.1", "v23.0.0", "v24.1.0-nightly", "v100.0.0"] {
        assert!(build_script::is_new_enough(good), "{good}");
        let output = need(&TOOLS, good);
        assert!(output.status.success(), "{good}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for bad in ["v20.18.3", "v20.0.0", "v21.7.3", "v22.0.0", "v22.11.0", "v18.20.8", "v9.99.9", "v20", "vast", "v20.x.0", ""] {
        assert!(!build_script::is_new_enough(bad), "{bad}");
        assert_refused(&need(&TOOLS, bad), &["Node.js 20.19, or 22.12 or newer", &format!("this is {bad}")]);
    }
}

#[test]
fn o1_the_rule_on_node_is_that_of_the_vite_we_pin() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("web/package-lock.json")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    assert_eq!(lock["packages"]["node_modules/vite"]["engines"]["node"], "^20.19.0 || >=22.12.0");
}
