//! Who reads what.

use super::scenario::{
    Scenario, absent, disconnect, enter, id, leave, line, person, reserve, says, secs, socket, told, welcome, welcomed, writes,
};
use crate::meeting::{ChatMessage, Event, Pass, Refusal, RoomSettings, Welcome};

#[test]
fn a_line_to_all_comes_to_all_and_back_to_the_writer() {
    let mut room = Scenario::with_people(3);
    let said = line(2, "a", None, "<b>hello</b>");
    room.expect(
        says(socket(2), writes("a", None, "<b>hello</b>")),
        [1, 3, 2].map(|n| told(socket(n), Event::Chat(said.clone()))),
    );
}

#[test]
fn a_private_line_comes_to_the_two_alone() {
    let mut room = Scenario::with_people(3);
    let said = line(1, "a", Some(2), "psst");
    room.expect(says(socket(1), writes("a", Some(2), "psst")), [2, 1].map(|n| told(socket(n), Event::Chat(said.clone()))));
    for n in [1, 2, 3] {
        room.accept(disconnect(socket(n)));
    }
    let people = |n: u8| (1..=3).map(|m| if m == n { person(m) } else { absent(m) }).collect();
    for (n, chat) in [(1, vec![said.clone()]), (2, vec![said]), (3, Vec::new())] {
        let welcome = Welcome { resumed: true, chat, ..welcome(n, people(n)) };
        room.expect(enter(n, socket(10 + n), Pass::Resume), [welcomed(socket(10 + n), welcome)]);
        room.accept(disconnect(socket(10 + n)));
    }
}

#[test]
fn a_repeated_line_is_acknowledged_and_not_shown_twice() {
    let mut room = Scenario::with_people(3);
    room.accept(says(socket(1), writes("a", None, "hello")));
    room.advance(secs(5));
    let first = line(1, "a", None, "hello");
    room.expect(says(socket(1), writes("a", None, "hello")), [told(socket(1), Event::Chat(first))]);
    let second = ChatMessage { sent_at: room.now().wall, ..line(2, "a", None, "hello") };
    room.expect(says(socket(2), writes("a", None, "hello")), [1, 3, 2].map(|n| told(socket(n), Event::Chat(second.clone()))));
}

#[test]
fn a_line_that_was_taken_is_acknowledged_even_after_the_other_left() {
    let mut room = Scenario::with_people(2);
    room.accept(says(socket(1), writes("a", Some(2), "bye")));
    room.accept(leave(socket(2)));
    room.expect(says(socket(1), writes("a", Some(2), "bye")), [told(socket(1), Event::Chat(line(1, "a", Some(2), "bye")))]);
    room.refuse(says(socket(1), writes("b", Some(2), "bye")), Refusal::UnknownParticipant);
}

#[test]
fn a_private_line_to_one_whose_socket_is_lost_comes_with_the_welcome() {
    let mut room = Scenario::with_people(2);
    room.accept(disconnect(socket(2)));
    let said = line(1, "a", Some(2), "come back");
    room.expect(says(socket(1), writes("a", Some(2), "come back")), [told(socket(1), Event::Chat(said.clone()))]);
    room.expect(
        enter(2, socket(3), Pass::Resume),
        [
            welcomed(socket(3), Welcome { resumed: true, chat: vec![said], ..welcome(2, vec![person(1), person(2)]) }),
            told(socket(1), Event::Returned(person(2))),
        ],
    );
}

#[test]
fn a_line_to_nobody_or_oneself_is_refused() {
    let mut room = Scenario::with_people(2);
    room.refuse(says(socket(1), writes("a", Some(9), "?")), Refusal::UnknownParticipant);
    room.refuse(says(socket(1), writes("a", Some(1), "?")), Refusal::UnknownParticipant);
    // A refused line is not remembered: the same id is free.
    let said = line(1, "a", None, "?");
    room.expect(says(socket(1), writes("a", None, "?")), [2, 1].map(|n| told(socket(n), Event::Chat(said.clone()))));
}

#[test]
fn nothing_is_written_where_chat_is_switched_off() {
    let mut room = Scenario::new(RoomSettings { chat_enabled: false, ..RoomSettings::default() }).seat_people(2);
    room.refuse(says(socket(1), writes("a", None, "hello")), Refusal::ChatDisabled);
    room.refuse(says(socket(1), writes("a", Some(9), "hello")), Refusal::ChatDisabled);
}

#[test]
fn the_latest_lines_are_kept_and_the_writers_name_outlives_the_seat() {
    let mut room = Scenario::new(RoomSettings { chat_limit: 2, ..RoomSettings::default() }).seat_people(2);
    for id_of_line in ["a", "b", "c"] {
        room.accept(says(socket(1), writes(id_of_line, None, "hello")));
    }
    room.accept(leave(socket(1)));
    room.accept(reserve(3));
    let chat = vec![line(1, "b", None, "hello"), line(1, "c", None, "hello")];
    room.expect(
        enter(3, socket(3), Pass::Ticket),
        [
            welcomed(socket(3), Welcome { chat, ..welcome(3, vec![person(2), person(3)]) }),
            told(socket(2), Event::Joined(person(3))),
        ],
    );
    assert_eq!(room.room.participants().iter().map(|seated| seated.id).collect::<Vec<_>>(), [id(2), id(3)]);
}
