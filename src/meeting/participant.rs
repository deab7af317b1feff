//! A seat: who it belongs to and whether a socket sits on it.

use super::event::{MediaState, Participant, Pass, Profile};
use crate::ids::{ConnectionId, ParticipantId, UserId};

/// A seat in a room.
#[derive(Debug)]
pub(super) struct Seat {
    id: ParticipantId,
    profile: Profile,
    media: MediaState,
    state: State,
}

/// Where a seat stands. When it runs out is known to the room's timers alone.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Held; nobody has sat on it yet, and the others don't see it.
    Reserved,
    /// A socket sits on it. `confirmed` once the client has shown that it read its welcome: from then on the ticket is used up.
    Connected { connection: ConnectionId, confirmed: bool },
    /// The socket is lost.
    Disconnected { confirmed: bool },
}

impl State {
    /// A socket sits down. A resume token comes out of a welcome, so whoever shows one has read it.
    fn taken(self, connection: ConnectionId, pass: Pass) -> Self {
        Self::Connected { connection, confirmed: self.is_confirmed() || pass == Pass::Resume }
    }

    /// The client has shown that it read its welcome.
    fn confirmed(self) -> Self {
        match self {
            Self::Connected { connection, .. } => Self::Connected { connection, confirmed: true },
            Self::Reserved | Self::Disconnected { .. } => self,
        }
    }

    /// The socket is lost.
    fn lost(self) -> Self {
        match self {
            Self::Connected { confirmed, .. } => Self::Disconnected { confirmed },
            Self::Reserved | Self::Disconnected { .. } => self,
        }
    }

    fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Connected { connection, .. } => Some(connection),
            Self::Reserved | Self::Disconnected { .. } => None,
        }
    }

    fn is_confirmed(self) -> bool {
        match self {
            Self::Connected { confirmed, .. } | Self::Disconnected { confirmed } => confirmed,
            Self::Reserved => false,
        }
    }
}

impl Seat {
    /// A seat that is held for somebody.
    pub(super) fn reserved(id: ParticipantId, profile: Profile) -> Self {
        Self { id, profile, media: MediaState::default(), state: State::Reserved }
    }

    pub(super) fn id(&self) -> ParticipantId {
        self.id
    }

    /// The account it belongs to; none for a guest.
    pub(super) fn user(&self) -> Option<UserId> {
        self.profile.user
    }

    /// The name to show.
    pub(super) fn name(&self) -> &str {
        &self.profile.name
    }

    /// The socket on it, if there is one.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.state.connection()
    }

    /// Whether somebody has ever sat on it: whether the others see it.
    pub(super) fn is_taken(&self) -> bool {
        !matches!(self.state, State::Reserved)
    }

    /// Whether the ticket for it is used up.
    pub(super) fn is_confirmed(&self) -> bool {
        self.state.is_confirmed()
    }

    /// Puts a socket on it. Answers the socket that sat there until now.
    pub(super) fn take(&mut self, connection: ConnectionId, media: MediaState, pass: Pass) -> Option<ConnectionId> {
        let replaced = self.connection();
        self.state = self.state.taken(connection, pass);
        self.media = media;
        replaced
    }

    /// Notes that the client has read its welcome.
    pub(super) fn confirm(&mut self) {
        self.state = self.state.confirmed();
    }

    /// Notes that the socket is lost.
    pub(super) fn lose_connection(&mut self) {
        self.state = self.state.lost();
    }

    /// Notes what the person sends. True when that is something new.
    pub(super) fn set_media(&mut self, media: MediaState) -> bool {
        std::mem::replace(&mut self.media, media) != media
    }

    /// The seat as the others see it.
    pub(super) fn view(&self) -> Participant {
        Participant { id: self.id, profile: self.profile.clone(), connected: self.connection().is_some(), media: self.media }
    }
}
