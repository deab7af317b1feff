//! Which requests become sockets.

use std::net::IpAddr;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;

use super::{Signaling, session};
use crate::wire::SUBPROTOCOL;

/// Largest message and frame, in bytes; larger ones close the socket with 1009.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// How much may wait in the socket's own buffer, beside the bounded outbox. A single message must fit: the longest is a welcome
/// with all the chat that is kept, of which JSON may write each byte as six.
const MAX_WRITE_BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// The client asked for no subprotocol that this server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Ask for the WebSocket subprotocol hearth.v1.")]
pub struct UnknownSubprotocol;

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
        request: WebSocketUpgrade,
        authority: String,
        client: IpAddr,
        place: impl Send + 'static,
        seatless: impl Send + 'static,
    ) -> Result<Response, UnknownSubprotocol> {
        let request = request
            .protocols([SUBPROTOCOL])
            .max_message_size(MAX_MESSAGE_BYTES)
            .max_frame_size(MAX_MESSAGE_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES);
        if request.selected_protocol().is_none() {
            return Err(UnknownSubprotocol);
        }
        let context = self.context.clone();
        Ok(request.on_upgrade(async move |socket| {
            let tasks = context.tasks.clone();
            // Tracked, so that stopping waits for the socket's last words.
            tasks.spawn(async move {
                session::run(socket, context, authority, client, seatless).await;
                drop(place);
            });
        }))
    }
}
