//! Between the wire's messages and the meeting core's, field by field: what goes out is always made anew from types.

use crate::hub::ConnectionOutcome;
use crate::ids::ParticipantId;
use crate::meeting::{self, Command, Event, Signal, Welcome};
use crate::wire::error::ErrorDetail;
use crate::wire::meetings::MeetingSettings;
use crate::wire::signaling::{
    Candidate, ChatMessage, ClientMessage, ConnectionState, EndReason, LeaveReason, MediaState, Participant, ParticipantRole,
    ServerMessage,
};

/// Longest session description, in bytes.
const MAX_SDP_BYTES: usize = 48 * 1024;
/// Longest candidate, in bytes.
const MAX_CANDIDATE_BYTES: usize = 2 * 1024;
/// Longest line of chat, in characters.
const MAX_CHAT_CHARS: usize = 4_000;
/// Longest id of a line of chat, in bytes.
const MAX_CHAT_ID_BYTES: usize = 36;

/// What a client's message asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Something for the room.
    Command(Command),
    /// How a connection to somebody turned out, for the figures.
    Outcome(ParticipantId, ConnectionOutcome),
    /// A sign of life that wants one back.
    Ping,
}

/// Why a message can't be obeyed: its code and sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMessage {
    #[error("You have taken your seat already. Open another connection to take another one.")]
    AlreadySeated,
    #[error("This session description is too long to be one.")]
    SdpTooLong,
    #[error("This ICE candidate is too long to be one.")]
    CandidateTooLong,
    #[error("The message is empty.")]
    ChatEmpty,
    #[error("The message is too long. Send it in parts of at most 4,000 characters.")]
    ChatTooLong,
    #[error("A message needs an id of 1 to 36 letters, digits or hyphens.")]
    ChatId,
}

impl BadMessage {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::AlreadySeated => "already_seated",
            Self::SdpTooLong => "sdp_too_long",
            Self::CandidateTooLong => "candidate_too_long",
            Self::ChatEmpty => "chat_empty",
            Self::ChatTooLong => "chat_too_long",
            Self::ChatId => "invalid_chat_id",
        }
    }
}

/// Reads what somebody in a seat says.
///
/// # Errors
/// When the message is of the right form but out of bounds.
pub(super) fn request(message: ClientMessage) -> Result<Request, BadMessage> {
    let command = match message {
        ClientMessage::Join { .. } | ClientMessage::Resume { .. } => return Err(BadMessage::AlreadySeated),
        ClientMessage::Offer { to, sdp } => signal(to, Signal::Offer(checked_sdp(sdp)?)),
        ClientMessage::Answer { to, sdp } => signal(to, Signal::Answer(checked_sdp(sdp)?)),
        ClientMessage::Candidate { to, candidate } => signal(to, Signal::Candidate(checked_candidate(candidate)?)),
        ClientMessage::Media { media } => Command::SetMedia(media_in(media)),
        ClientMessage::Chat { id, to, text } => chat(id, to, text)?,
        ClientMessage::Connection { to, state } => return Ok(Request::Outcome(to, outcome(state))),
        ClientMessage::Ping {} => return Ok(Request::Ping),
        ClientMessage::Leave {} => Command::Leave,
    };
    Ok(Request::Command(command))
}

const fn outcome(state: ConnectionState) -> ConnectionOutcome {
    match state {
        ConnectionState::Connected => ConnectionOutcome::Connected,
        ConnectionState::Failed => ConnectionOutcome::Failed,
    }
}

fn signal(to: ParticipantId, signal: Signal) -> Command {
    Command::Signal { to, signal }
}

fn checked_sdp(sdp: String) -> Result<String, BadMessage> {
    if sdp.len() > MAX_SDP_BYTES { Err(BadMessage::SdpTooLong) } else { Ok(sdp) }
}

fn checked_candidate(candidate: Candidate) -> Result<meeting::Candidate, BadMessage> {
    let Candidate { candidate, sdp_mid, sdp_m_line_index, username_fragment } = candidate;
    let length = candidate.len() + sdp_mid.as_ref().map_or(0, String::len) + username_fragment.as_ref().map_or(0, String::len);
    if length > MAX_CANDIDATE_BYTES {
        return Err(BadMessage::CandidateTooLong);
    }
    Ok(meeting::Candidate { candidate, sdp_mid, sdp_m_line_index, username_fragment })
}

fn chat(id: String, to: Option<ParticipantId>, text: String) -> Result<Command, BadMessage> {
    let id_is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if id.is_empty() || id.len() > MAX_CHAT_ID_BYTES || !id_is_plain {
        return Err(BadMessage::ChatId);
    }
    if text.trim().is_empty() {
        return Err(BadMessage::ChatEmpty);
    }
    if text.chars().count() > MAX_CHAT_CHARS {
        return Err(BadMessage::ChatTooLong);
    }
    Ok(Command::Chat { id, to, text })
}

/// Media as the core has it.
pub(super) const fn media_in(media: MediaState) -> meeting::MediaState {
    let MediaState { audio, video, screen } = media;
    meeting::MediaState { audio, video, screen }
}

const fn media_out(media: meeting::MediaState) -> MediaState {
    let meeting::MediaState { audio, video, screen } = media;
    MediaState { audio, video, screen }
}

/// What a connection is told.
#[derive(Debug)]
pub(super) enum Told {
    /// The welcome, which takes more than the event to write.
    Welcome(Box<Welcome>),
    /// Anything else.
    Message(ServerMessage),
}

/// How `event` is told.
pub(super) fn told(event: Event) -> Told {
    Told::Message(match event {
        Event::Welcome(welcome) => return Told::Welcome(welcome),
        Event::Joined(who) => ServerMessage::ParticipantJoined { participant: participant(who) },
        Event::Disconnected(participant_id) => ServerMessage::ParticipantDisconnected { participant_id },
        Event::Returned(who) => ServerMessage::ParticipantReturned { participant: participant(who) },
        Event::Left(participant_id, reason) => ServerMessage::ParticipantLeft { participant_id, reason: leave_reason(reason) },
        Event::Signal { from, signal: Signal::Offer(sdp) } => ServerMessage::Offer { from, sdp },
        Event::Signal { from, signal: Signal::Answer(sdp) } => ServerMessage::Answer { from, sdp },
        Event::Signal { from, signal: Signal::Candidate(found) } => {
            let meeting::Candidate { candidate, sdp_mid, sdp_m_line_index, username_fragment } = found;
            ServerMessage::Candidate { from, candidate: Candidate { candidate, sdp_mid, sdp_m_line_index, username_fragment } }
        }
        Event::Media(participant_id, media) => ServerMessage::MediaChanged { participant_id, media: media_out(media) },
        Event::Chat(line) => ServerMessage::Chat { message: chat_message(line) },
        Event::Ended(reason) => ServerMessage::MeetingEnded { reason: end_reason(reason) },
    })
}

/// Somebody, as the wire has it.
pub fn participant(who: meeting::Participant) -> Participant {
    let role = match who.profile.role {
        meeting::Role::Host => ParticipantRole::Host,
        meeting::Role::Participant => ParticipantRole::Participant,
    };
    Participant {
        id: who.id,
        guest: who.profile.user.is_none(),
        name: who.profile.name,
        role,
        connected: who.connected,
        media: media_out(who.media),
    }
}

/// A line of chat, as the wire has it.
pub(super) fn chat_message(line: meeting::ChatMessage) -> ChatMessage {
    let meeting::ChatMessage { id, from, from_name, to, text, sent_at } = line;
    ChatMessage { id, from, from_name, to, text, sent_at }
}

/// Settings, as the wire has them.
pub fn settings(settings: &meeting::Settings) -> MeetingSettings {
    MeetingSettings {
        max_participants: settings.max_participants,
        is_recording_enabled: settings.recording_enabled,
        is_chat_enabled: settings.chat_enabled,
        is_screen_share_enabled: settings.screen_share_enabled,
        require_approval: settings.require_approval,
        allowed_domains: settings.allowed_domains.clone(),
        guests_allowed: settings.guests_allowed,
    }
}

const fn leave_reason(reason: meeting::LeaveReason) -> LeaveReason {
    match reason {
        meeting::LeaveReason::Left => LeaveReason::Left,
        meeting::LeaveReason::TimedOut => LeaveReason::TimedOut,
    }
}

const fn end_reason(reason: meeting::EndReason) -> EndReason {
    match reason {
        meeting::EndReason::EndedByHost => EndReason::EndedByHost,
        meeting::EndReason::Deleted => EndReason::Deleted,
    }
}

/// An error with this code and sentence.
pub(super) fn error(code: &str, message: impl ToString) -> ErrorDetail {
    ErrorDetail { code: code.to_owned(), message: message.to_string(), field: None, retry_after_seconds: None, problems: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ParticipantId {
        ParticipantId::from_bytes([7; 10])
    }

    #[test]
    fn w13_descriptions_and_candidates_out_of_bounds_are_refused() {
        let offer = ClientMessage::Offer { to: id(), sdp: "x".repeat(MAX_SDP_BYTES + 1) };
        assert_eq!(request(offer), Err(BadMessage::SdpTooLong));
        let candidate = Candidate {
            candidate: "x".repeat(MAX_CANDIDATE_BYTES),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: None,
            username_fragment: None,
        };
        assert_eq!(request(ClientMessage::Candidate { to: id(), candidate }), Err(BadMessage::CandidateTooLong));
    }

    #[test]
    fn chat_counts_characters_and_wants_a_plain_id() {
        let chat = |id: &str, text: String| request(ClientMessage::Chat { id: id.into(), to: None, text });
        assert!(chat("a-1", "ü".repeat(MAX_CHAT_CHARS)).is_ok());
        assert_eq!(chat("a-1", "ü".repeat(MAX_CHAT_CHARS + 1)), Err(BadMessage::ChatTooLong));
        assert_eq!(chat("a-1", " \n".into()), Err(BadMessage::ChatEmpty));
        for bad in ["", "a b", "ä", &"x".repeat(37)] {
            assert_eq!(chat(bad, "hello".into()), Err(BadMessage::ChatId), "{bad:?}");
        }
    }

    #[test]
    fn a_seat_is_taken_once_per_connection() {
        let join = ClientMessage::Join { ticket: "t".into(), media: MediaState::default() };
        assert_eq!(request(join), Err(BadMessage::AlreadySeated));
    }
}
