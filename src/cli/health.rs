//! `hearth health`: whether the server of this configuration, on this machine, can do its work. For containers that hold no other
//! program to ask with.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Stream};

use crate::interfaces::near;
use crate::tls;

/// How long a connection, and then each step of the conversation, may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of an answer whose first line is all that matters.
const ANSWER_BYTES: u64 = 1024;

/// Why the server can't be called healthy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unhealthy {
    /// Nobody answers there.
    #[error("nothing answers at {address}: {source}; see whether the server runs, and with this configuration")]
    Silent {
        /// Where it was asked.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// It answers, and can't do its work.
    #[error("the server at {address} is not ready, it answers \"{status}\"; its log says why")]
    NotReady {
        /// Where it was asked.
        address: SocketAddr,
        /// The first line of its answer.
        status: String,
    },
    /// There is nowhere to ask.
    #[error("server.listen names no address to ask at")]
    Nowhere,
}

/// Asks at the addresses that the server listens on, until one answers.
///
/// # Errors
/// [`Unhealthy`], as the last of them said it.
pub(super) fn ask(listen: &[SocketAddr]) -> Result<(), Unhealthy> {
    let mut outcome = Err(Unhealthy::Nowhere);
    for address in listen.iter().map(|&address| near(address)) {
        outcome = match status(address) {
            Ok(status) if status.split(' ').nth(1) == Some("200") => return Ok(()),
            Ok(status) => Err(Unhealthy::NotReady { address, status }),
            Err(source) => Err(Unhealthy::Silent { address, source }),
        };
    }
    outcome
}

/// The first line of the answer to `GET /readyz`.
fn status(address: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // No packet leaves this machine, and the certificate is made out to other names than the address that is asked.
    let config = Arc::new(tls::taking_any());
    let mut connection = ClientConnection::new(config, ServerName::from(address.ip())).map_err(io::Error::other)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_port_where_nobody_listens_and_one_that_hangs_up_are_silent() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let rude = std::thread::spawn(move || drop(listener.accept()));
        assert!(matches!(ask(&[address]), Err(Unhealthy::Silent { .. })));
        rude.join().unwrap();
        let error = ask(&[address]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("nothing answers at {address}: ")), "{error}");
        assert!(matches!(ask(&[]), Err(Unhealthy::Nowhere)));
    }
}
