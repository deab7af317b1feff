//! Meetings, as they are planned and remembered.

use serde::{Deserialize, Serialize};

use super::codec::Fault;
use super::tables::{Changes, Table, Tables, damaged};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{RoomId, UserId};
use crate::meeting::{Meeting, Settings, Status};

/// Which of somebody's meetings to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeetingFilter {
    /// Only those that stand so.
    pub status: Option<Status>,
    /// At most so many.
    pub limit: usize,
    /// After leaving out so many of the newest.
    pub skip: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeetingRecord {
    host: String,
    host_name: String,
    title: String,
    description: String,
    scheduled_at: Option<u64>,
    settings: SettingsRecord,
    status: StatusRecord,
    created_at: u64,
    started_at: Option<u64>,
    ended_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsRecord {
    max_participants: u32,
    recording_enabled: bool,
    chat_enabled: bool,
    screen_share_enabled: bool,
    require_approval: bool,
    allowed_domains: Vec<String>,
    guests_allowed: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusRecord {
    Waiting,
    Active,
    Ended,
}

impl Store {
    /// Keeps a new meeting.
    ///
    /// # Errors
    /// [`StoreError::RoomTaken`] when its code is in use.
    pub async fn create_meeting(&self, meeting: Meeting) -> Result<(), StoreError> {
        self.write(move |tables, changes| {
            if find(tables, meeting.room)?.is_some() {
                return Err(StoreError::RoomTaken);
            }
            put(changes, &meeting)
        })
        .await
    }

    /// The meeting with this code.
    pub async fn meeting(&self, room: RoomId) -> Result<Option<Meeting>, StoreError> {
        self.read(move |tables| find(tables, room)).await
    }

    /// Somebody's meetings, newest first, and how many there are in all that the filter's status lets through.
    pub async fn meetings_of(&self, host: UserId, filter: MeetingFilter) -> Result<(Vec<Meeting>, usize), StoreError> {
        self.read(move |tables| {
            let (mut found, mut total) = (Vec::new(), 0);
            for entry in tables.scan(Table::MeetingsByHost, host.as_bytes()) {
                let (key, status) = entry?;
                if filter.status.is_some_and(|wanted| status != [status_byte(wanted)]) {
                    continue;
                }
                total += 1;
                if total > filter.skip && found.len() < filter.limit {
                    let room = room_of(Table::MeetingsByHost, &key, key.get(HOST_KEY_ROOM..))?;
                    // It may have been deleted since the list was begun.
                    found.extend(find(tables, room)?);
                }
            }
            Ok((found, total))
        })
        .await
    }

    /// Notes that somebody is in the meeting. The first time is kept as its start; an ended meeting stays as it is.
    pub async fn mark_active(&self, room: RoomId, now: Timestamp) -> Result<(), StoreError> {
        self.change(room, move |meeting| {
            meeting.status = Status::Active;
            meeting.started_at.get_or_insert(now);
        })
        .await
    }

    /// Notes that nobody is in the meeting any more. An ended meeting stays as it is.
    pub async fn mark_waiting(&self, room: RoomId) -> Result<(), StoreError> {
        self.change(room, |meeting| meeting.status = Status::Waiting).await
    }

    /// Ends a meeting for good and returns it; one that has ended already keeps its time. `None` when there is no such meeting.
    pub async fn end_meeting(&self, room: RoomId, now: Timestamp) -> Result<Option<Meeting>, StoreError> {
        self.write(move |tables, changes| {
            let Some(mut meeting) = find(tables, room)? else { return Ok(None) };
            if meeting.status != Status::Ended {
                meeting.status = Status::Ended;
                meeting.ended_at = Some(now);
                put(changes, &meeting)?;
            }
            Ok(Some(meeting))
        })
        .await
    }

    /// Forgets a meeting. False when there was none.
    pub async fn delete_meeting(&self, room: RoomId) -> Result<bool, StoreError> {
        self.write(move |tables, changes| {
            let Some(meeting) = find(tables, room)? else { return Ok(false) };
            changes.remove(Table::Meetings, room_key(room));
            changes.remove(Table::MeetingsByHost, host_key(&meeting));
            changes.remove(Table::MeetingsActive, room_key(room));
            Ok(true)
        })
        .await
    }

    /// The meetings that somebody is in, or was in when the program stopped.
    pub async fn active_meetings(&self) -> Result<Vec<Meeting>, StoreError> {
        self.read(|tables| {
            let mut found = Vec::new();
            for entry in tables.scan(Table::MeetingsActive, b"") {
                let (key, _) = entry?;
                found.extend(find(tables, room_of(Table::MeetingsActive, &key, Some(&key))?)?);
            }
            Ok(found)
        })
        .await
    }

    /// Changes a meeting that is there and has not ended.
    async fn change(&self, room: RoomId, change: impl FnOnce(&mut Meeting) + Send + 'static) -> Result<(), StoreError> {
        self.write(move |tables, changes| {
            let Some(before) = find(tables, room)?.filter(|meeting| meeting.status != Status::Ended) else { return Ok(()) };
            let mut after = before.clone();
            change(&mut after);
            if after == before { Ok(()) } else { put(changes, &after) }
        })
        .await
    }
}

fn room_key(room: RoomId) -> String {
    room.to_string()
}

/// Where the code begins in a key by host: after the id and the time.
const HOST_KEY_ROOM: usize = 10 + 8;

fn host_key(meeting: &Meeting) -> Vec<u8> {
    let newest_first = !meeting.created_at.as_millis();
    [meeting.host.as_bytes().as_slice(), &newest_first.to_be_bytes(), room_key(meeting.room).as_bytes()].concat()
}

const fn status_byte(status: Status) -> u8 {
    match status {
        Status::Waiting => b'w',
        Status::Active => b'a',
        Status::Ended => b'e',
    }
}

fn room_of(table: Table, key: &[u8], code: Option<&[u8]>) -> Result<RoomId, StoreError> {
    let code = code.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
    code.ok_or_else(|| damaged(table, key, Fault::Content))
}

/// Writes a meeting and everything that points to it. Host and time of creation never change.
fn put(changes: &mut Changes, meeting: &Meeting) -> Result<(), StoreError> {
    changes.put(Table::Meetings, room_key(meeting.room), &MeetingRecord::from(meeting))?;
    changes.put_raw(Table::MeetingsByHost, host_key(meeting), &[status_byte(meeting.status)])?;
    if meeting.status == Status::Active {
        changes.put_raw(Table::MeetingsActive, room_key(meeting.room), b"")?;
    } else {
        changes.remove(Table::MeetingsActive, room_key(meeting.room));
    }
    Ok(())
}

fn find(tables: &Tables, room: RoomId) -> Result<Option<Meeting>, StoreError> {
    let key = room_key(room);
    let Some(record) = tables.get::<MeetingRecord>(Table::Meetings, key.as_bytes())? else { return Ok(None) };
    let host = record.host.parse().map_err(|_| damaged(Table::Meetings, key.as_bytes(), Fault::Content))?;
    Ok(Some(record.into_meeting(room, host)))
}

impl From<&Meeting> for MeetingRecord {
    fn from(meeting: &Meeting) -> Self {
        Self {
            host: meeting.host.to_string(),
            host_name: meeting.host_name.clone(),
            title: meeting.title.clone(),
            description: meeting.description.clone(),
            scheduled_at: meeting.scheduled_at.map(Timestamp::as_millis),
            settings: SettingsRecord {
                max_participants: meeting.settings.max_participants,
                recording_enabled: meeting.settings.recording_enabled,
                chat_enabled: meeting.settings.chat_enabled,
                screen_share_enabled: meeting.settings.screen_share_enabled,
                require_approval: meeting.settings.require_approval,
                allowed_domains: meeting.settings.allowed_domains.clone(),
                guests_allowed: meeting.settings.guests_allowed,
            },
            status: match meeting.status {
                Status::Waiting => StatusRecord::Waiting,
                Status::Active => StatusRecord::Active,
                Status::Ended => StatusRecord::Ended,
            },
            created_at: meeting.created_at.as_millis(),
            started_at: meeting.started_at.map(Timestamp::as_millis),
            ended_at: meeting.ended_at.map(Timestamp::as_millis),
        }
    }
}

impl MeetingRecord {
    fn into_meeting(self, room: RoomId, host: UserId) -> Meeting {
        Meeting {
            room,
            host,
            host_name: self.host_name,
            title: self.title,
            description: self.description,
            scheduled_at: self.scheduled_at.map(Timestamp::from_millis),
            settings: Settings {
                max_participants: self.settings.max_participants,
                recording_enabled: self.settings.recording_enabled,
                chat_enabled: self.settings.chat_enabled,
                screen_share_enabled: self.settings.screen_share_enabled,
                require_approval: self.settings.require_approval,
                allowed_domains: self.settings.allowed_domains,
                guests_allowed: self.settings.guests_allowed,
            },
            status: match self.status {
                StatusRecord::Waiting => Status::Waiting,
                StatusRecord::Active => Status::Active,
                StatusRecord::Ended => Status::Ended,
            },
            created_at: Timestamp::from_millis(self.created_at),
            started_at: self.started_at.map(Timestamp::from_millis),
            ended_at: self.ended_at.map(Timestamp::from_millis),
        }
    }
}
