//! Our own forwarder, in a process of its own: this program, started again.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Accounts, Server, home};
use crate::datagrams::Gait;

/// The argument with which this program forwards instead of measuring, and the two ways to do so.
pub const ARGUMENT: &str = "--forward";
pub const ONE: &str = "one";
pub const BATCHES: &str = "batches";

pub fn start(gait: Gait) -> Result<Server> {
    let way = match gait {
        Gait::OneAtATime => ONE,
        Gait::Batches => BATCHES,
    };
    let mut process =
        Command::new(std::env::current_exe()?).args([ARGUMENT, way]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("its output is a pipe")?).read_line(&mut line)?;
    let port: u16 = line.trim().parse().context("the forwarder does not tell its port")?;
    Ok(Server { process, udp: (Ipv4Addr::LOCALHOST, port).into(), tls: None, accounts: Accounts::Nobody, _home: home()? })
}
