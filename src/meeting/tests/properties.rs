//! Whatever happens in whatever order, these hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::scenario::{Scenario, id, offer, profile, socket};
use crate::clock::Now;
use crate::ids::{ConnectionId, ParticipantId};
use crate::meeting::{
    ChatMessage, Command, EndReason, Event, Input, MediaState, Output, Participant, Pass, Room, RoomSettings, Welcome,
};

const PEOPLE: u8 = 6;
const SOCKETS: u8 = 9;

/// One step of a story.
#[derive(Clone, Debug)]
enum Step {
    Input(Input),
    /// Milliseconds pass, and the room is woken at the end, not at the moment it asked for.
    Wait(u64),
}

fn media() -> impl Strategy<Value = MediaState> {
    any::<(bool, bool, bool)>().prop_map(|(audio, video, screen)| MediaState { audio, video, screen })
}

fn command() -> impl Strategy<Value = Command> {
    let person = || (0..PEOPLE).prop_map(id);
    prop_oneof![
        2 => person().prop_map(|to| Command::Signal { to, signal: offer() }),
        2 => media().prop_map(Command::SetMedia),
        3 => ("[ab]", proptest::option::of(person())).prop_map(|(id, to)| Command::Chat { id, to, text: "text".into() }),
        2 => Just(Command::Present),
        1 => Just(Command::Leave),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let connection = || (0..SOCKETS).prop_map(socket);
    let pass = prop_oneof![Just(Pass::Ticket), Just(Pass::Resume)];
    prop_oneof![
        20 => (0..PEOPLE).prop_map(|n| Input::Reserve { participant: id(n), profile: profile(n) }),
        40 => (connection(), 0..PEOPLE, media(), pass).prop_map(|(connection, n, media, pass)| Input::Enter {
            connection,
            participant: id(n),
            profile: profile(n),
            media,
            pass,
        }),
        20 => connection().prop_map(|connection| Input::Disconnect { connection }),
        60 => (connection(), command()).prop_map(|(connection, command)| Input::Command { connection, command }),
        1 => Just(Input::End { reason: EndReason::Deleted }),
    ]
}

fn story() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![5 => input().prop_map(Step::Input), 1 => (0..60_u64).prop_map(Step::Wait)];
    proptest::collection::vec(step, 1..150)
}

fn settings() -> impl Strategy<Value = RoomSettings> {
    let times = (0..50_u64, 0..50_u64, 0..50_u64);
    (1..=5_usize, any::<(bool, bool)>(), times, 0..4_usize).prop_map(|(capacity, allowed, times, chat_limit)| RoomSettings {
        capacity,
        chat_enabled: allowed.0,
        screen_share_enabled: allowed.1,
        resume_window: Duration::from_millis(times.0),
        reservation_window: Duration::from_millis(times.1),
        empty_after: Duration::from_millis(times.2),
        chat_limit,
    })
}

/// What one client knows, from its welcome on, by nothing but the events it got.
struct Client {
    participant: ParticipantId,
    roster: Vec<Participant>,
}

impl Client {
    fn new(welcome: &Welcome) -> Self {
        let client = Self { participant: welcome.participant, roster: welcome.participants.clone() };
        assert!(client.roster.iter().any(|seated| seated.id == welcome.participant), "a welcome without oneself");
        welcome.chat.iter().for_each(|line| client.may_read(line));
        client
    }

    fn fold(&mut self, event: &Event) {
        match event {
            Event::Welcome(_) => panic!("a second welcome on one socket"),
            Event::Joined(newcomer) => {
                assert!(self.roster.iter().all(|seated| seated.id != newcomer.id), "{newcomer:?} joined twice");
                self.roster.push(newcomer.clone());
            }
            Event::Returned(back) => *self.known(back.id) = back.clone(),
            Event::Disconnected(away) => self.known(*away).connected = false,
            Event::Media(who, media) => self.known(*who).media = *media,
            Event::Left(gone, _) => {
                self.known(*gone);
                self.roster.retain(|seated| seated.id != *gone);
            }
            Event::Signal { from, .. } => {
                self.known(*from);
            }
            Event::Chat(line) => self.may_read(line),
            Event::Ended(_) => {}
        }
    }

    fn known(&mut self, wanted: ParticipantId) -> &mut Participant {
        self.roster.iter_mut().find(|seated| seated.id == wanted).expect("told of somebody who isn't there")
    }

    fn may_read(&self, line: &ChatMessage) {
        assert!(line.to.is_none_or(|to| [to, line.from].contains(&self.participant)), "{line:?} read by {:?}", self.participant);
    }
}

/// Everything that can be known of a room from what it says and from which inputs it took.
#[derive(Default)]
struct Observer {
    clients: BTreeMap<ConnectionId, Client>,
    /// Sockets that heard of the end and are still to be closed.
    closing: BTreeSet<ConnectionId>,
    held: BTreeSet<ParticipantId>,
    started: bool,
    over: bool,
}

impl Observer {
    fn took(&mut self, input: &Input) {
        match input {
            Input::Reserve { participant, .. } | Input::Enter { participant, .. } => {
                self.held.insert(*participant);
            }
            Input::Disconnect { connection } => {
                self.clients.remove(connection);
            }
            // A socket that leaves keeps its place here until it is closed.
            Input::Command { connection, command } => {
                let client = self.clients.get_mut(connection).unwrap_or_else(|| panic!("took {input:?} of one without a seat"));
                // Nobody is told what they switched themselves: that it was not refused is enough.
                if let Command::SetMedia(media) = command {
                    client.known(client.participant).media = *media;
                }
            }
            Input::End { .. } => {}
        }
    }

    fn saw(&mut self, output: &Output) {
        assert!(!self.over, "{output:?} after the end");
        match output {
            Output::Deliver { to, event: Event::Welcome(welcome) } => {
                let before = self.clients.insert(*to, Client::new(welcome));
                assert!(before.is_none(), "a second welcome on {to:?}");
            }
            Output::Deliver { to, event } => {
                assert!(!self.closing.contains(to), "{event:?} after the end was told to {to:?}");
                self.clients.get_mut(to).unwrap_or_else(|| panic!("{event:?} to {to:?}, which has no seat")).fold(event);
                if matches!(event, Event::Ended(_)) {
                    self.closing.insert(*to);
                }
            }
            Output::Close { connection, .. } => {
                self.closing.remove(connection);
                assert!(self.clients.remove(connection).is_some(), "closed {connection:?}, which has no seat");
            }
            Output::Revoke(participant) => assert!(self.held.remove(participant), "revoked {participant:?} without a seat"),
            Output::Started(_) => assert!(!std::mem::replace(&mut self.started, true), "started twice"),
            Output::Emptied => {
                self.started = false;
                assert!(self.held.is_empty(), "emptied with {:?}", self.held);
            }
            Output::Ended(_) => {
                self.over = true;
                assert!(
                    self.clients.is_empty() && self.closing.is_empty() && self.held.is_empty(),
                    "the end left somebody behind"
                );
            }
        }
    }

    fn agrees_with(&self, room: &Room, settings: &RoomSettings) {
        let participants = room.participants();
        assert!(room.seat_count() <= settings.capacity, "more seats than fit");
        assert_eq!(room.seat_count(), self.held.len(), "a seat went without a revocation");
        assert_eq!(room.is_empty(), self.held.is_empty());
        assert_eq!(room.is_over(), self.over);
        assert_eq!(participants.iter().filter(|seated| seated.connected).count(), self.clients.len());
        assert!(participants.is_empty() || self.started, "somebody is in a meeting that hasn't started");
        for (connection, client) in &self.clients {
            assert_eq!(client.roster, participants, "what {connection:?} knows is not how it is");
        }
        assert!(settings.screen_share_enabled || participants.iter().all(|seated| !seated.media.screen));
    }
}

fn play(settings: &RoomSettings, mut room: Room, story: Vec<Step>) {
    let mut now = Scenario::begin();
    let mut observer = Observer::default();
    for step in story {
        match step {
            Step::Input(input) => match room.handle(input.clone(), now) {
                Ok(()) => observer.took(&input),
                Err(_) => assert_eq!(room.poll_output(), None, "said something to a refused {input:?}"),
            },
            Step::Wait(millis) => {
                let passed = Duration::from_millis(millis);
                now = Now { tick: now.tick.plus(passed), wall: now.wall.plus(passed) };
                room.handle_timeout(now);
                assert!(room.poll_timeout().is_none_or(|at| at > now.tick), "the next timer has run out already");
            }
        }
        while let Some(output) = room.poll_output() {
            observer.saw(&output);
        }
        observer.agrees_with(&room, settings);
    }
}

proptest! {
    #[test]
    fn any_story_of_a_new_room_keeps_every_client_right(settings in settings(), story in story()) {
        play(&settings, Room::new(settings.clone(), Scenario::begin()), story);
    }

    #[test]
    fn any_story_of_a_rebuilt_room_keeps_every_client_right(settings in settings(), story in story()) {
        let begin = Scenario::begin();
        play(&settings, Room::rebuilt(settings.clone(), begin.wall, begin), story);
    }
}
