//! What goes into a room and what comes out of it.

use std::fmt;

use crate::clock::Timestamp;
use crate::ids::{ConnectionId, ParticipantId, UserId};

/// What somebody may do in a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Whose meeting it is.
    Host,
    /// Everybody else.
    Participant,
}

/// Who takes a seat. Established by the server before the room hears of it; nothing in it is the client's word alone but the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name to show.
    pub name: String,
    /// The account, if there is one.
    pub user: Option<UserId>,
    /// What this person may do.
    pub role: Role,
}

/// What a person sends at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaState {
    /// The microphone is on.
    pub audio: bool,
    /// The camera is on.
    pub video: bool,
    /// A screen is being shared.
    pub screen: bool,
}

/// Something that happened to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Hold a seat for somebody who was let in and whose socket is yet to come.
    Reserve {
        /// The seat.
        participant: ParticipantId,
        /// Who will take it.
        profile: Profile,
    },
    /// A socket takes a seat.
    Enter {
        /// The socket.
        connection: ConnectionId,
        /// The seat.
        participant: ParticipantId,
        /// Who takes it; used when the room doesn't know the seat (any more).
        profile: Profile,
        /// What is switched on.
        media: MediaState,
        /// By which right.
        pass: Pass,
    },
    /// A socket is gone, whatever the cause.
    Disconnect {
        /// The socket.
        connection: ConnectionId,
    },
    /// Somebody in a seat wants something.
    Command {
        /// The socket that said so.
        connection: ConnectionId,
        /// What is wanted.
        command: Command,
    },
    /// The meeting is over for everybody.
    End {
        /// Why.
        reason: EndReason,
    },
}

/// The right by which a socket takes a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// A join ticket: used up with the first command that follows it.
    Ticket,
    /// A resume token: good until the seat is given up.
    Resume,
}

/// What somebody in a seat can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pass something on to one peer.
    Signal {
        /// For whom.
        to: ParticipantId,
        /// What.
        signal: Signal,
    },
    /// Microphone, camera or screen was switched.
    SetMedia(MediaState),
    /// A line of chat.
    Chat {
        /// Chosen by the sender, to recognise a repetition.
        id: String,
        /// Nobody in particular, or one peer.
        to: Option<ParticipantId>,
        /// The text.
        text: String,
    },
    /// Nothing but a sign that the client is there and has read its welcome.
    Present,
    /// Give up the seat.
    Leave,
}

/// Negotiation between two peers (RFC 8829). The room passes it on and does not look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A session description that offers.
    Offer(String),
    /// A session description that answers.
    Answer(String),
    /// An ICE candidate.
    Candidate(Candidate),
}

/// An ICE candidate as `RTCIceCandidateInit` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The candidate line.
    pub candidate: String,
    /// The media section, by name.
    pub sdp_mid: Option<String>,
    /// The media section, by position.
    pub sdp_m_line_index: Option<u16>,
    /// The ICE generation.
    pub username_fragment: Option<String>,
}

/// Somebody in a room, as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The seat.
    pub id: ParticipantId,
    /// Who.
    pub profile: Profile,
    /// False while the seat waits for its person to come back.
    pub connected: bool,
    /// What this person sends.
    pub media: MediaState,
}

/// A line of chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Chosen by the sender; with `from` it is unique in the room.
    pub id: String,
    /// Who wrote it.
    pub from: ParticipantId,
    /// The writer's name.
    pub from_name: String,
    /// Everybody, or one peer.
    pub to: Option<ParticipantId>,
    /// The text.
    pub text: String,
    /// When the room took it.
    pub sent_at: Timestamp,
}

/// What somebody who takes a seat is told: everything, so that it replaces what was known before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The seat.
    pub participant: ParticipantId,
    /// True when it was this person's before.
    pub resumed: bool,
    /// When the first person entered.
    pub started_at: Timestamp,
    /// Everybody with a seat that has been taken, the newcomer included, in the order of coming.
    pub participants: Vec<Participant>,
    /// For how long, in milliseconds, seats from before a restart may still be taken back. Zero when the list is complete.
    pub settles_in_ms: u32,
    /// The chat so far, as far as it is meant for this person.
    pub chat: Vec<ChatMessage>,
}

/// Something that one connection is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The seat is taken.
    Welcome(Box<Welcome>),
    /// Somebody new took a seat.
    Joined(Participant),
    /// Somebody's socket is gone; the seat is kept.
    Disconnected(ParticipantId),
    /// Somebody took the seat back.
    Returned(Participant),
    /// A seat was given up or lost.
    Left(ParticipantId, LeaveReason),
    /// Negotiation from one peer.
    Signal {
        /// From whom.
        from: ParticipantId,
        /// What.
        signal: Signal,
    },
    /// Somebody switched something.
    Media(ParticipantId, MediaState),
    /// A line of chat.
    Chat(ChatMessage),
    /// The meeting is over.
    Ended(EndReason),
}

impl Event {
    /// About how many bytes this takes while it waits to be sent; outboxes are bounded by it.
    pub fn weight(&self) -> usize {
        const BASE: usize = 200;
        BASE + match self {
            Self::Welcome(welcome) => {
                welcome.participants.len() * BASE + welcome.chat.iter().map(|line| BASE + line.text.len()).sum::<usize>()
            }
            Self::Signal { signal: Signal::Offer(sdp) | Signal::Answer(sdp), .. } => sdp.len(),
            Self::Signal { signal: Signal::Candidate(candidate), .. } => candidate.candidate.len(),
            Self::Chat(line) => line.text.len(),
            Self::Joined(_) | Self::Disconnected(_) | Self::Returned(_) | Self::Left(..) | Self::Media(..) | Self::Ended(_) => 0,
        }
    }
}

/// Why somebody is no longer in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// Wanted to.
    Left,
    /// The connection was lost and did not come back in time.
    TimedOut,
}

/// Why a meeting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The host ended it for everybody.
    EndedByHost,
    /// The host deleted it.
    Deleted,
}

/// Why a connection is to be closed after what it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Its seat was given up.
    Left,
    /// Another connection took its seat.
    Replaced,
    /// The meeting is over.
    Ended,
}

/// What the room wants done. The shell does it; the room does nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell one connection something. Must not wait for a slow reader.
    Deliver {
        /// The connection.
        to: ConnectionId,
        /// What it is told.
        event: Event,
    },
    /// Close a connection, after all that was delivered to it before.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// Nobody was in it and now somebody is: remember it as active. With the time when the first person ever entered.
    Started(Timestamp),
    /// Everybody has been gone for a while: remember it as waiting; the room may be dropped.
    Emptied,
    /// It is over: remember it as ended; the room may be dropped.
    Ended(EndReason),
    /// A seat is given up: its relay credentials must not work any longer.
    Revoke(ParticipantId),
}

/// Why the room did not do what was asked. The one who asked is told; the room goes on unharmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All seats are taken or held.
    #[error("The meeting is full. Ask somebody to leave, or try again later.")]
    Full,
    /// The ticket was used before.
    #[error("This ticket has been used. Join again to get a new one.")]
    TicketUsed,
    /// The seat was given up or lost for good.
    #[error("This seat is no longer yours. Join again.")]
    SeatGone,
    /// The connection has no seat (any more).
    #[error("You are not in the meeting. Join first.")]
    NotSeated,
    /// The connection has a seat already.
    #[error("You are in the meeting already.")]
    AlreadySeated,
    /// There is no such participant, or it is the sender.
    #[error("There is no such person in this meeting.")]
    UnknownParticipant,
    /// The participant's connection is lost at the moment.
    #[error("This person's connection is lost at the moment. Send it again once they are back.")]
    ParticipantAway,
    /// The host switched chat off.
    #[error("Chat is switched off in this meeting.")]
    ChatDisabled,
    /// The host switched screen sharing off.
    #[error("Screen sharing is switched off in this meeting.")]
    ScreenShareDisabled,
    /// The meeting is over.
    #[error("The meeting is over.")]
    MeetingEnded,
}

impl Refusal {
    /// The stable code that programs decide by.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Full => "meeting_full",
            Self::TicketUsed => "ticket_used",
            Self::SeatGone => "seat_gone",
            Self::NotSeated => "not_seated",
            Self::AlreadySeated => "already_seated",
            Self::UnknownParticipant => "unknown_participant",
            Self::ParticipantAway => "participant_away",
            Self::ChatDisabled => "chat_disabled",
            Self::ScreenShareDisabled => "screen_share_disabled",
            Self::MeetingEnded => "meeting_ended",
        }
    }
}

/// What a timer is for, so that a log or a failing test can say why a room wakes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A held seat was not taken.
    Reservation(ParticipantId),
    /// A lost connection did not come back.
    Resume(ParticipantId),
    /// Seats from before a restart can no longer be taken back.
    Settle,
    /// Nobody has been there for a while.
    Empty,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reservation(participant) => write!(f, "reservation of {participant}"),
            Self::Resume(participant) => write!(f, "resume window of {participant}"),
            Self::Settle => f.write_str("settling after a restart"),
            Self::Empty => f.write_str("empty room"),
        }
    }
}
