//! A small language for stories about a room: people and sockets are numbers, time is virtual, and every output must be expected.

use std::time::Duration;

use crate::clock::{Now, Tick, Timestamp};
use crate::ids::{ConnectionId, ParticipantId};
use crate::meeting::{
    ChatMessage, CloseReason, Command, Event, Input, LeaveReason, MediaState, Output, Participant, Pass, Profile, Refusal, Role,
    Room, RoomSettings, Signal, Welcome,
};

/// When every story begins, by the wall clock.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) const QUIET: MediaState = MediaState { audio: false, video: false, screen: false };
pub(super) const TALKING: MediaState = MediaState { audio: true, video: true, screen: false };
pub(super) const SHARING: MediaState = MediaState { audio: true, video: true, screen: true };

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Participant number `n`.
pub(super) fn id(n: u8) -> ParticipantId {
    ParticipantId::from_bytes([n; 10])
}

/// Socket number `n`. In most stories participant `n` first comes on socket `n`.
pub(super) const fn socket(n: u8) -> ConnectionId {
    ConnectionId(n as u64)
}

pub(super) fn profile(n: u8) -> Profile {
    Profile { name: format!("Person {n}"), user: None, role: if n == 1 { Role::Host } else { Role::Participant } }
}

/// Participant `n` as the others see it.
pub(super) fn person(n: u8) -> Participant {
    Participant { id: id(n), profile: profile(n), connected: true, media: QUIET }
}

pub(super) fn absent(n: u8) -> Participant {
    Participant { connected: false, ..person(n) }
}

// What goes in.

pub(super) fn reserve(n: u8) -> Input {
    Input::Reserve { participant: id(n), profile: profile(n) }
}

pub(super) fn enter(n: u8, connection: ConnectionId, pass: Pass) -> Input {
    Input::Enter { connection, participant: id(n), profile: profile(n), media: QUIET, pass }
}

pub(super) fn disconnect(connection: ConnectionId) -> Input {
    Input::Disconnect { connection }
}

pub(super) fn says(connection: ConnectionId, command: Command) -> Input {
    Input::Command { connection, command }
}

pub(super) fn present(connection: ConnectionId) -> Input {
    says(connection, Command::Present)
}

pub(super) fn leave(connection: ConnectionId) -> Input {
    says(connection, Command::Leave)
}

pub(super) fn signal_to(n: u8, signal: Signal) -> Command {
    Command::Signal { to: id(n), signal }
}

pub(super) fn offer() -> Signal {
    Signal::Offer("v=0 any text".into())
}

pub(super) fn writes(line: &str, to: Option<u8>, text: &str) -> Command {
    Command::Chat { id: line.into(), to: to.map(id), text: text.into() }
}

// What comes out.

pub(super) fn told(to: ConnectionId, event: Event) -> Output {
    Output::Deliver { to, event }
}

pub(super) fn closed(connection: ConnectionId, reason: CloseReason) -> Output {
    Output::Close { connection, reason }
}

pub(super) fn left(n: u8, reason: LeaveReason) -> Event {
    Event::Left(id(n), reason)
}

/// The welcome of participant `n`, who finds these people, and nothing out of the ordinary.
pub(super) fn welcome(n: u8, participants: Vec<Participant>) -> Welcome {
    Welcome { participant: id(n), resumed: false, started_at: BEGIN, participants, settles_in_ms: 0, chat: Vec::new() }
}

pub(super) fn welcomed(to: ConnectionId, welcome: Welcome) -> Output {
    told(to, Event::Welcome(Box::new(welcome)))
}

/// A line as it is kept when it was written at the beginning of the story.
pub(super) fn line(from: u8, id_of_line: &str, to: Option<u8>, text: &str) -> ChatMessage {
    ChatMessage {
        id: id_of_line.into(),
        from: id(from),
        from_name: profile(from).name,
        to: to.map(id),
        text: text.into(),
        sent_at: BEGIN,
    }
}

/// A room and the time in it.
pub(super) struct Scenario {
    pub(super) room: Room,
    now: Now,
}

impl Scenario {
    pub(super) fn new(settings: RoomSettings) -> Self {
        let now = Self::begin();
        Self { room: Room::new(settings, now), now }
    }

    /// A room with default rules in which everybody from 1 to `people` sits on the socket of the same number, confirmed.
    pub(super) fn with_people(people: u8) -> Self {
        Self::new(RoomSettings::default()).seat_people(people)
    }

    pub(super) fn rebuilt(settings: RoomSettings) -> Self {
        let now = Self::begin();
        Self { room: Room::rebuilt(settings, BEGIN, now), now }
    }

    pub(super) const fn begin() -> Now {
        Now { tick: Tick::from_millis(5_000), wall: BEGIN }
    }

    pub(super) fn seat_people(mut self, people: u8) -> Self {
        for n in 1..=people {
            self.accept(enter(n, socket(n), Pass::Ticket));
            self.accept(present(socket(n)));
        }
        self
    }

    /// The room takes the input; what it says to it is of no interest.
    pub(super) fn accept(&mut self, input: Input) -> Vec<Output> {
        let shown = format!("{input:?}");
        assert_eq!(self.room.handle(input, self.now), Ok(()), "{shown}");
        self.drain()
    }

    /// The room takes the input and says exactly this.
    #[track_caller]
    pub(super) fn expect(&mut self, input: Input, outputs: impl Into<Vec<Output>>) {
        let shown = format!("{input:?}");
        assert_eq!(self.room.handle(input, self.now), Ok(()), "{shown}");
        assert_eq!(self.drain(), outputs.into(), "{shown}");
    }

    /// The room refuses the input and says nothing to anybody.
    #[track_caller]
    pub(super) fn refuse(&mut self, input: Input, refusal: Refusal) {
        let shown = format!("{input:?}");
        assert_eq!(self.room.handle(input, self.now), Err(refusal), "{shown}");
        assert_eq!(self.drain(), [], "{shown}");
    }

    /// Time passes, and the room says exactly this meanwhile. It is woken just when it asked for it.
    #[track_caller]
    pub(super) fn after(&mut self, passed: Duration, outputs: impl Into<Vec<Output>>) {
        let end = self.now.tick.plus(passed);
        let mut said = Vec::new();
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.advance(at.since(self.now.tick));
            self.room.handle_timeout(self.now);
            said.extend(self.drain());
        }
        self.advance(end.since(self.now.tick));
        assert_eq!(said, outputs.into(), "while {passed:?} passed");
    }

    /// Time passes, and the room is not woken.
    pub(super) fn advance(&mut self, passed: Duration) {
        self.now = Now { tick: self.now.tick.plus(passed), wall: self.now.wall.plus(passed) };
    }

    pub(super) fn now(&self) -> Now {
        self.now
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.room.poll_output()).collect()
    }
}
