//! The meeting itself, without input or output. (The contract is written by whoever writes `room.rs`.)

mod details;
mod event;

pub use details::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, MAX_PARTICIPANTS, MAX_TITLE_CHARS, Meeting, Settings, Status};
pub use event::{
    Candidate, ChatMessage, CloseReason, Command, EndReason, Event, Input, LeaveReason, MediaState, Output, Participant, Pass,
    Profile, Refusal, Role, Signal, Timer, Welcome,
};
