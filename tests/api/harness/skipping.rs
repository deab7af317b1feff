//! Tests that can't run where they are: who may not make namespaces or trace programs, or lacks a tool.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// When this is `1`, a test that would be skipped fails.
const MUST_RUN: &str = "TESTS_MUST_RUN";

/// Says that the test which calls this is skipped, and why; it returns afterwards. The runner counts it as passed, so `tests/skipped.sh`
/// tells of it at the end.
///
/// # Panics
/// Where every test must run.
pub fn skip(why: &str) {
    assert!(std::env::var_os(MUST_RUN).is_none_or(|value| value != "1"), "{why}, and {MUST_RUN}=1 lets nothing be skipped");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {why}");
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
    // In one piece, for other tests write there at the same time.
    list.write_all(format!("{name}: {why}\n").as_bytes()).unwrap();
}

/// Whether a tool is there and may do this; otherwise the test is skipped.
pub fn can(tool: &str, arguments: &[&str]) -> bool {
    let works = Command::new(tool).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        skip(&format!("{tool} is not there, or may not do that here"));
    }
    works
}

/// Whether calls into the system can be traced; otherwise the test is skipped.
pub fn can_trace() -> bool {
    can("strace", &["-qq", "-o", "/dev/null", "true"])
}
