//! Which requests become sockets.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tungstenite::handshake::server::create_response_with_body;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::{Signaling, session};
use crate::wire::SUBPROTOCOL;

/// Largest message and frame, in bytes; larger ones close the socket with 1009.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// How much may wait in the socket's own buffer, beside the bounded outbox. A single message must fit: the longest is a welcome
/// with all the chat that is kept, of which JSON may write each byte as six.
const MAX_WRITE_BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// A socket. What it is made of is in reach, for when it can't be read as messages any more.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The client asked for no subprotocol that this server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Ask for the WebSocket subprotocol hearth.v1.")]
pub struct UnknownSubprotocol;

/// A request to become a socket (RFC 6455 §4.2.1).
#[derive(Debug)]
pub struct Opening {
    /// Whether the client speaks [`SUBPROTOCOL`].
    is_understood: bool,
    /// What tells the client that it has a socket.
    answer: Response,
    upgrade: OnUpgrade,
}

impl Opening {
    /// What a request asks for; `None` when it asks for something else.
    pub fn of(mut request: Request) -> Option<Self> {
        let mut answer = create_response_with_body(&request, Body::empty).ok()?;
        let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let is_ours = |offer: &[u8]| offer.trim_ascii() == SUBPROTOCOL.as_bytes();
        let is_understood = offers.iter().any(|offers| offers.as_bytes().split(|byte| *byte == b',').any(is_ours));
        answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        // Not there where the protocol below has no such thing, as HTTP/2.
        let upgrade = request.extensions_mut().remove()?;
        Some(Self { is_understood, answer, upgrade })
    }
}

impl Signaling {
    /// Turns a request into a socket. The caller has checked its origin.
    ///
    /// `authority` is the name or address, with its port, under which the browser reached this server; its relay is named to it by
    /// the same. `place` is held until the socket is closed, `seatless` until it has taken a seat.
    ///
    /// # Errors
    /// When the client doesn't speak `hearth.v1`.
    pub fn upgrade(
        &self,
        opening: Opening,
        authority: String,
        client: IpAddr,
        place: impl Send + 'static,
        seatless: impl Send + 'static,
    ) -> Result<Response, UnknownSubprotocol> {
        if !opening.is_understood {
            return Err(UnknownSubprotocol);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES))
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES);
        let (context, Opening { answer, upgrade, .. }) = (self.context.clone(), opening);
        // Tracked, so that stopping waits for the socket's last words.
        self.context.tasks.spawn(async move {
            // A client that is gone before it has its answer gets no socket.
            let Ok(upgraded) = upgrade.await else { return };
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
            session::run(socket, context, authority, client, seatless).await;
            drop(place);
        });
        Ok(answer)
    }
}
