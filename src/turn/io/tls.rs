//! TLS between a client's stream and its messages (RFC 8656 §3.1), without a socket: records come in and go out as bytes.

use std::collections::VecDeque;
use std::io::{self, BufRead, IoSlice, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

/// One client's TLS, which may still be shaking hands. It holds nothing that waits to be sent.
pub(super) struct Session(Box<ServerConnection>);

impl Session {
    /// For a client that has said nothing yet.
    pub(super) fn begin(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        ServerConnection::new(config).map(Self::take_over)
    }

    /// For a client that somebody else has shaken hands with. What it said since then may lie inside and is not lost.
    pub(super) fn take_over(mut connection: ServerConnection) -> Self {
        // All that is sealed leaves at once, for where what waits is counted.
        connection.set_buffer_limit(None);
        Self(Box::new(connection))
    }

    /// Whether the handshake is not over yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Adds to `out` what carries `parts`, one behind the other: a single record, where they fit into one.
    pub(super) fn seal(&mut self, parts: &[&[u8]], out: &mut VecDeque<u8>) -> io::Result<()> {
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let taken = self.0.writer().write_vectored(&slices)?;
        if taken < parts.iter().map(|part| part.len()).sum() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.hand_out(out)
    }

    /// Takes the next bytes of the stream. Adds to `plain` what they say, and to `out` what TLS itself has to answer; both also
    /// when it fails.
    ///
    /// # Errors
    /// When the client has said goodbye, or something that is not TLS.
    pub(super) fn open(&mut self, sealed: &[u8], plain: &mut Vec<u8>, out: &mut VecDeque<u8>) -> io::Result<()> {
        self.hand_in(plain);
        let opened = self.read(sealed, plain);
        self.hand_out(out)?;
        opened
    }

    fn read(&mut self, mut sealed: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
        while !sealed.is_empty() {
            // It takes some, and more only after the plain text of that was taken out.
            self.0.read_tls(&mut sealed)?;
            let state = self.0.process_new_packets();
            self.hand_in(plain);
            if state.map_err(io::Error::other)?.peer_has_closed() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn hand_in(&mut self, plain: &mut Vec<u8>) {
        let mut reader = self.0.reader();
        while let Ok(chunk @ [_, ..]) = reader.fill_buf() {
            plain.extend_from_slice(chunk);
            let length = chunk.len();
            reader.consume(length);
        }
    }

    fn hand_out(&mut self, out: &mut VecDeque<u8>) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// A server and a client that trusts it, before their handshake.
    fn strangers() -> (ServerConnection, ClientConnection) {
        let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
        let (certificate, key) = (made.cert.der().clone(), PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()));
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        (ServerConnection::new(Arc::new(server)).unwrap(), ClientConnection::new(Arc::new(client), name).unwrap())
    }

    /// What the client has to send.
    fn sealed(client: &mut ClientConnection) -> Vec<u8> {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// What the client is told.
    fn told(client: &mut ClientConnection, out: &mut VecDeque<u8>) -> Vec<u8> {
        let mut plain = Vec::new();
        while !out.is_empty() {
            client.read_tls(out).unwrap();
            client.process_new_packets().unwrap();
            while let Ok(chunk @ [_, ..]) = client.reader().into_first_chunk() {
                plain.extend_from_slice(chunk);
                let length = chunk.len();
                client.reader().consume(length);
            }
        }
        plain
    }

    fn acquainted() -> (Session, ClientConnection) {
        let (server, mut client) = strangers();
        let mut session = Session::take_over(server);
        let (mut plain, mut out) = (Vec::new(), VecDeque::new());
        while session.is_handshaking() || client.is_handshaking() {
            // Byte by byte, as a slow network may deliver it.
            for byte in sealed(&mut client) {
                session.open(&[byte], &mut plain, &mut out).unwrap();
            }
            told(&mut client, &mut out);
        }
        assert!(plain.is_empty());
        (session, client)
    }

    #[test]
    fn the_parts_of_a_frame_travel_in_one_record() {
        let (mut session, mut client) = acquainted();
        let mut out = VecDeque::new();
        session.seal(&[&[0x40, 0, 0, 5], b"hello", &[0; 3]], &mut out).unwrap();
        assert_eq!(usize::from(u16::from_be_bytes([out[3], out[4]])), out.len() - 5, "more than one record");
        session.seal(&[b"and a message"], &mut out).unwrap();
        assert_eq!(told(&mut client, &mut out), b"\x40\0\0\x05hello\0\0\0and a message");
    }

    #[test]
    fn the_longest_frame_leaves_at_once() {
        let (mut session, mut client) = acquainted();
        let (long, mut out) = (vec![7; 65_531], VecDeque::new());
        session.seal(&[&[0x40, 0, 0xFF, 0xFB], &long, &[0]], &mut out).unwrap();
        assert_eq!(told(&mut client, &mut out).len(), 65_536);
    }

    #[test]
    fn all_that_a_client_says_comes_out_however_much_comes_at_once() {
        let (mut session, mut client) = acquainted();
        let said: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        client.set_buffer_limit(None);
        client.writer().write_all(&said).unwrap();
        let (mut plain, mut out) = (Vec::new(), VecDeque::new());
        for piece in sealed(&mut client).chunks(16_384) {
            session.open(piece, &mut plain, &mut out).unwrap();
        }
        assert!(plain == said && out.is_empty());
    }

    #[test]
    fn what_was_said_before_it_was_taken_over_is_not_lost() {
        let (mut server, mut client) = strangers();
        let mut answers = Vec::new();
        while server.is_handshaking() || client.is_handshaking() {
            server.read_tls(&mut sealed(&mut client).as_slice()).unwrap();
            server.process_new_packets().unwrap();
            while server.wants_write() {
                server.write_tls(&mut answers).unwrap();
            }
            told(&mut client, &mut answers.drain(..).collect());
        }
        client.writer().write_all(b"early").unwrap();
        server.read_tls(&mut sealed(&mut client).as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let (mut session, mut plain) = (Session::take_over(server), Vec::new());
        session.open(&[], &mut plain, &mut VecDeque::new()).unwrap();
        assert_eq!(plain, b"early");
    }

    #[test]
    fn what_stands_before_a_damaged_record_is_still_heard_and_the_client_is_told() {
        let (mut session, mut client) = acquainted();
        client.writer().write_all(b"well").unwrap();
        let mut bytes = sealed(&mut client);
        client.writer().write_all(b"damaged").unwrap();
        let mut damaged = sealed(&mut client);
        damaged[8] ^= 1;
        bytes.extend(damaged);
        let (mut plain, mut out) = (Vec::new(), VecDeque::new());
        assert!(session.open(&bytes, &mut plain, &mut out).is_err());
        assert_eq!(plain, b"well");
        assert!(!out.is_empty(), "no alert");
    }
}
