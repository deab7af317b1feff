//! The end of a meeting.

use super::scenario::{Scenario, closed, disconnect, enter, id, leave, present, reserve, secs, socket, told};
use crate::meeting::{CloseReason, EndReason, Event, Input, Output, Pass, Refusal, RoomSettings};

const END: Input = Input::End { reason: EndReason::EndedByHost };

#[test]
fn everybody_is_told_and_closed_and_every_seat_is_revoked() {
    let mut room = Scenario::with_people(3);
    room.accept(disconnect(socket(2)));
    room.accept(reserve(4));
    room.expect(
        END,
        [
            told(socket(1), Event::Ended(EndReason::EndedByHost)),
            closed(socket(1), CloseReason::Ended),
            told(socket(3), Event::Ended(EndReason::EndedByHost)),
            closed(socket(3), CloseReason::Ended),
            Output::Revoke(id(1)),
            Output::Revoke(id(2)),
            Output::Revoke(id(3)),
            Output::Revoke(id(4)),
            Output::Ended(EndReason::EndedByHost),
        ],
    );
    assert!(room.room.is_over() && room.room.is_empty());
}

#[test]
fn everything_after_the_end_is_refused_and_nothing_happens_any_more() {
    let mut room = Scenario::with_people(2);
    room.accept(disconnect(socket(2)));
    room.accept(END);
    for input in [
        reserve(3),
        enter(3, socket(3), Pass::Ticket),
        enter(2, socket(3), Pass::Resume),
        present(socket(1)),
        leave(socket(1)),
        disconnect(socket(1)),
        END,
        Input::End { reason: EndReason::Deleted },
    ] {
        room.refuse(input, Refusal::MeetingEnded);
    }
    assert_eq!(room.room.poll_timeout(), None);
    room.after(secs(86_400), []);
}

#[test]
fn a_room_that_nobody_is_in_can_end_too() {
    let mut room = Scenario::new(RoomSettings::default());
    room.expect(Input::End { reason: EndReason::Deleted }, [Output::Ended(EndReason::Deleted)]);
}
