//! Worlds of their own for programs under test: namespaces, where this user may make some.

use std::process::{Command, Stdio};

use super::skip;

/// The words by which a program is started in namespaces of these kinds, such as `--mount`, in which `attempt` works. `None` where this
/// user may not, and the test is skipped.
pub fn world(kinds: &[&str], attempt: &[&str]) -> Option<Vec<String>> {
    let of_root = ["unshare"].iter().chain(kinds).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    // Whoever is not root may be root in a world of their own.
    let of_anybody = of_root.iter().cloned().chain([String::from("--map-root-user")]).collect();
    let works = |words: &Vec<String>| {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(attempt).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let way = [of_root, of_anybody].into_iter().find(works);
    if way.is_none() {
        skip(&format!("this user may not do {attempt:?} in a world of its own ({kinds:?}), or what that needs is not there"));
    }
    way
}
