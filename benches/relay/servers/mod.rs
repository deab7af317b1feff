//! The servers that are compared, each started fresh for every measurement.

mod coturn;
pub mod floor;
mod hearth;
mod turn_server;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::allocation::Account;
use crate::datagrams::Gait;
use crate::pair::Mode;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Hearth,
    Coturn,
    TurnServer,
    /// Our own bare forwarder, with a system call for each datagram and way.
    FloorOne,
    /// Our own bare forwarder, with batches, GRO and GSO.
    FloorBatch,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Hearth, Self::Coturn, Self::TurnServer, Self::FloorOne, Self::FloorBatch];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hearth => "hearth",
            Self::Coturn => "coturn",
            Self::TurnServer => "turn-server",
            Self::FloorOne => "floor-one",
            Self::FloorBatch => "floor-batch",
        }
    }

    /// Whether this server can do that at all. turn-server opens no sockets towards peers: it relays among its own clients alone.
    pub fn can(self, mode: Mode) -> bool {
        match (self, mode) {
            (Self::Hearth | Self::Coturn, _) | (Self::FloorOne | Self::FloorBatch, Mode::ClientPeer) => true,
            (Self::TurnServer, Mode::RelayRelay) => true,
            (Self::TurnServer | Self::FloorOne | Self::FloorBatch, _) => false,
        }
    }

    /// Why this server can't be started here, if so.
    pub fn missing(self) -> Option<String> {
        let found = match self {
            Self::FloorOne | Self::FloorBatch => return None,
            Self::Hearth => hearth::found(),
            Self::Coturn => coturn::found(),
            Self::TurnServer => turn_server::found(),
        };
        found.err().map(|error| format!("{error:#}"))
    }
}

/// A server of this run. It is killed when this is dropped.
pub struct Server {
    process: Child,
    pub udp: SocketAddr,
    /// Where TLS clients come, if they may.
    pub tls: Option<SocketAddr>,
    accounts: Accounts,
    _home: TempDir,
}

/// Who may relay.
enum Accounts {
    Nobody,
    One {
        name: String,
        password: String,
    },
    /// A new participant for every client.
    Minted(::hearth::turn::credentials::CredentialIssuer),
}

impl Server {
    /// Starts one with so many threads that relay.
    pub fn start(kind: Kind, threads: usize) -> Result<Self> {
        let server = match kind {
            Kind::Hearth => hearth::start(threads),
            Kind::Coturn => coturn::start(threads),
            Kind::TurnServer => turn_server::start(threads),
            Kind::FloorOne => floor::start(Gait::OneAtATime),
            Kind::FloorBatch => floor::start(Gait::Batches),
        };
        server.with_context(|| format!("{} does not start", kind.name()))
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn account(&self) -> Account {
        match &self.accounts {
            Accounts::Nobody => Account::None,
            Accounts::One { name, password } => Account::Credential { name: name.clone(), password: password.clone() },
            Accounts::Minted(issuer) => hearth::mint(issuer),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a server's own files go.
fn home() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("bench-relay-").tempdir()?)
}

/// Starts a program that says nothing and writes its complaints to `log` in its home.
fn spawn(command: &mut Command, home: &TempDir) -> Result<Child> {
    let log = fs::File::create(home.path().join("log"))?;
    Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
}

/// An address on loopback that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until a server takes connections, or tells what it said when it ended instead.
fn wait_for(process: &mut Child, home: &TempDir, address: SocketAddr) -> Result<()> {
    for _ in 0..1000 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if process.try_wait()?.is_some() {
            bail!("it ended: {}", fs::read_to_string(home.path().join("log"))?);
        }
        thread::sleep(Duration::from_millis(10));
    }
    process.kill()?;
    bail!("nothing listens on {address}: {}", fs::read_to_string(home.path().join("log"))?)
}

/// Whether a program can be run at all.
fn runs(program: &str, argument: &str) -> Result<String> {
    let output = Command::new(program).arg(argument).output().with_context(|| format!("{program} can't be run"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
