use super::*;
use crate::ids::{RoomId, UserId};
use crate::meeting::{Meeting, Settings as MeetingSettings, Status};

const ALL: MeetingFilter = MeetingFilter { status: None, limit: usize::MAX, skip: 0 };

pub(super) fn meeting(host: UserId, created: u64) -> Meeting {
    Meeting {
        room: RoomId::random(),
        host,
        host_name: String::from("Ada"),
        title: format!("Meeting of {created}"),
        description: String::from("zwölf Äpfel"),
        scheduled_at: Some(at(9000)),
        settings: MeetingSettings {
            max_participants: 12,
            recording_enabled: false,
            chat_enabled: true,
            screen_share_enabled: true,
            require_approval: false,
            allowed_domains: vec![String::from("example.org")],
            guests_allowed: true,
        },
        status: Status::Waiting,
        created_at: at(created),
        started_at: None,
        ended_at: None,
    }
}

fn titles(meetings: &[Meeting]) -> Vec<&str> {
    meetings.iter().map(|meeting| meeting.title.as_str()).collect()
}

#[tokio::test]
async fn a_meeting_survives_a_restart_and_its_code_is_taken() {
    let place = Place::new();
    let store = place.open();
    let planned = meeting(UserId::random(), 0);
    store.create_meeting(planned.clone()).await.unwrap();

    let store = place.reopen(store).await;
    assert_eq!(store.meeting(planned.room).await.unwrap().as_ref(), Some(&planned));
    assert_eq!(store.meeting(RoomId::random()).await.unwrap(), None);
    let twin = Meeting { title: String::from("another"), ..planned.clone() };
    assert_eq!(store.create_meeting(twin).await, Err(StoreError::RoomTaken));
    assert_eq!(store.meeting(planned.room).await.unwrap(), Some(planned));
}

#[tokio::test]
async fn a_list_is_newest_first_and_pages_and_holds_ones_own_only() {
    let place = Place::new();
    let store = place.open();
    let (host, other) = (UserId::random(), UserId::random());
    for created in [3, 1, 4, 2, 5] {
        store.create_meeting(meeting(host, created)).await.unwrap();
    }
    store.create_meeting(meeting(other, 9)).await.unwrap();

    let (list, total) = store.meetings_of(host, ALL).await.unwrap();
    assert_eq!(titles(&list), ["Meeting of 5", "Meeting of 4", "Meeting of 3", "Meeting of 2", "Meeting of 1"]);
    assert_eq!(total, 5);
    let (list, total) = store.meetings_of(host, MeetingFilter { limit: 2, skip: 1, ..ALL }).await.unwrap();
    assert_eq!((titles(&list), total), (vec!["Meeting of 4", "Meeting of 3"], 5));
    let (list, total) = store.meetings_of(host, MeetingFilter { limit: 2, skip: 7, ..ALL }).await.unwrap();
    assert_eq!((list, total), (vec![], 5));
    assert_eq!(store.meetings_of(UserId::random(), ALL).await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn a_list_by_status_follows_every_change() {
    let place = Place::new();
    let store = place.open();
    let host = UserId::random();
    let plans: Vec<_> = (0..4).map(|created| meeting(host, created)).collect();
    for plan in &plans {
        store.create_meeting(plan.clone()).await.unwrap();
    }
    store.mark_active(plans[0].room, at(10)).await.unwrap();
    store.mark_active(plans[1].room, at(10)).await.unwrap();
    store.mark_waiting(plans[1].room).await.unwrap();
    store.end_meeting(plans[2].room, at(10)).await.unwrap();

    let store = place.reopen(store).await;
    let expected = [
        (Status::Active, vec!["Meeting of 0"]),
        (Status::Waiting, vec!["Meeting of 3", "Meeting of 1"]),
        (Status::Ended, vec!["Meeting of 2"]),
    ];
    for (status, expected) in expected {
        let (list, total) = store.meetings_of(host, MeetingFilter { status: Some(status), ..ALL }).await.unwrap();
        assert_eq!((titles(&list), total), (expected.clone(), expected.len()));
        assert!(list.iter().all(|meeting| meeting.status == status));
    }
    let page = MeetingFilter { status: Some(Status::Waiting), limit: 1, skip: 1 };
    let (list, total) = store.meetings_of(host, page).await.unwrap();
    assert_eq!((titles(&list), total), (vec!["Meeting of 1"], 2));
}

#[tokio::test]
async fn the_start_is_kept_and_the_active_ones_are_known_after_a_restart() {
    let place = Place::new();
    let store = place.open();
    let plan = meeting(UserId::random(), 0);
    store.create_meeting(plan.clone()).await.unwrap();
    store.mark_active(plan.room, at(10)).await.unwrap();
    store.mark_waiting(plan.room).await.unwrap();
    assert_eq!(store.active_meetings().await.unwrap(), []);
    store.mark_active(plan.room, at(20)).await.unwrap();

    let store = place.reopen(store).await;
    let active = Meeting { status: Status::Active, started_at: Some(at(10)), ..plan };
    assert_eq!(store.active_meetings().await.unwrap(), [active]);
}

#[tokio::test]
async fn an_ended_meeting_stays_ended_with_its_time() {
    let place = Place::new();
    let store = place.open();
    let plan = meeting(UserId::random(), 0);
    store.create_meeting(plan.clone()).await.unwrap();
    store.mark_active(plan.room, at(10)).await.unwrap();
    let ended = Meeting { status: Status::Ended, started_at: Some(at(10)), ended_at: Some(at(20)), ..plan.clone() };
    assert_eq!(store.end_meeting(plan.room, at(20)).await.unwrap().as_ref(), Some(&ended));
    assert_eq!(store.end_meeting(plan.room, at(30)).await.unwrap().as_ref(), Some(&ended));
    store.mark_active(plan.room, at(40)).await.unwrap();
    store.mark_waiting(plan.room).await.unwrap();
    assert_eq!(store.meeting(plan.room).await.unwrap(), Some(ended));
    assert_eq!(store.active_meetings().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_said_of_an_unknown_meeting_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    let room = RoomId::random();
    store.mark_active(room, at(0)).await.unwrap();
    store.mark_waiting(room).await.unwrap();
    assert_eq!(store.end_meeting(room, at(0)).await.unwrap(), None);
    assert!(!store.delete_meeting(room).await.unwrap());
    assert_eq!(store.meeting(room).await.unwrap(), None);
    assert_eq!(store.active_meetings().await.unwrap(), []);
}

#[tokio::test]
async fn a_deleted_meeting_is_gone_from_everywhere() {
    let place = Place::new();
    let store = place.open();
    let (gone, kept) = (meeting(UserId::random(), 0), meeting(UserId::random(), 0));
    for plan in [&gone, &kept] {
        store.create_meeting(plan.clone()).await.unwrap();
        store.mark_active(plan.room, at(1)).await.unwrap();
    }
    assert!(store.delete_meeting(gone.room).await.unwrap());
    assert!(!store.delete_meeting(gone.room).await.unwrap());

    let store = place.reopen(store).await;
    assert_eq!(store.meeting(gone.room).await.unwrap(), None);
    assert_eq!(store.meetings_of(gone.host, ALL).await.unwrap(), (vec![], 0));
    let rooms: Vec<_> = store.active_meetings().await.unwrap().into_iter().map(|meeting| meeting.room).collect();
    assert_eq!(rooms, [kept.room]);
}
