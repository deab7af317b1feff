//! One meeting under way. The contract stands in the module's documentation.

mod commands;

use std::collections::VecDeque;

use super::chat::Chat;
use super::departed::Departed;
use super::event::{
    CloseReason, EndReason, Event, Input, LeaveReason, MediaState, Output, Participant, Pass, Profile, Refusal, Role, Timer,
    Welcome,
};
use super::participant::Seat;
use super::settings::RoomSettings;
use super::timers::Timers;
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::{ConnectionId, ParticipantId};

/// A meeting under way: its seats, its chat and what it waits for.
#[derive(Debug)]
pub struct Room {
    settings: RoomSettings,
    /// In the order of coming; reserved ones move to the end when they are taken.
    seats: Vec<Seat>,
    chat: Chat,
    departed: Departed,
    timers: Timers,
    started_at: Option<Timestamp>,
    life: Life,
    outputs: VecDeque<Output>,
}

/// What was last said about the room as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Nobody has entered since the room was made or was last emptied.
    Idle,
    /// Somebody has.
    Active,
    /// The meeting is over.
    Over,
}

/// How a seat stood when somebody came to take it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Unknown,
    Reserved,
    Taken,
}

impl Room {
    /// A room for a meeting that nobody has ever entered.
    pub fn new(settings: RoomSettings, now: Now) -> Self {
        Self::make(settings, None, now)
    }

    /// A room for a meeting that people were in some time ago and that has been empty since. Nobody is expected back.
    pub fn reopened(settings: RoomSettings, started_at: Timestamp, now: Now) -> Self {
        Self::make(settings, Some(started_at), now)
    }

    /// A room for a meeting that people were in when the server stopped. For one resume window those who come are told that the
    /// list isn't complete yet.
    pub fn rebuilt(settings: RoomSettings, started_at: Timestamp, now: Now) -> Self {
        let mut room = Self::make(settings, Some(started_at), now);
        room.timers.set(Timer::Settle, now.tick.plus(room.settings.resume_window));
        room
    }

    fn make(settings: RoomSettings, started_at: Option<Timestamp>, now: Now) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Empty, now.tick.plus(settings.empty_after));
        Self {
            chat: Chat::new(settings.chat_limit),
            settings,
            seats: Vec::new(),
            departed: Departed::default(),
            timers,
            started_at,
            life: Life::Idle,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. What follows from it is fetched with [`Room::poll_output`].
    ///
    /// # Errors
    /// A [`Refusal`] for the one who asked; nothing has changed then, but that a command confirms its seat.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<(), Refusal> {
        if self.is_over() {
            return Err(Refusal::MeetingEnded);
        }
        match input {
            Input::Reserve { participant, profile } => self.reserve(participant, profile, now),
            Input::Enter { connection, participant, profile, media, pass } => {
                self.enter(connection, participant, profile, media, pass, now)
            }
            Input::Disconnect { connection } => {
                self.disconnect(connection, now);
                Ok(())
            }
            Input::Command { connection, command } => self.command(connection, command, now),
            Input::End { reason } => {
                self.end(reason);
                Ok(())
            }
        }
    }

    /// Acts on every timer that has run out by now.
    pub fn handle_timeout(&mut self, now: Now) {
        let mut emptied = false;
        while let Some(timer) = self.timers.pop_due(now.tick) {
            match timer {
                Timer::Reservation(participant) => self.vacate(participant, None, now),
                Timer::Resume(participant) => self.vacate(participant, Some(LeaveReason::TimedOut), now),
                // From now on a welcome says that the list is complete; those who read one before have counted down themselves.
                Timer::Settle => {}
                Timer::Empty => {
                    self.life = Life::Idle;
                    self.chat.clear();
                    emptied = true;
                }
            }
        }
        if emptied {
            self.outputs.push_back(Output::Emptied);
        }
    }

    /// The next thing to do, oldest first. Ask until it answers `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Room::handle_timeout`]. `None` when only an input can change anything.
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.next_timer().map(|(at, _)| at)
    }

    /// When the next timer runs out, and what it is for.
    pub fn next_timer(&self) -> Option<(Tick, Timer)> {
        self.timers.next()
    }

    /// Everybody whose seat has been taken, in the order of coming.
    pub fn participants(&self) -> Vec<Participant> {
        self.seats.iter().filter(|seat| seat.is_taken()).map(Seat::view).collect()
    }

    /// How many seats are taken or held.
    pub fn seat_count(&self) -> usize {
        self.seats.len()
    }

    /// Whether no seat is taken or held.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Whether the meeting has ended. Everything is refused then.
    pub fn is_over(&self) -> bool {
        self.life == Life::Over
    }

    // Seats.

    fn reserve(&mut self, participant: ParticipantId, profile: Profile, now: Now) -> Result<(), Refusal> {
        // A request that was repeated finds its seat held or even taken, and must neither take a second nor disturb the first.
        if self.seat(participant).is_none() {
            if self.seats.len() >= self.settings.capacity
                && let Some(given_up) = self.seat_to_give_up_for(&profile)
            {
                self.vacate(given_up, Some(LeaveReason::TimedOut), now);
            }
            self.hold(participant, profile)?;
            self.timers.set(Timer::Reservation(participant), now.tick.plus(self.settings.reservation_window));
        }
        Ok(())
    }

    fn enter(
        &mut self,
        connection: ConnectionId,
        participant: ParticipantId,
        profile: Profile,
        media: MediaState,
        pass: Pass,
        now: Now,
    ) -> Result<(), Refusal> {
        if self.seat_on(connection).is_some() {
            return Err(Refusal::AlreadySeated);
        }
        let before = match self.seat(participant) {
            Some(seat) if seat.is_confirmed() && pass == Pass::Ticket => return Err(Refusal::TicketUsed),
            Some(seat) if seat.is_taken() => Before::Taken,
            Some(_) => Before::Reserved,
            None => {
                self.departed.admit(participant, pass)?;
                self.hold(participant, profile)?;
                Before::Unknown
            }
        };
        let replaced = self.sit_down(connection, participant, media, pass);
        if let Some(connection) = replaced {
            self.outputs.push_back(Output::Close { connection, reason: CloseReason::Replaced });
        }
        let resumed = pass == Pass::Resume && before != Before::Reserved;
        self.welcome(connection, participant, resumed, now);
        if let Some(seat) = self.seat(participant) {
            let view = seat.view();
            // To those who saw the seat all the while somebody returns to it; to the others it is new, even if it was there once.
            let event = if before == Before::Taken { Event::Returned(view) } else { Event::Joined(view) };
            self.tell_others(participant, &event);
        }
        if self.life == Life::Idle {
            self.life = Life::Active;
            self.outputs.push_back(Output::Started(*self.started_at.get_or_insert(now.wall)));
        }
        Ok(())
    }

    /// Puts a socket on a seat that the room knows. Answers the socket that sat there until now.
    fn sit_down(
        &mut self,
        connection: ConnectionId,
        participant: ParticipantId,
        media: MediaState,
        pass: Pass,
    ) -> Option<ConnectionId> {
        self.timers.cancel(Timer::Reservation(participant));
        self.timers.cancel(Timer::Resume(participant));
        let position = self.seats.iter().position(|seat| seat.id() == participant)?;
        if !self.seats[position].is_taken() {
            self.seats[position..].rotate_left(1);
        }
        // Not refused as the command would be: a page that claims to share opens with the share off, rather than not at all.
        let media = MediaState { screen: media.screen && self.settings.screen_share_enabled, ..media };
        self.seat_mut(participant)?.take(connection, media, pass)
    }

    fn welcome(&mut self, connection: ConnectionId, participant: ParticipantId, resumed: bool, now: Now) {
        let settles_in = self.timers.due_at(Timer::Settle).map_or(0, |at| at.since(now.tick).as_millis());
        let welcome = Welcome {
            participant,
            resumed,
            started_at: *self.started_at.get_or_insert(now.wall),
            participants: self.participants(),
            settles_in_ms: u32::try_from(settles_in).unwrap_or(u32::MAX),
            chat: self.chat.visible_to(participant),
        };
        self.deliver(connection, Event::Welcome(Box::new(welcome)));
    }

    /// In a full room: the seat that `newcomer` may have. An account whose browser crashed must not be kept out by its own ghost,
    /// and seats that are merely held must not keep out the host.
    fn seat_to_give_up_for(&self, newcomer: &Profile) -> Option<ParticipantId> {
        let own = |seat: &&Seat| seat.connection().is_none() && newcomer.user.is_some() && seat.user() == newcomer.user;
        let held = |seat: &&Seat| newcomer.role == Role::Host && !seat.is_taken();
        self.seats.iter().find(own).or_else(|| self.seats.iter().find(held)).map(Seat::id)
    }

    /// Adds a seat, if there is one left.
    fn hold(&mut self, participant: ParticipantId, profile: Profile) -> Result<(), Refusal> {
        if self.seats.len() >= self.settings.capacity {
            return Err(Refusal::Full);
        }
        self.seats.push(Seat::reserved(participant, profile));
        self.departed.forget(participant);
        self.timers.cancel(Timer::Empty);
        Ok(())
    }

    /// Takes a seat away. The others are told the reason, if the seat was one that they saw.
    fn vacate(&mut self, participant: ParticipantId, reason: Option<LeaveReason>, now: Now) {
        let Some(position) = self.seats.iter().position(|seat| seat.id() == participant) else { return };
        let seat = self.seats.remove(position);
        self.timers.cancel(Timer::Reservation(participant));
        self.timers.cancel(Timer::Resume(participant));
        if let Some(reason) = reason.filter(|_| seat.is_taken()) {
            self.tell_others(participant, &Event::Left(participant, reason));
            if seat.is_confirmed() {
                self.departed.remember(participant, reason);
            }
        }
        self.outputs.push_back(Output::Revoke(participant));
        if self.seats.is_empty() {
            self.timers.set(Timer::Empty, now.tick.plus(self.settings.empty_after));
        }
    }

    fn disconnect(&mut self, connection: ConnectionId, now: Now) {
        // A socket that was replaced, or that left, closes later than its seat knew it.
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.connection() == Some(connection)) else { return };
        seat.lose_connection();
        let participant = seat.id();
        self.timers.set(Timer::Resume(participant), now.tick.plus(self.settings.resume_window));
        self.tell_others(participant, &Event::Disconnected(participant));
    }

    fn end(&mut self, reason: EndReason) {
        self.life = Life::Over;
        self.timers.clear();
        let seats = std::mem::take(&mut self.seats);
        for connection in seats.iter().filter_map(Seat::connection) {
            self.deliver(connection, Event::Ended(reason));
            self.outputs.push_back(Output::Close { connection, reason: CloseReason::Ended });
        }
        self.outputs.extend(seats.iter().map(|seat| Output::Revoke(seat.id())));
        self.outputs.push_back(Output::Ended(reason));
    }

    // Looking up and telling.

    fn seat(&self, participant: ParticipantId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.id() == participant)
    }

    fn seat_mut(&mut self, participant: ParticipantId) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.id() == participant)
    }

    fn seat_on(&self, connection: ConnectionId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.connection() == Some(connection))
    }

    /// The seat that `from` addresses.
    fn peer(&self, from: ParticipantId, to: ParticipantId) -> Result<&Seat, Refusal> {
        self.seat(to).filter(|seat| seat.id() != from).ok_or(Refusal::UnknownParticipant)
    }

    fn deliver(&mut self, to: ConnectionId, event: Event) {
        self.outputs.push_back(Output::Deliver { to, event });
    }

    /// Tells everybody with a socket but `participant`.
    fn tell_others(&mut self, participant: ParticipantId, event: &Event) {
        let others = self.seats.iter().filter(|seat| seat.id() != participant).filter_map(Seat::connection);
        self.outputs.extend(others.map(|to| Output::Deliver { to, event: event.clone() }));
    }
}
