//! A client's connection by TCP or TLS, which never waits.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use anyhow::Result;
use hearth::tls::taking_any;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use socket2::{Domain, Socket, Type};

/// No more is written while this much waits for the socket to take it.
const BACKLOG_BYTES: usize = 64 * 1024;

pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

impl Stream {
    /// Connects from `source`, so that not all clients are one address to the server.
    pub fn tcp(server: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&server.into())?;
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, tls: None, outbox: Vec::new(), inbox: Vec::new() })
    }

    pub fn tls(server: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        let mut stream = Self::tcp(server, source)?;
        // The servers make their certificates for this run, on loopback.
        let connection = ClientConnection::new(Arc::new(taking_any()), ServerName::from(server.ip()))?;
        stream.tls = Some(Box::new(connection));
        stream.flush()?;
        Ok(stream)
    }

    /// Sends whole frames, or nothing when too much waits already.
    pub fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        let backlog = self.outbox.len();
        if backlog > BACKLOG_BYTES {
            self.flush()?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match &mut self.tls {
            None => self.outbox.extend_from_slice(frames),
            Some(tls) => tls.writer().write_all(frames)?,
        }
        self.flush()
    }

    /// Hands over every frame that has come whole.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let read = self.read();
        // Answers of the handshake, and what had to wait.
        self.flush()?;
        let mut rest = self.inbox.as_slice();
        while let Some(length) = frame_length(rest).filter(|&length| length <= rest.len()) {
            each(&rest[..length]);
            rest = &rest[length..];
        }
        let used = self.inbox.len() - rest.len();
        self.inbox.drain(..used);
        read
    }

    fn read(&mut self) -> io::Result<()> {
        let mut room = [0; 16_384];
        let Some(tls) = &mut self.tls else {
            let length = self.socket.read(&mut room)?;
            self.inbox.extend_from_slice(&room[..length]);
            return if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        };
        if tls.read_tls(&mut self.socket)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        tls.process_new_packets().map_err(io::Error::other)?;
        loop {
            match tls.reader().read(&mut room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.inbox.extend_from_slice(&room[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && self.outbox.len() < 4 * BACKLOG_BYTES {
                tls.write_tls(&mut self.outbox)?;
            }
        }
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(length) => drop(self.outbox.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How long the frame at the beginning of `bytes` is with its padding, once its header is there (RFC 8656 §12.5).
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let &[first, _, high, low] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    Some(if first & 0xC0 == 0 { 20 + length } else { (4 + length).next_multiple_of(4) })
}
