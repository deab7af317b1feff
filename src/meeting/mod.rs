//! The meeting itself: who sits where, who is told what, and when a seat is lost. No sockets, no clock, no randomness, no JSON.
//!
//! # The contract
//!
//! A [`Room`] never does anything by itself. It is changed by exactly two calls, [`Room::handle`] and [`Room::handle_timeout`], and
//! what follows from a change waits inside until it is fetched with [`Room::poll_output`]. Whoever owns a room (one task of `hub`)
//! keeps to this order:
//!
//! 1. **Change once**: `handle` one [`Input`], or `handle_timeout` when the time of the next timer has come.
//! 2. **Drain**: call `poll_output` and carry out each [`Output`], in order, until it answers `None`.
//! 3. **Sleep** until [`Room::poll_timeout`], or until the next input if that comes sooner. Draining may have changed the time,
//!    so it is asked again each round; `None` means that only an input can wake the room.
//!
//! [`Output::Ended`] is the last output a room ever gives, and [`Output::Emptied`] the last of its round: whoever drops the room
//! on one of them loses nothing.
//!
//! A [`Refusal`] goes back to the one who asked. The room is then as it was before, with one exception: a refused command still
//! confirms its seat, because it shows that the client has read its welcome.
//!
//! Time is what is passed in: [`Now::tick`](crate::clock::Now::tick) drives the timers, [`Now::wall`](crate::clock::Now::wall) is
//! written down for people to read. A timer acts when `handle_timeout` is called and not before, so somebody whose resume arrives
//! together with the end of the resume window may be let in: inputs that are already waiting should be handled first.
//!
//! ```
//! use hearth::clock::Now;
//! use hearth::ids::{ConnectionId, ParticipantId};
//! use hearth::meeting::{Input, MediaState, Output, Pass, Profile, Role, Room, RoomSettings};
//!
//! let mut room = Room::new(RoomSettings::default(), Now::default());
//! let enter = Input::Enter {
//!     connection: ConnectionId(1),
//!     participant: ParticipantId::random(),
//!     profile: Profile { name: "Ada".into(), user: None, role: Role::Host },
//!     media: MediaState::default(),
//!     pass: Pass::Ticket,
//! };
//! // 1. Change once.
//! room.handle(enter, Now::default())?;
//! // 2. Drain.
//! while let Some(output) = room.poll_output() {
//!     match output {
//!         Output::Deliver { to, event } => println!("to {to:?}: {event:?}"),
//!         Output::Close { connection, reason } => println!("close {connection:?}: {reason:?}"),
//!         Output::Started(_) | Output::Emptied | Output::Ended(_) => println!("write it down"),
//!         Output::Revoke(participant) => println!("no more relaying for {participant}"),
//!     }
//! }
//! // 3. Sleep until then: with everybody connected there is nothing to wait for.
//! assert_eq!(room.poll_timeout(), None);
//! # Ok::<(), hearth::meeting::Refusal>(())
//! ```
//!
//! # Seats
//!
//! A seat outlives its socket. It is *reserved* when a join was answered, *connected* while a socket sits on it, and
//! *disconnected* for the resume window after the socket is lost. All three count against the capacity; the last two are what the
//! others see. A seat that was left is gone for good; one that ran out of its resume window is taken from the others' lists, yet
//! its person can still resume it while there is room, because somebody whose train left the tunnel a little late would rather be
//! back than read an error.

mod chat;
mod departed;
mod details;
mod event;
mod participant;
mod room;
mod settings;
#[cfg(test)]
mod tests;
mod timers;

pub use details::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, MAX_PARTICIPANTS, MAX_TITLE_CHARS, Meeting, Settings, Status};
pub use event::{
    Candidate, ChatMessage, CloseReason, Command, EndReason, Event, Input, LeaveReason, MediaState, Output, Participant, Pass,
    Profile, Refusal, Role, Signal, Timer, Welcome,
};
pub use room::Room;
pub use settings::{
    DEFAULT_CAPACITY, DEFAULT_CHAT_LIMIT, DEFAULT_EMPTY_AFTER, DEFAULT_RESERVATION_WINDOW, DEFAULT_RESUME_WINDOW, RoomSettings,
};
