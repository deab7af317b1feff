//! What happens when nothing happens.

use super::scenario::{
    BEGIN, Scenario, disconnect, enter, id, leave, left, line, person, present, reserve, says, secs, socket, told, welcome,
    welcomed, writes,
};
use crate::meeting::{Event, LeaveReason, Output, Pass, Refusal, RoomSettings, Timer, Welcome};

#[test]
fn a_seat_is_lost_when_nobody_comes_back_in_time() {
    let mut room = Scenario::with_people(3);
    room.accept(disconnect(socket(2)));
    room.accept(disconnect(socket(3)));
    assert_eq!(room.room.next_timer(), Some((room.now().tick.plus(secs(30)), Timer::Resume(id(2)))));
    room.after(
        secs(30),
        [
            told(socket(1), left(2, LeaveReason::TimedOut)),
            Output::Revoke(id(2)),
            told(socket(1), left(3, LeaveReason::TimedOut)),
            Output::Revoke(id(3)),
        ],
    );
    assert_eq!(room.room.participants(), [person(1)]);
}

#[test]
fn one_who_comes_back_too_late_gets_a_seat_while_there_is_one() {
    let settings = RoomSettings { capacity: 2, ..RoomSettings::default() };
    let mut room = Scenario::new(settings).seat_people(2);
    room.accept(disconnect(socket(2)));
    room.after(secs(30), [told(socket(1), left(2, LeaveReason::TimedOut)), Output::Revoke(id(2))]);
    room.refuse(enter(2, socket(3), Pass::Ticket), Refusal::TicketUsed);
    room.expect(
        enter(2, socket(3), Pass::Resume),
        [
            welcomed(socket(3), Welcome { resumed: true, ..welcome(2, vec![person(1), person(2)]) }),
            told(socket(1), Event::Joined(person(2))),
        ],
    );
    room.accept(disconnect(socket(3)));
    room.after(secs(30), [told(socket(1), left(2, LeaveReason::TimedOut)), Output::Revoke(id(2))]);
    room.accept(reserve(4));
    room.refuse(enter(2, socket(5), Pass::Resume), Refusal::Full);
}

#[test]
fn a_ticket_whose_client_never_read_its_welcome_outlives_the_seat() {
    let mut room = Scenario::with_people(1);
    room.accept(enter(2, socket(2), Pass::Ticket));
    room.accept(disconnect(socket(2)));
    room.after(secs(30), [told(socket(1), left(2, LeaveReason::TimedOut)), Output::Revoke(id(2))]);
    room.expect(
        enter(2, socket(3), Pass::Ticket),
        [welcomed(socket(3), welcome(2, vec![person(1), person(2)])), told(socket(1), Event::Joined(person(2)))],
    );
}

#[test]
fn a_resume_that_is_handled_before_the_timer_is_in_time() {
    let mut room = Scenario::with_people(2);
    room.accept(disconnect(socket(2)));
    room.advance(secs(31));
    room.expect(
        enter(2, socket(3), Pass::Resume),
        [
            welcomed(socket(3), Welcome { resumed: true, ..welcome(2, vec![person(1), person(2)]) }),
            told(socket(1), Event::Returned(person(2))),
        ],
    );
    room.after(secs(60), []);
}

#[test]
fn a_second_loss_gives_a_whole_resume_window_again() {
    let mut room = Scenario::with_people(2);
    room.accept(disconnect(socket(2)));
    room.after(secs(20), []);
    room.accept(enter(2, socket(3), Pass::Resume));
    room.accept(disconnect(socket(3)));
    room.after(secs(29), []);
    room.after(secs(1), [told(socket(1), left(2, LeaveReason::TimedOut)), Output::Revoke(id(2))]);
}

#[test]
fn a_reservation_that_is_not_taken_frees_the_seat_without_a_word() {
    let settings = RoomSettings { capacity: 2, ..RoomSettings::default() };
    let mut room = Scenario::new(settings).seat_people(1);
    room.accept(reserve(2));
    room.after(secs(29), []);
    room.refuse(reserve(3), Refusal::Full);
    room.after(secs(1), [Output::Revoke(id(2))]);
    room.expect(reserve(3), []);
    room.after(secs(30), [Output::Revoke(id(3))]);
    // The ticket is good for as long as whoever signed it says; the seat is there.
    room.accept(enter(2, socket(2), Pass::Ticket));
}

#[test]
fn one_who_left_and_is_let_in_anew_starts_afresh() {
    let mut room = Scenario::with_people(2);
    room.accept(leave(socket(2)));
    room.accept(reserve(2));
    room.after(secs(30), [Output::Revoke(id(2))]);
    room.accept(enter(2, socket(3), Pass::Ticket));
}

#[test]
fn a_reservation_that_is_taken_does_not_run_out() {
    let mut room = Scenario::new(RoomSettings::default());
    room.accept(reserve(1));
    room.after(secs(29), []);
    room.accept(enter(1, socket(1), Pass::Ticket));
    room.after(secs(3_600), []);
    assert_eq!(room.room.poll_timeout(), None);
}

#[test]
fn a_room_that_nobody_enters_is_emptied() {
    let mut room = Scenario::new(RoomSettings::default());
    room.after(secs(299), []);
    room.after(secs(1), [Output::Emptied]);
    assert_eq!(room.room.poll_timeout(), None);
    room.accept(reserve(1));
    room.after(secs(30), [Output::Revoke(id(1))]);
    room.after(secs(300), [Output::Emptied]);
}

#[test]
fn a_rebuilt_room_to_which_nobody_returns_is_emptied() {
    let mut room = Scenario::rebuilt(RoomSettings::default());
    assert_eq!(room.room.next_timer().map(|(_, timer)| timer), Some(Timer::Settle));
    room.after(secs(30), []);
    assert_eq!(room.room.next_timer().map(|(_, timer)| timer), Some(Timer::Empty));
    room.after(secs(270), [Output::Emptied]);
}

#[test]
fn a_room_is_emptied_a_while_after_the_last_seat_and_forgets_its_chat() {
    let mut room = Scenario::with_people(1);
    room.accept(says(socket(1), writes("a", None, "anybody there?")));
    room.accept(disconnect(socket(1)));
    room.after(secs(30), [Output::Revoke(id(1))]);
    room.after(secs(300), [Output::Emptied]);
    room.expect(
        enter(1, socket(2), Pass::Resume),
        [welcomed(socket(2), Welcome { resumed: true, ..welcome(1, vec![person(1)]) }), Output::Started(BEGIN)],
    );
}

#[test]
fn a_room_that_is_entered_again_in_time_goes_on() {
    let mut room = Scenario::with_people(1);
    room.accept(says(socket(1), writes("a", None, "back in a minute")));
    room.accept(leave(socket(1)));
    assert!(room.room.is_empty());
    room.after(secs(299), []);
    room.expect(
        enter(2, socket(2), Pass::Ticket),
        [welcomed(socket(2), Welcome { chat: vec![line(1, "a", None, "back in a minute")], ..welcome(2, vec![person(2)]) })],
    );
    room.accept(present(socket(2)));
    room.after(secs(3_600), []);
    assert_eq!(room.room.participants(), [person(2)]);
    assert!(room.now().wall > BEGIN);
}

#[test]
fn a_reserved_or_disconnected_seat_keeps_the_room_from_being_empty() {
    let mut room = Scenario::with_people(1);
    room.accept(disconnect(socket(1)));
    assert!(!room.room.is_empty());
    assert_eq!(room.room.next_timer().map(|(_, timer)| timer), Some(Timer::Resume(id(1))));
    room.after(secs(29), []);
    room.accept(reserve(2));
    room.after(secs(1), [Output::Revoke(id(1))]);
    assert_eq!(room.room.next_timer().map(|(_, timer)| timer), Some(Timer::Reservation(id(2))));
}
