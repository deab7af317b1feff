//! What browsers send as `make fuzz` and the tests see it: any bytes go in, and what must hold of whatever comes out is asserted.
//! Built for those two and not into the program.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::translate::{self, Request, Told};
use crate::ids::ParticipantId;
use crate::meeting::{Command, Event, Signal};
use crate::wire::auth::{LoginRequest, RegisterRequest, SetupRequest};
use crate::wire::meetings::{CreateMeetingRequest, EndMeetingRequest, JoinRequest};
use crate::wire::signaling::{ClientMessage, ServerMessage};

/// What is read is written as it would be read again, keeps to its bounds, and goes on to others as a message of the protocol.
pub fn wire(bytes: &[u8]) {
    reads_again::<SetupRequest>(bytes);
    reads_again::<RegisterRequest>(bytes);
    reads_again::<LoginRequest>(bytes);
    reads_again::<CreateMeetingRequest>(bytes);
    reads_again::<EndMeetingRequest>(bytes);
    reads_again::<JoinRequest>(bytes);
    let Some(message) = reads_again::<ClientMessage>(bytes) else { return };
    let Ok(Request::Command(command)) = translate::request(message) else { return };
    let from = ParticipantId::from_bytes([7; 10]);
    match command {
        Command::Signal { signal, .. } => passes_on(from, signal),
        Command::Chat { id, text, .. } => {
            assert!((1..=36).contains(&id.len()) && id.is_ascii());
            assert!((1..=4_000).contains(&text.chars().count()));
        }
        Command::SetMedia(_) | Command::Present | Command::Leave => {}
    }
}

/// Whether somebody's sdp or candidate could have been sent by the server.
fn passes_on(from: ParticipantId, signal: Signal) {
    let Told::Message(message) = translate::told(Event::Signal { from, signal }) else { unreachable!("it is no welcome") };
    let text = serde_json::to_string(&message).expect("the wire's types have text keys and no failing serializer");
    let longest = 6 * 48 * 1024 + 200;
    assert!(text.len() <= longest, "{} bytes", text.len());
    assert_eq!(serde_json::from_str::<ServerMessage>(&text).expect("the server's messages can be read"), message);
}

fn reads_again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_string(&read).expect("the wire's types have text keys and no failing serializer");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).expect("it was written before"), written);
    Some(read)
}

#[cfg(test)]
#[expect(clippy::duplicate_mod, reason = "the corpus is read here and in `turn`, which know nothing of each other")]
#[path = "../../tests/fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    #[test]
    fn what_the_fuzzer_kept_of_the_wire_is_read_as_before() {
        super::corpus::replay("wire", super::wire);
    }
}
