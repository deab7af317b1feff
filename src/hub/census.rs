//! Who is here, for those who only want to count. No room is asked, so that a busy one delays nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{ConnectionOutcome, Hub, RelayCounters, RoomHandle, Totals};
use crate::clock::Timestamp;
use crate::meeting::Meeting;
use crate::turn::Relay;

/// What goes on, in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Meetings in which somebody holds a seat.
    pub meetings: usize,
    /// Seats that are taken or held.
    pub seats: usize,
    /// What rooms have done since the program started.
    pub totals: Totals,
    /// What the relay has done, where there is one.
    pub relay: Option<RelayCounters>,
    /// Whether the relay did what it is for when it last tested itself; `None` before the first test has ended.
    pub relay_works: Option<bool>,
}

/// A meeting in which somebody holds a seat.
#[derive(Clone, Debug)]
pub struct LiveMeeting {
    /// The meeting, as it stood when its room was opened.
    pub meeting: Arc<Meeting>,
    /// How many seats are taken or held.
    pub seats: usize,
    /// Since when somebody has been in it; `None` while seats are only held.
    pub since: Option<Timestamp>,
}

impl Hub {
    /// The meetings in which somebody holds a seat, and how many do. Asks no room, so that a busy one doesn't delay the answer.
    pub fn live(&self) -> Vec<LiveMeeting> {
        let rooms = self.rooms();
        let live = rooms.values().map(|RoomHandle { meeting, occupancy, .. }| LiveMeeting {
            meeting: Arc::clone(meeting),
            seats: occupancy.seats.load(Ordering::Relaxed),
            since: Some(occupancy.since.load(Ordering::Relaxed)).filter(|since| *since > 0).map(Timestamp::from_millis),
        });
        live.filter(|live| live.seats > 0).collect()
    }

    /// A page tells how a connection between two people turned out.
    pub fn count_connection(&self, outcome: ConnectionOutcome) {
        self.inner.tally.count(|totals| match outcome {
            ConnectionOutcome::Connected => totals.connected += 1,
            ConnectionOutcome::Failed => totals.failed += 1,
        });
    }

    /// What goes on now, in figures. Asks no room, so that a busy one doesn't delay the answer.
    pub fn figures(&self) -> Figures {
        let seats: Vec<usize> = self.rooms().values().map(|room| room.occupancy.seats.load(Ordering::Relaxed)).collect();
        Figures {
            meetings: seats.iter().filter(|seats| **seats > 0).count(),
            seats: seats.iter().sum(),
            totals: self.inner.tally.totals(),
            relay: self.inner.relay.as_ref().map(Relay::counters),
            relay_works: self.inner.relay.as_ref().and_then(Relay::health).map(|health| health.finding.works()),
        }
    }
}

/// What a room's task tells those who only want to count.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// How many seats are taken or held.
    pub(super) seats: AtomicUsize,
    /// Since when somebody has been in the room, in milliseconds; zero before anybody was.
    pub(super) since: AtomicU64,
}

impl Occupancy {
    /// Of a room in which so many seats are taken or held, and nobody has been yet.
    pub(super) const fn new(seats: usize) -> Self {
        Self { seats: AtomicUsize::new(seats), since: AtomicU64::new(0) }
    }
}
