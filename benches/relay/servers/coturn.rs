//! coturn, as the distribution packages it, without its log and its database.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Accounts, Server, free_address, home, runs, spawn, wait_for};

const PROGRAM: &str = "turnserver";

pub fn found() -> Result<()> {
    runs(PROGRAM, "--version").map(drop)
}

pub fn start(threads: usize) -> Result<Server> {
    let home = home()?;
    let (udp, tls) = (free_address()?, free_address()?);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (certificate, key) = (home.path().join("certificate.pem"), home.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let mut command = Command::new(PROGRAM);
    command
        .args(["-n", "--lt-cred-mech", "--user", "bench:bench", "--realm", "bench", "--no-cli", "--no-dtls"])
        .args(["--allow-loopback-peers", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
        .args(["--listening-port", &udp.port().to_string(), "--tls-listening-port", &tls.port().to_string()])
        .args(["--relay-threads", &threads.to_string(), "--log-file", "stdout"])
        .arg("--cert")
        .arg(&certificate)
        .arg("--pkey")
        .arg(&key)
        .arg("--pidfile")
        .arg(home.path().join("pid"))
        .arg("--userdb")
        .arg(home.path().join("database"));
    let mut process = spawn(&mut command, &home)?;
    wait_for(&mut process, &home, udp)?;
    wait_for(&mut process, &home, tls)?;
    let accounts = Accounts::One { name: "bench".to_owned(), password: "bench".to_owned() };
    Ok(Server { process, udp, tls: Some(tls), accounts, _home: home })
}
