//! The command's side. Blocking.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Address, MAX_LINE, Reply, Request};

/// How long the server may say nothing: a backup of a large store takes a while.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was answered.
pub enum Told {
    /// These words.
    Words(Reply),
    /// A backup.
    Backup {
        /// Its length.
        bytes: u64,
        /// Its bytes; it ends early when the server went away.
        stream: Box<dyn Read>,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody serves this data directory, or does so without a control socket.
    #[error("no running Hearth answers in this data directory; if one was started just now, try again in a moment")]
    Nobody,
    /// The server said no.
    #[error("the running Hearth refused: {0}")]
    Refused(String),
    /// The connection broke.
    #[error("the running Hearth did not answer as expected ({0}); look into its log")]
    Io(#[from] io::Error),
}

/// Asks the server that uses a data directory.
///
/// # Errors
/// See [`AskError`].
pub fn ask(data_dir: &Path, request: Request) -> Result<Told, AskError> {
    let mut stream = connect(data_dir)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request).expect("a request is words, which JSON can always write");
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reader = BufReader::new(stream);
    let mut answer = String::new();
    (&mut reader).take(MAX_LINE).read_line(&mut answer)?;
    match serde_json::from_str(&answer).map_err(io::Error::from)? {
        Reply::Refused { message } => Err(AskError::Refused(message)),
        Reply::Backup { bytes } => Ok(Told::Backup { bytes, stream: Box::new(reader.take(bytes)) }),
        reply @ (Reply::Version { .. } | Reply::SetupLink { .. }) => Ok(Told::Words(reply)),
    }
}

fn connect(data_dir: &Path) -> Result<UnixStream, AskError> {
    let nobody = |error: io::Error| {
        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
            AskError::Nobody
        } else {
            AskError::Io(error)
        }
    };
    let address = Address::of(data_dir).map_err(nobody)?;
    UnixStream::connect(&address.path).map_err(nobody)
}
