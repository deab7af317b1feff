//! Rooms that open, close and are looked for at the same time.

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::ids::UserId;
use crate::meeting::{Event, Meeting, Role, Settings as MeetingSettings};
use crate::store;

struct House {
    hub: Hub,
    room: RoomId,
    _dir: TempDir,
}

/// A hub whose rooms are closed as soon as nobody is in them, and one meeting.
async fn house(empty_after: Duration) -> House {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(store::Settings { min_free_bytes: 0, ..store::Settings::new(dir.path().join("store")) }).unwrap();
    let meeting = Meeting {
        room: RoomId::random(),
        host: UserId::random(),
        host_name: "Ada".into(),
        title: "Standup".into(),
        description: String::new(),
        scheduled_at: None,
        settings: MeetingSettings {
            max_participants: 6,
            recording_enabled: false,
            chat_enabled: true,
            screen_share_enabled: true,
            require_approval: false,
            allowed_domains: Vec::new(),
            guests_allowed: true,
        },
        status: Status::Waiting,
        created_at: Now::read().wall,
        started_at: None,
        ended_at: None,
    };
    let room = meeting.room;
    store.create_meeting(meeting).await.unwrap();
    let settings = Settings { capacity: 6, resume_window: Duration::from_secs(30), empty_after };
    House { hub: Hub::new(settings, store, None, Tasks::new()), room, _dir: dir }
}

fn profile() -> Profile {
    Profile { name: "Ben".into(), user: None, role: Role::Participant }
}

fn entry(participant: ParticipantId) -> (Entry, Inbox) {
    let (outbox, inbox) = outbox();
    (Entry { participant, profile: profile(), media: MediaState::default(), pass: Pass::Ticket, outbox }, inbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn m9_a_room_that_is_just_closing_takes_in_whoever_comes() {
    let house = house(Duration::ZERO).await;
    for _ in 0..300 {
        let participant = ParticipantId::random();
        house.hub.reserve(house.room, participant, profile()).await.unwrap();
        let (entry, mut inbox) = entry(participant);
        let seat = house.hub.enter(house.room, entry).await.unwrap();
        assert!(matches!(inbox.next().await, Some(Delivery::Event(Event::Welcome(_)))));
        seat.command(Command::Leave).await.unwrap();
        // The room may be open, closing or closed by now.
    }
    assert_eq!(house.hub.participants(house.room).await, []);
}

#[tokio::test]
async fn m9_a_seat_that_was_held_as_the_room_emptied_is_still_held() {
    let house = house(Duration::from_millis(50)).await;
    let participant = ParticipantId::random();
    house.hub.reserve(house.room, participant, profile()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (entry, _inbox) = entry(participant);
    let seat = house.hub.enter(house.room, entry).await.unwrap();
    assert_eq!(house.hub.participants(house.room).await.len(), 1);
    drop(seat);
}

#[tokio::test]
async fn r30_a_session_that_ends_in_whatever_way_tells_its_room() {
    let house = house(Duration::from_secs(300)).await;
    let (entry, _inbox) = entry(ParticipantId::random());
    let seat = house.hub.enter(house.room, entry).await.unwrap();
    let session = tokio::task::spawn_blocking(move || {
        let _seat = seat;
        std::panic::resume_unwind(Box::new("the session fails"));
    });
    assert!(session.await.is_err());
    assert!(!house.hub.participants(house.room).await[0].connected);
}

#[tokio::test]
async fn m4_an_ended_meeting_is_not_opened_again() {
    let house = house(Duration::from_secs(300)).await;
    house.hub.reserve(house.room, ParticipantId::random(), profile()).await.unwrap();
    house.hub.inner.store.end_meeting(house.room, Now::read().wall).await.unwrap();
    house.hub.end(house.room, EndReason::EndedByHost).await;
    let late = house.hub.reserve(house.room, ParticipantId::random(), profile()).await;
    assert!(matches!(late, Err(HubError::Ended)), "{late:?}");
    let nowhere = house.hub.reserve(RoomId::random(), ParticipantId::random(), profile()).await;
    assert!(matches!(nowhere, Err(HubError::NotFound)), "{nowhere:?}");
}
