//! Our own server: the real binary with a configuration file, and limits wide enough not to matter.

use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use hearth::clock::Timestamp;
use hearth::ids::{ParticipantId, Secret};
use hearth::turn::credentials::{CredentialIssuer, MAX_TTL};

use super::{Accounts, Server, free_address, home, runs, spawn, wait_for};
use crate::allocation::Account;

/// `HEARTH_BIN`, or the binary that was built along with this benchmark.
fn binary() -> String {
    env::var("HEARTH_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_hearth").to_owned())
}

pub fn found() -> Result<()> {
    runs(&binary(), "--version").map(drop)
}

pub fn start(threads: usize) -> Result<Server> {
    let home = home()?;
    let (http, udp, tls) = (free_address()?, free_address()?, free_address()?);
    let data = home.path().join("data");
    // A version without TLS for the relay does not know the key.
    let knows_tls = config_example()?.contains("listen_tls");
    let listen_tls = if knows_tls { format!("listen_tls = [\"{tls}\"]") } else { String::new() };
    let config = home.path().join("hearth.toml");
    fs::write(
        &config,
        format!(
            r#"
[server]
listen = ["{http}"]
data_dir = {data:?}
[relay]
listen = ["{udp}"]
{listen_tls}
address = "127.0.0.1"
allow_peers = ["127.0.0.1/32"]
threads = {threads}
max_allocations = 10000
max_allocations_per_address = 10000
max_allocations_per_participant = 10000
max_kbps_per_allocation = 100000000
max_kbps_per_participant = 100000000
challenges_per_second = 1000000
bindings_per_second = 1000000
[log]
level = "warn"
"#
        ),
    )?;
    let mut command = Command::new(binary());
    command.arg("serve").arg("--config").arg(&config);
    // Only the file is to count, and a variable that the server does not know would stop it.
    env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HEARTH_")).for_each(|(name, _)| {
        command.env_remove(name);
    });
    let mut process = spawn(&mut command, &home)?;
    let tls = knows_tls.then_some(tls);
    for address in [Some(udp), tls].into_iter().flatten() {
        wait_for(&mut process, &home, address)?;
    }
    let secret = fs::read(data.join("keys").join("relay"))?.try_into().ok().context("the relay's key has not 32 bytes")?;
    let accounts = Accounts::Minted(CredentialIssuer::new(Secret::new(secret), MAX_TTL));
    Ok(Server { process, udp, tls, accounts, _home: home })
}

/// A credential of somebody new, as people who join a meeting get it.
pub fn mint(issuer: &CredentialIssuer) -> Account {
    let credential = issuer.mint(ParticipantId::random(), Timestamp::now());
    Account::Credential { name: credential.username, password: credential.password.expose().clone() }
}

fn config_example() -> Result<String> {
    let output = Command::new(binary()).args(["config", "example"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
