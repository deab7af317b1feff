//! What those learn who only look: the figures, the admin page, the watchdog.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::room_task::Order;
use super::{Hub, RelayCounters, RelayTested, RoomHandle, Totals};
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

    /// Returns when the task of every room has answered: none of them hangs.
    pub async fn answer(&self) {
        let rooms: Vec<RoomHandle> = self.rooms().values().cloned().collect();
        for room in rooms {
            let (reply, answer) = oneshot::channel();
            // A room that was closed meanwhile has nothing to answer.
            if room.orders.send(Order::Roster { reply }).await.is_ok() {
                drop(answer.await);
            }
        }
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

    /// Lets the relay test itself now. `None` when there is none that can.
    pub async fn test_relay(&self) -> Option<RelayTested> {
        self.inner.relay.as_ref()?.test_now().await
    }
}
