//! Another protocol than HTTP that clients may speak on the same port, for networks that let nothing else through.

use rustls::ServerConnection;
use tokio::net::TcpStream;

/// Who serves the clients of another protocol.
pub trait Neighbour: Send + Sync {
    /// What the protocol is called when TLS is agreed on (RFC 7301).
    fn alpn(&self) -> &[u8];

    /// Whether a client that named no protocol, or HTTP's, and then began with this byte is one of its own.
    fn knows(&self, first: u8) -> bool;

    /// Takes a connection over. What the client said since the handshake lies in `connection`.
    fn take_over(&self, socket: TcpStream, connection: ServerConnection);
}
