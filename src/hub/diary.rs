//! What is written down of one room: lines in the log, by which one can follow a meeting without knowing who was in it, and sums.
//!
//! Lines name the meeting by its [label](RoomId::label), since its code would let their readers in, and people by their seats.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::relayed::SeatStart;
use super::tally::Tally;
use crate::clock::Tick;
use crate::ids::{ParticipantId, RoomId};
use crate::meeting::{EndReason, Profile, Role};
use crate::turn::Traffic;

/// The diary of one room, for as long as it is open.
#[derive(Debug)]
pub(super) struct Diary {
    meeting: String,
    tally: Arc<Tally>,
    sitting: Option<Sitting>,
    /// Of those who have taken a seat.
    seats: HashMap<ParticipantId, SeatStart>,
}

/// From the first person who enters to the last who leaves.
#[derive(Clone, Copy, Debug)]
struct Sitting {
    began: Tick,
    /// Since when nobody has a seat.
    empty: Option<Tick>,
    /// How many seats were taken.
    people: u64,
}

impl Diary {
    pub(super) fn new(room: RoomId, tally: Arc<Tally>) -> Self {
        Self { meeting: room.label(), tally, sitting: None, seats: HashMap::new() }
    }

    /// Somebody has taken a seat, or has come back to it. With what was relayed for them in seats before.
    pub(super) fn entered(&mut self, participant: ParticipantId, profile: &Profile, relayed: Option<Traffic>, now: Tick) {
        let meeting = &self.meeting;
        if self.seats.contains_key(&participant) {
            tracing::debug!(event = "participant_returned", %meeting, %participant, "somebody is back");
            return;
        }
        self.seats.insert(participant, SeatStart::new(relayed, now));
        self.tally.count(|totals| totals.joined += 1);
        if let Some(sitting) = &mut self.sitting {
            sitting.people += 1;
        }
        let (guest, host) = (profile.user.is_none(), profile.role == Role::Host);
        tracing::info!(event = "participant_joined", %meeting, %participant, guest, host, "somebody joined");
    }

    /// A seat is given up. With what was relayed for its person in all, where there is a relay.
    pub(super) fn left(&mut self, participant: ParticipantId, relayed: Option<Traffic>, now: Tick) {
        // Who never came has no start.
        let Some(start) = self.seats.remove(&participant) else { return };
        let of_seat = start.end(relayed, now);
        let (relayed, relayed_bytes, seconds) = (of_seat.is_the_call(), of_seat.bytes, of_seat.time.as_secs());
        self.tally.count(|totals| if relayed { totals.left_relayed += 1 } else { totals.left_direct += 1 });
        let meeting = &self.meeting;
        tracing::info!(event = "participant_left", %meeting, %participant, seconds, relayed, relayed_bytes, "somebody left");
    }

    /// So many seats are taken or held now.
    pub(super) fn seats(&mut self, count: usize, now: Tick) {
        if let Some(sitting) = &mut self.sitting {
            sitting.empty = if count == 0 { sitting.empty.or(Some(now)) } else { None };
        }
    }

    /// Somebody is in the room now, and nobody was.
    pub(super) fn started(&mut self, now: Tick) {
        self.sitting = Some(Sitting { began: now, empty: None, people: self.seats.len() as u64 });
        self.tally.count(|totals| totals.meetings_started += 1);
        tracing::info!(event = "meeting_started", meeting = %self.meeting, "somebody entered an empty meeting");
    }

    /// Nobody has been in the room for a while.
    pub(super) fn emptied(&mut self, now: Tick) {
        let (people, seconds) = self.rise(now);
        tracing::info!(event = "meeting_emptied", meeting = %self.meeting, seconds, people, "nobody has been in a meeting for a while");
    }

    /// The meeting is over.
    pub(super) fn ended(&mut self, reason: EndReason, now: Tick) {
        let (people, seconds) = self.rise(now);
        let reason = match reason {
            EndReason::EndedByHost => "ended_by_host",
            EndReason::Deleted => "deleted",
        };
        tracing::info!(event = "meeting_ended", meeting = %self.meeting, reason, seconds, people, "a meeting is over");
    }

    /// Ends the sitting, if there is one. How many people it had, and for how many seconds.
    fn rise(&mut self, now: Tick) -> (u64, u64) {
        let Some(sitting) = self.sitting.take() else { return (0, 0) };
        let duration: Duration = sitting.empty.unwrap_or(now).since(sitting.began);
        self.tally.count(|totals| totals.durations.add(duration));
        (sitting.people, duration.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Totals;

    struct Room {
        diary: Diary,
        tally: Arc<Tally>,
        now: Tick,
    }

    impl Room {
        fn new() -> Self {
            let tally = Arc::new(Tally::default());
            Self { diary: Diary::new(RoomId::random(), Arc::clone(&tally)), tally, now: Tick::default() }
        }

        fn enter(&mut self, who: u8) {
            let profile = Profile { name: "Ben".into(), user: None, role: Role::Participant };
            self.diary.entered(ParticipantId::from_bytes([who; 10]), &profile, None, self.now);
        }

        fn leave(&mut self, who: u8, bytes: u64) {
            let moved = Traffic { bytes_in: bytes, ..Traffic::default() };
            self.diary.left(ParticipantId::from_bytes([who; 10]), Some(moved), self.now);
        }

        fn wait(&mut self, seconds: u64) {
            self.now = self.now.plus(Duration::from_secs(seconds));
        }
    }

    #[test]
    fn a_meeting_lasts_from_the_first_to_the_last_person_in_it() {
        let mut room = Room::new();
        room.enter(1);
        room.diary.started(room.now);
        room.diary.seats(1, room.now);
        room.wait(100);
        room.enter(2);
        room.enter(1);
        room.leave(1, 90_000_000);
        room.wait(100);
        room.leave(2, 0);
        room.leave(3, 0);
        room.diary.seats(0, room.now);
        room.wait(300);
        room.diary.seats(0, room.now);
        assert_eq!(room.diary.sitting.map(|sitting| sitting.people), Some(2));
        room.diary.emptied(room.now);
        let mut durations = crate::hub::Durations::default();
        durations.add(Duration::from_secs(200));
        let expected = Totals { meetings_started: 1, durations, joined: 2, left_direct: 1, left_relayed: 1, ..Totals::default() };
        assert_eq!(room.tally.totals(), expected);
    }

    #[test]
    fn a_pause_without_anybody_belongs_to_a_meeting_that_goes_on() {
        let mut room = Room::new();
        room.enter(1);
        room.diary.started(room.now);
        room.diary.seats(0, room.now);
        room.wait(60);
        room.diary.seats(1, room.now);
        room.wait(60);
        room.diary.ended(EndReason::EndedByHost, room.now);
        room.diary.ended(EndReason::EndedByHost, room.now);
        let Totals { durations, .. } = room.tally.totals();
        assert_eq!((durations.seconds, durations.counts.iter().sum::<u64>()), (120, 1));
    }
}
