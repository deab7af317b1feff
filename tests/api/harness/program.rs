//! Programs that the tests start.

use std::ffi::OsStr;
use std::process::Command;

/// A program that is not given the variables which are meant for the tests, or for somebody's own server.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"HEARTH_")) {
        command.env_remove(name);
    }
    command
}
