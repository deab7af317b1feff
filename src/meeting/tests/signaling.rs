//! Negotiation and media states.

use super::scenario::{
    QUIET, SHARING, Scenario, TALKING, disconnect, enter, id, leave, offer, reserve, says, signal_to, socket, told,
};
use crate::meeting::{Candidate, Command, Event, Pass, Refusal, RoomSettings, Signal};

#[test]
fn a_signal_reaches_its_peer_untouched_and_nobody_else() {
    let mut room = Scenario::with_people(3);
    let candidate = Candidate {
        candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host \u{0}\r\n".into(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: Some(0),
        username_fragment: None,
    };
    for signal in [offer(), Signal::Answer("not even SDP".into()), Signal::Candidate(candidate)] {
        room.expect(says(socket(1), signal_to(3, signal.clone())), [told(socket(3), Event::Signal { from: id(1), signal })]);
    }
}

#[test]
fn a_signal_follows_its_peer_to_another_socket() {
    let mut room = Scenario::with_people(2);
    room.accept(disconnect(socket(2)));
    room.accept(enter(2, socket(7), Pass::Resume));
    room.expect(says(socket(1), signal_to(2, offer())), [told(socket(7), Event::Signal { from: id(1), signal: offer() })]);
}

#[test]
fn a_signal_to_nobody_or_oneself_is_refused() {
    let mut room = Scenario::with_people(2);
    room.refuse(says(socket(1), signal_to(9, offer())), Refusal::UnknownParticipant);
    room.refuse(says(socket(1), signal_to(1, offer())), Refusal::UnknownParticipant);
    room.accept(leave(socket(2)));
    room.refuse(says(socket(1), signal_to(2, offer())), Refusal::UnknownParticipant);
}

#[test]
fn a_signal_to_one_without_a_socket_is_refused_as_away() {
    let mut room = Scenario::with_people(2);
    room.accept(reserve(3));
    room.accept(disconnect(socket(2)));
    room.refuse(says(socket(1), signal_to(2, offer())), Refusal::ParticipantAway);
    room.refuse(says(socket(1), signal_to(3, offer())), Refusal::ParticipantAway);
}

#[test]
fn a_switch_is_told_to_the_others_once() {
    let mut room = Scenario::with_people(3);
    room.expect(
        says(socket(1), Command::SetMedia(TALKING)),
        [told(socket(2), Event::Media(id(1), TALKING)), told(socket(3), Event::Media(id(1), TALKING))],
    );
    room.expect(says(socket(1), Command::SetMedia(TALKING)), []);
    room.accept(disconnect(socket(3)));
    room.expect(says(socket(1), Command::SetMedia(QUIET)), [told(socket(2), Event::Media(id(1), QUIET))]);
}

#[test]
fn a_screen_is_shared_only_where_that_is_allowed() {
    let mut room = Scenario::new(RoomSettings { screen_share_enabled: false, ..RoomSettings::default() }).seat_people(2);
    room.refuse(says(socket(1), Command::SetMedia(SHARING)), Refusal::ScreenShareDisabled);
    assert_eq!(room.room.participants()[0].media, QUIET);
    let mut room = Scenario::with_people(2);
    room.expect(says(socket(1), Command::SetMedia(SHARING)), [told(socket(2), Event::Media(id(1), SHARING))]);
}
