//! Which requests become sockets.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::{Signaling, session};
use crate::wire::SUBPROTOCOL;

/// Largest message and frame, in bytes; larger ones close the socket with 1009.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// How much may wait in the socket's own buffer, beside the bounded outbox. A single message must fit: the longest is a welcome
/// with all the chat that is kept, of which JSON may write each byte as six.
const MAX_WRITE_BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// The version of the protocol that there is (RFC 6455 §4.1).
const VERSION: &str = "13";

/// A socket. What it is made of is in reach, for when it can't be read as messages any more.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The client asked for no subprotocol that this server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Ask for the WebSocket subprotocol hearth.v1.")]
pub struct UnknownSubprotocol;

/// A request to become a socket (RFC 6455 §4.2.1).
#[derive(Debug)]
pub struct Opening {
    key: HeaderValue,
    /// Whether the client speaks [`SUBPROTOCOL`].
    is_understood: bool,
    upgrade: OnUpgrade,
}

impl Opening {
    /// What a request asks for; `None` when it asks for something else.
    pub fn of(mut request: Request) -> Option<Self> {
        let headers = request.headers();
        let asks = request.method() == Method::GET
            && lists(headers, &header::CONNECTION, "upgrade")
            && lists(headers, &header::UPGRADE, "websocket")
            && lists(headers, &header::SEC_WEBSOCKET_VERSION, VERSION);
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks)?.clone();
        let is_understood = lists(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        let upgrade = request.extensions_mut().remove()?;
        Some(Self { key, is_understood, upgrade })
    }

    /// What tells the client that it has a socket.
    fn answer(&self) -> Response {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let accept = HeaderValue::try_from(derive_accept_key(self.key.as_bytes())).expect("base64 may stand in a header");
        for (name, value) in [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
            (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
        ] {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

/// Whether a header, which may be there several times, has this among its values.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
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
        let (context, answer) = (self.context.clone(), opening.answer());
        // Tracked, so that stopping waits for the socket's last words.
        self.context.tasks.spawn(async move {
            // A client that is gone before it has its answer gets no socket.
            let Ok(upgraded) = opening.upgrade.await else { return };
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
            session::run(socket, context, authority, client, seatless).await;
            drop(place);
        });
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn values_are_found_wherever_they_stand_and_only_whole() {
        let connection = &header::CONNECTION;
        for values in [&["Upgrade"][..], &["keep-alive, Upgrade"], &["keep-alive", " upgrade"], &["UPGRADE,x"]] {
            assert!(lists(&headers(connection, values), connection, "upgrade"), "{values:?}");
        }
        for values in [&[][..], &["keep-alive"], &["upgraded"], &["no upgrade"]] {
            assert!(!lists(&headers(connection, values), connection, "upgrade"), "{values:?}");
        }
    }

    #[test]
    fn a_request_that_can_not_be_upgraded_is_none() {
        let mut request = Request::new(Body::empty());
        for (name, value) in
            [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "x")]
        {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        assert!(Opening::of(request).is_none());
    }
}
