//! How commands of the same machine ask a running server: through a socket in its data directory, for its own user and root alone.
//!
//! A question is one line of JSON ([`Request`]), an answer one line of JSON ([`Reply`]), after which the bytes of a backup follow
//! where one was asked for. Each connection carries one question.

mod client;
mod server;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

pub use client::{AskError, Told, ask};
pub use server::{Answerer, BoxedAnswer, ControlSocket, Given};

/// The socket's name inside the data directory.
const SOCKET: &str = "control.sock";
/// The longest line that either side reads, in bytes.
const MAX_LINE: u64 = 16 * 1024;
/// The longest path that a socket's address takes on every system, in bytes.
const MAX_ADDRESS: usize = 100;

/// What one can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "camelCase")]
pub enum Request {
    /// Which Hearth it is.
    Version,
    /// For a backup.
    Backup,
    /// For a new link that makes the first admin.
    SetupLink,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "camelCase")]
pub enum Reply {
    /// Which Hearth it is.
    Version {
        /// Its version.
        version: String,
        /// The version of the data that it keeps.
        schema: u32,
    },
    /// A link that makes the first admin, once; links from before are void.
    SetupLink {
        /// The same link under each address that this machine may be reached at, likely ones first.
        links: Vec<String>,
    },
    /// A backup follows.
    Backup {
        /// So many bytes of it.
        bytes: u64,
    },
    /// It can't be done.
    Refused {
        /// Why, as a sentence.
        message: String,
    },
}

/// Whether a server holds a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// One does, be it one that answers or one that hangs.
    Held,
    /// None does.
    Free,
    /// This user may not look.
    Hidden,
}

/// Whether a server holds this data directory.
pub async fn hold(data_dir: &Path) -> Hold {
    let connected = match Address::of(data_dir) {
        Ok(address) => UnixStream::connect(&address.path).await.map(drop),
        Err(error) => Err(error),
    };
    match connected.map_err(|error| error.kind()) {
        // The system takes the connection, whatever the server does; a socket that was left behind refuses it. Or so many wait that it
        // takes no more.
        Ok(()) | Err(io::ErrorKind::WouldBlock) => Hold::Held,
        Err(io::ErrorKind::PermissionDenied) => Hold::Hidden,
        Err(_) => Hold::Free,
    }
}

/// Where the socket is reached. An address is short; a long path is reached through its directory, which is open as long as this lives.
struct Address {
    path: PathBuf,
    _directory: Option<File>,
}

impl Address {
    fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET);
        if path.as_os_str().len() <= MAX_ADDRESS {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(data_dir)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&directory);
        Ok(Self { path: PathBuf::from(format!("/proc/self/fd/{number}/{SOCKET}")), _directory: Some(directory) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_written_as_documented() {
        let json = |reply: &Reply| serde_json::to_string(reply).unwrap();
        assert_eq!(serde_json::to_string(&Request::Backup).unwrap(), r#"{"request":"backup"}"#);
        let version = Reply::Version { version: String::from("0.1.0"), schema: 1 };
        assert_eq!(json(&version), r#"{"reply":"version","version":"0.1.0","schema":1}"#);
        assert_eq!(json(&Reply::Backup { bytes: 9 }), r#"{"reply":"backup","bytes":9}"#);
        assert!(serde_json::from_str::<Request>(r#"{"request":"shutdown"}"#).is_err());
    }
}
