//! turn-server (the crate of that name), where it was built: `make bench-relay` tries.

use std::process::Command;
use std::{env, fs};

use anyhow::Result;

use super::{Accounts, Server, free_address, home, runs, spawn, wait_for};

/// `TURN_SERVER_BIN`, or where `make bench-relay` puts it.
fn binary() -> String {
    env::var("TURN_SERVER_BIN").unwrap_or_else(|_| format!("{}/target/turn-server/bin/turn-server", env!("CARGO_MANIFEST_DIR")))
}

pub fn found() -> Result<()> {
    runs(&binary(), "--version").map(drop)
}

pub fn start(threads: usize) -> Result<Server> {
    let home = home()?;
    let udp = free_address()?;
    let config = home.path().join("turn-server.toml");
    fs::write(
        &config,
        format!(
            r#"
[server]
port-range = "49152..65535"
max-threads = {threads}
realm = "bench"
[[server.interfaces]]
transport = "udp"
listen = "{udp}"
external = "{udp}"
[[server.interfaces]]
transport = "tcp"
listen = "{udp}"
external = "{udp}"
[log]
level = "error"
stdout = false
[auth]
enable-hooks-auth = false
[auth.static-credentials]
bench = "bench"
"#
        ),
    )?;
    let mut process = spawn(Command::new(binary()).arg("--config").arg(&config), &home)?;
    wait_for(&mut process, &home, udp)?;
    let accounts = Accounts::One { name: "bench".to_owned(), password: "bench".to_owned() };
    Ok(Server { process, udp, tls: None, accounts, _home: home })
}
