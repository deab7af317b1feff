//! Coming, going, and coming back.

use super::scenario::{
    BEGIN, SHARING, Scenario, TALKING, absent, closed, disconnect, enter, id, leave, left, person, present, profile, reserve,
    says, secs, socket, told, welcome, welcomed,
};
use crate::ids::UserId;
use crate::meeting::{
    CloseReason, Command, Event, Input, LeaveReason, MediaState, Output, Participant, Pass, Profile, Refusal, Role, Room,
    RoomSettings, Welcome,
};

fn capacity(capacity: usize) -> Scenario {
    Scenario::new(RoomSettings { capacity, ..RoomSettings::default() })
}

#[test]
fn a_newcomer_is_welcomed_first_and_then_the_others_hear_of_it() {
    let mut room = capacity(8);
    room.expect(reserve(1), []);
    room.expect(enter(1, socket(1), Pass::Ticket), [welcomed(socket(1), welcome(1, vec![person(1)])), Output::Started(BEGIN)]);
    room.expect(
        enter(2, socket(2), Pass::Ticket),
        [welcomed(socket(2), welcome(2, vec![person(1), person(2)])), told(socket(1), Event::Joined(person(2)))],
    );
}

#[test]
fn a_hundred_joins_at_once_fill_eight_seats_and_no_more() {
    let mut room = capacity(8);
    let taken = (1..=100).filter(|n| room.room.handle(reserve(*n), room.now()).is_ok()).count();
    assert_eq!((taken, room.room.seat_count()), (8, 8));
    room.refuse(reserve(101), Refusal::Full);
    room.refuse(enter(101, socket(101), Pass::Ticket), Refusal::Full);
    room.refuse(enter(101, socket(101), Pass::Resume), Refusal::Full);
}

#[test]
fn a_join_that_is_repeated_takes_one_seat() {
    let mut room = capacity(1);
    room.expect(reserve(1), []);
    room.expect(reserve(1), []);
    room.accept(enter(1, socket(1), Pass::Ticket));
    room.expect(reserve(1), []);
    assert_eq!(room.room.participants(), [person(1)]);
}

#[test]
fn reserved_seats_are_not_shown_and_come_in_the_order_of_entering() {
    let mut room = capacity(8);
    for n in 1..=3 {
        room.accept(reserve(n));
    }
    assert_eq!(room.room.participants(), []);
    for n in [2, 3, 1] {
        room.accept(enter(n, socket(n), Pass::Ticket));
    }
    assert_eq!(room.room.participants(), [person(2), person(3), person(1)]);
}

#[test]
fn a_ticket_works_again_until_its_client_has_read_the_welcome() {
    let mut room = Scenario::with_people(1);
    room.accept(enter(2, socket(2), Pass::Ticket));
    room.expect(
        enter(2, socket(3), Pass::Ticket),
        [
            closed(socket(2), CloseReason::Replaced),
            welcomed(socket(3), welcome(2, vec![person(1), person(2)])),
            told(socket(1), Event::Returned(person(2))),
        ],
    );
    room.accept(disconnect(socket(3)));
    room.accept(enter(2, socket(4), Pass::Ticket));
    room.expect(present(socket(4)), []);
    room.refuse(enter(2, socket(5), Pass::Ticket), Refusal::TicketUsed);
    room.accept(disconnect(socket(4)));
    room.refuse(enter(2, socket(5), Pass::Ticket), Refusal::TicketUsed);
}

#[test]
fn a_refused_command_uses_the_ticket_up_too() {
    let mut room = Scenario::with_people(1);
    room.accept(enter(2, socket(2), Pass::Ticket));
    room.refuse(
        says(socket(2), Command::Chat { id: "a".into(), to: Some(id(9)), text: "?".into() }),
        Refusal::UnknownParticipant,
    );
    room.refuse(enter(2, socket(3), Pass::Ticket), Refusal::TicketUsed);
}

#[test]
fn a_lost_socket_keeps_the_seat_and_a_resume_takes_it_back() {
    let mut room = Scenario::with_people(2);
    room.expect(disconnect(socket(2)), [told(socket(1), Event::Disconnected(id(2)))]);
    assert_eq!(room.room.participants(), [person(1), absent(2)]);
    room.after(secs(29), []);
    let back =
        Input::Enter { connection: socket(7), participant: id(2), profile: profile(9), media: TALKING, pass: Pass::Resume };
    let talking = Participant { media: TALKING, ..person(2) };
    room.expect(
        back,
        [
            welcomed(socket(7), Welcome { resumed: true, ..welcome(2, vec![person(1), talking.clone()]) }),
            told(socket(1), Event::Returned(talking)),
        ],
    );
    room.after(secs(3_600), []);
}

#[test]
fn a_resume_uses_the_ticket_up() {
    let mut room = Scenario::with_people(1);
    room.accept(enter(2, socket(2), Pass::Ticket));
    room.accept(disconnect(socket(2)));
    room.accept(enter(2, socket(3), Pass::Resume));
    room.refuse(enter(2, socket(4), Pass::Ticket), Refusal::TicketUsed);
}

#[test]
fn a_resume_on_a_seat_with_a_live_socket_replaces_the_socket() {
    let mut room = Scenario::with_people(2);
    room.expect(
        enter(2, socket(7), Pass::Resume),
        [
            closed(socket(2), CloseReason::Replaced),
            welcomed(socket(7), Welcome { resumed: true, ..welcome(2, vec![person(1), person(2)]) }),
            told(socket(1), Event::Returned(person(2))),
        ],
    );
    room.expect(disconnect(socket(2)), []);
    room.refuse(present(socket(2)), Refusal::NotSeated);
    assert_eq!(room.room.participants(), [person(1), person(2)]);
}

#[test]
fn a_resume_of_a_seat_that_was_only_reserved_is_a_first_coming() {
    let mut room = Scenario::with_people(1);
    room.accept(reserve(2));
    room.expect(
        enter(2, socket(2), Pass::Resume),
        [welcomed(socket(2), welcome(2, vec![person(1), person(2)])), told(socket(1), Event::Joined(person(2)))],
    );
}

#[test]
fn a_socket_has_one_seat_at_most() {
    let mut room = Scenario::with_people(2);
    room.refuse(enter(3, socket(1), Pass::Ticket), Refusal::AlreadySeated);
    room.refuse(enter(1, socket(1), Pass::Resume), Refusal::AlreadySeated);
    room.refuse(enter(2, socket(1), Pass::Resume), Refusal::AlreadySeated);
}

#[test]
fn a_socket_without_a_seat_commands_nothing() {
    let mut room = Scenario::with_people(1);
    room.accept(reserve(2));
    room.refuse(present(socket(2)), Refusal::NotSeated);
    room.refuse(leave(socket(2)), Refusal::NotSeated);
    room.expect(disconnect(socket(2)), []);
}

#[test]
fn leaving_is_final() {
    let mut room = Scenario::with_people(3);
    room.expect(
        leave(socket(2)),
        [
            closed(socket(2), CloseReason::Left),
            told(socket(1), left(2, LeaveReason::Left)),
            told(socket(3), left(2, LeaveReason::Left)),
            Output::Revoke(id(2)),
        ],
    );
    room.expect(disconnect(socket(2)), []);
    room.refuse(enter(2, socket(4), Pass::Resume), Refusal::SeatGone);
    room.refuse(enter(2, socket(4), Pass::Ticket), Refusal::TicketUsed);
    assert_eq!(room.room.participants(), [person(1), person(3)]);
}

#[test]
fn leaving_makes_room_for_another() {
    let mut room = capacity(1);
    room.accept(enter(1, socket(1), Pass::Ticket));
    room.refuse(reserve(2), Refusal::Full);
    room.accept(leave(socket(1)));
    room.expect(reserve(2), []);
}

#[test]
fn a_screen_is_not_shared_on_entering_where_that_is_switched_off() {
    let mut room = Scenario::new(RoomSettings { screen_share_enabled: false, ..RoomSettings::default() });
    room.accept(Input::Enter {
        connection: socket(1),
        participant: id(1),
        profile: profile(1),
        media: SHARING,
        pass: Pass::Ticket,
    });
    assert_eq!(room.room.participants()[0].media, MediaState { screen: false, ..SHARING });
}

#[test]
fn after_a_restart_people_get_their_seats_back_and_hear_how_long_others_may_take() {
    let mut room = Scenario::rebuilt(RoomSettings::default());
    room.after(secs(10), []);
    room.expect(
        enter(2, socket(2), Pass::Resume),
        [
            welcomed(socket(2), Welcome { resumed: true, settles_in_ms: 20_000, ..welcome(2, vec![person(2)]) }),
            Output::Started(BEGIN),
        ],
    );
    // Joined before the restart, came to the socket only after it.
    room.expect(
        enter(1, socket(1), Pass::Ticket),
        [
            welcomed(socket(1), Welcome { settles_in_ms: 20_000, ..welcome(1, vec![person(2), person(1)]) }),
            told(socket(2), Event::Joined(person(1))),
        ],
    );
    room.after(secs(20), []);
    room.expect(
        enter(3, socket(3), Pass::Resume),
        [
            welcomed(socket(3), Welcome { resumed: true, ..welcome(3, vec![person(2), person(1), person(3)]) }),
            told(socket(2), Event::Joined(person(3))),
            told(socket(1), Event::Joined(person(3))),
        ],
    );
}

#[test]
fn a_reopened_room_remembers_its_beginning_and_expects_nobody_back() {
    let mut room = Scenario::new(RoomSettings::default());
    room.room = Room::reopened(RoomSettings::default(), BEGIN, room.now());
    room.advance(secs(100));
    room.expect(enter(1, socket(1), Pass::Ticket), [welcomed(socket(1), welcome(1, vec![person(1)])), Output::Started(BEGIN)]);
}

#[test]
fn the_beginning_is_when_the_first_person_entered() {
    let mut room = capacity(8);
    room.advance(secs(100));
    let started_at = room.now().wall;
    let first = Welcome { started_at, ..welcome(1, vec![person(1)]) };
    room.expect(enter(1, socket(1), Pass::Ticket), [welcomed(socket(1), first), Output::Started(started_at)]);
    room.advance(secs(100));
    let second = Welcome { started_at, ..welcome(2, vec![person(1), person(2)]) };
    room.expect(enter(2, socket(2), Pass::Ticket), [welcomed(socket(2), second), told(socket(1), Event::Joined(person(2)))]);
}

#[test]
fn in_a_full_room_an_account_takes_over_its_own_ghost_and_nobody_elses() {
    let of = |n: u8, user: u8| Input::Reserve {
        participant: id(n),
        profile: Profile { user: Some(UserId::from_bytes([user; 10])), ..profile(n) },
    };
    let seated = |n: u8| enter(n, socket(n), Pass::Ticket);
    let mut room = capacity(2);
    room.accept(of(2, 2));
    room.accept(seated(2));
    room.accept(of(3, 3));
    room.accept(seated(3));
    room.refuse(of(4, 3), Refusal::Full);
    room.accept(disconnect(socket(3)));
    room.refuse(of(4, 4), Refusal::Full);
    room.refuse(reserve(5), Refusal::Full);
    room.expect(of(4, 3), [told(socket(2), Event::Left(id(3), LeaveReason::TimedOut)), Output::Revoke(id(3))]);
    room.refuse(of(6, 6), Refusal::Full);
    // The ghost's timer went with it.
    room.after(secs(29), []);
}

#[test]
fn in_a_full_room_the_host_comes_before_those_whose_seats_are_merely_held() {
    let mut room = capacity(2);
    room.accept(reserve(2));
    room.accept(reserve(3));
    room.refuse(reserve(4), Refusal::Full);
    room.expect(reserve(1), [Output::Revoke(id(2))]);
    room.accept(enter(1, socket(1), Pass::Ticket));
    room.accept(enter(3, socket(3), Pass::Ticket));
    // Whoever has really come stays.
    room.refuse(Input::Reserve { participant: id(9), profile: Profile { role: Role::Host, ..profile(9) } }, Refusal::Full);
}
