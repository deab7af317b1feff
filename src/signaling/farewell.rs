//! The end of a socket: the close frame, and time to hear it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::session::Closing;
use super::upgrade::Socket;

/// A socket that doesn't take the last words for so long doesn't get them: stopping waits for every socket.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// How long a closed socket may take to say goodbye.
const LINGER: Duration = Duration::from_secs(1);
/// How much of what can't be read as messages is taken meanwhile.
const MAX_REST_BYTES: u64 = 1024 * 1024;

/// Closes a socket, and drops it when the client has said goodbye too, or has had the time for it.
pub(super) async fn say(mut socket: Socket, closing: Closing) {
    let frame = CloseFrame { code: closing.code().into(), reason: "".into() };
    // Whoever doesn't take even this within the deadline is simply dropped.
    let _ = timeout(DEADLINE, socket.send(Message::Close(Some(frame)))).await;
    // Closing with data unread would make the system reset the connection, and the frame might never be seen.
    let _ = timeout(LINGER, async {
        if closing.ends_reading() {
            // A client that only waits for the connection to end, as it should (RFC 6455 §7.1.1), has the whole time.
            let (mut rest, mut buffer) = (socket.get_mut().take(MAX_REST_BYTES), [0; 4096]);
            while rest.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
        } else {
            while let Some(Ok(_)) = socket.next().await {}
        }
    })
    .await;
}
