//! The shell around the meeting core: finds or creates rooms, gives each one task, carries what goes in and what comes out.
//!
//! One task owns one [`Room`]; everybody else sends it orders and waits for the answer. The task waits for nobody: what it has
//! to tell a socket goes into that socket's bounded outbox, and what it has to remember goes to the bookkeeper.
//!
//! **Invariants.** No JSON here, and no socket. A room's task never awaits the store, the relay or a reader. Whether a meeting
//! exists and is over is the store's to say; the hub only knows who is in it now.

mod bookkeeper;
mod census;
mod diary;
mod outbox;
mod relayed;
mod room_task;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Now;
use crate::ids::{ConnectionId, ParticipantId, RoomId};
use crate::lifecycle::{Live, Tasks};
use crate::meeting::{
    Command, EndReason, Input, MediaState, Meeting, Participant, Pass, Profile, Refusal, Room, RoomSettings, Status,
};
use crate::store::{Store, StoreError};
use crate::turn::Relay;

pub use crate::turn::Counters as RelayCounters;
pub use crate::turn::Tested as RelayTested;
use bookkeeper::Bookkeeper;
use census::Occupancy;
pub use census::{Figures, LiveMeeting};
pub use outbox::{Delivery, Inbox, Outbox, outbox};
use room_task::{Order, Reply, RoomInput, RoomTask};
use tally::Tally;
pub use tally::{ConnectionOutcome, DURATION_CLASSES, Durations, Totals};

/// How many orders may wait for one room before those who send them have to wait.
const ORDERS: usize = 256;
/// A room can end between being found and being asked; it is then looked up anew this often.
const ATTEMPTS: usize = 3;

/// What the hub is told. A room keeps to what holds when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most people in one room, whatever its host wants.
    pub capacity: u32,
    /// How long a seat is kept for somebody whose socket was lost.
    pub resume_window: Duration,
    /// How long an empty room is kept in memory.
    pub empty_after: Duration,
}

/// Why the hub did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// There is no such meeting.
    #[error("There is no meeting with this code. Check the code or ask for a new link.")]
    NotFound,
    /// The meeting is over for good.
    #[error("This meeting is over.")]
    Ended,
    /// The room said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping.
    #[error("The server is restarting. Try again in a few seconds.")]
    Stopping,
}

/// All rooms that are live. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Live<Settings>,
    store: Store,
    relay: Option<Relay>,
    tasks: Tasks,
    bookkeeper: Bookkeeper,
    tally: Arc<Tally>,
    rooms: Mutex<HashMap<RoomId, RoomHandle>>,
    connections: AtomicU64,
}

#[derive(Clone, Debug)]
struct RoomHandle {
    meeting: Arc<Meeting>,
    orders: mpsc::Sender<Order>,
    occupancy: Arc<Occupancy>,
    /// How long it keeps a seat for somebody whose socket was lost.
    resume_window: Duration,
}

/// A taken seat: how one socket speaks to its room. Dropping it tells the room that the socket is gone.
#[derive(Debug)]
pub struct Seat {
    connection: ConnectionId,
    room: RoomHandle,
    tasks: Tasks,
}

/// How a socket takes a seat.
#[derive(Debug)]
pub struct Entry {
    /// The seat.
    pub participant: ParticipantId,
    /// Who takes it.
    pub profile: Profile,
    /// What is switched on.
    pub media: MediaState,
    /// By which right.
    pub pass: Pass,
    /// Where the socket is told things.
    pub outbox: Outbox,
}

impl Hub {
    /// A hub without rooms.
    pub fn new(settings: Settings, store: Store, relay: Option<Relay>, tasks: Tasks) -> Self {
        let bookkeeper = Bookkeeper::start(store.clone(), &tasks);
        let inner = Inner {
            settings: Live::new(settings),
            store,
            relay,
            tasks,
            bookkeeper,
            tally: Arc::default(),
            rooms: Mutex::new(HashMap::new()),
            connections: AtomicU64::new(1),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Opens rooms with these settings from now on.
    pub fn reconfigure(&self, settings: Settings) {
        self.inner.settings.set(settings);
    }

    /// Opens again the rooms that people were in when the server stopped, so that they find their seats.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn rebuild(&self) -> Result<usize, StoreError> {
        let meetings = self.inner.store.active_meetings().await?;
        let count = meetings.len();
        for meeting in meetings {
            let started_at = meeting.started_at.unwrap_or(meeting.created_at);
            let settings = self.room_settings(&meeting);
            let resume_window = settings.resume_window;
            let room = Room::rebuilt(settings, started_at, Now::read());
            self.open(&mut self.rooms(), Arc::new(meeting), room, resume_window);
        }
        Ok(count)
    }

    /// Holds a seat for somebody who was let in (row M3).
    ///
    /// # Errors
    /// When there is no such meeting, it is over, or it is full.
    pub async fn reserve(&self, room: RoomId, participant: ParticipantId, profile: Profile) -> Result<(), HubError> {
        self.ask(room, RoomInput::Plain(Input::Reserve { participant, profile })).await.map(drop)
    }

    /// Seats a socket. Its welcome is in the outbox when this returns.
    ///
    /// # Errors
    /// When there is no such meeting, it is over, or the room refuses.
    pub async fn enter(&self, room: RoomId, entry: Entry) -> Result<Seat, HubError> {
        let connection = ConnectionId(self.inner.connections.fetch_add(1, Ordering::Relaxed));
        let Entry { participant, profile, media, pass, outbox } = entry;
        let input = Input::Enter { connection, participant, profile, media, pass };
        let room = self.ask(room, RoomInput::Enter { input, connection, outbox }).await?;
        Ok(Seat { connection, room, tasks: self.inner.tasks.clone() })
    }

    /// Ends a meeting for everybody in it. The store has been told before.
    pub async fn end(&self, room: RoomId, reason: EndReason) {
        let handle = self.rooms().get(&room).cloned();
        if let Some(handle) = handle {
            let (reply, answer) = oneshot::channel();
            let input = RoomInput::Plain(Input::End { reason });
            // A room that is gone or already over has nobody left to tell.
            if handle.orders.send(Order::Take { input, reply }).await.is_ok() {
                let _ = answer.await;
            }
        }
    }

    /// Who is in a room now, in the order of coming. Empty when nobody is.
    pub async fn participants(&self, room: RoomId) -> Vec<Participant> {
        let Some(handle) = self.rooms().get(&room).cloned() else { return Vec::new() };
        let (reply, answer) = oneshot::channel();
        if handle.orders.send(Order::Roster { reply }).await.is_err() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
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

    /// Lets the relay test itself now. `None` when there is none that can.
    pub async fn test_relay(&self) -> Option<RelayTested> {
        self.inner.relay.as_ref()?.test_now().await
    }

    /// Gives an input to a room, which is opened when it is not, and waits until it is dealt with.
    async fn ask(&self, room: RoomId, mut input: RoomInput) -> Result<RoomHandle, HubError> {
        for _ in 0..ATTEMPTS {
            let handle = self.find_or_open(room).await?;
            let (reply, answer) = oneshot::channel();
            if let Err(mpsc::error::SendError(order)) = handle.orders.send(Order::Take { input, reply }).await {
                // Its task is gone. A room that was closed in good order has left the table; one whose task failed is taken out.
                self.forget(room, &handle.orders);
                let Order::Take { input: back, .. } = order else { break };
                input = back;
                continue;
            }
            match answer.await {
                Ok(Reply::Done(done)) => return done.map(|()| handle).map_err(HubError::from),
                Ok(Reply::Closed(back)) => input = back,
                Err(_) => break,
            }
        }
        Err(HubError::Stopping)
    }

    async fn find_or_open(&self, room: RoomId) -> Result<RoomHandle, HubError> {
        if let Some(handle) = self.rooms().get(&room) {
            return Ok(handle.clone());
        }
        let meeting = self.inner.store.meeting(room).await?.ok_or(HubError::NotFound)?;
        if meeting.status == Status::Ended {
            return Err(HubError::Ended);
        }
        let handle = {
            let mut rooms = self.rooms();
            if let Some(handle) = rooms.get(&room) {
                return Ok(handle.clone());
            }
            let settings = self.room_settings(&meeting);
            let resume_window = settings.resume_window;
            let room = match meeting.started_at {
                Some(started_at) => Room::reopened(settings, started_at, Now::read()),
                None => Room::new(settings, Now::read()),
            };
            self.open(&mut rooms, Arc::new(meeting), room, resume_window)
        };
        // The meeting may have been ended between reading it and opening its room, which nobody would then end again.
        if self.inner.store.meeting(room).await?.is_none_or(|meeting| meeting.status == Status::Ended) {
            self.end(room, EndReason::EndedByHost).await;
            return Err(HubError::Ended);
        }
        Ok(handle)
    }

    fn open(
        &self,
        rooms: &mut HashMap<RoomId, RoomHandle>,
        meeting: Arc<Meeting>,
        room: Room,
        resume_window: Duration,
    ) -> RoomHandle {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let occupancy = Arc::new(Occupancy::new(room.seat_count()));
        let handle = RoomHandle { meeting: Arc::clone(&meeting), orders, occupancy: Arc::clone(&occupancy), resume_window };
        rooms.insert(meeting.room, handle.clone());
        let task = RoomTask::new(self.clone(), meeting.room, room, receiver, occupancy);
        self.inner.tasks.spawn(task.run());
        handle
    }

    fn room_settings(&self, meeting: &Meeting) -> RoomSettings {
        let Settings { capacity, resume_window, empty_after } = *self.inner.settings.get();
        RoomSettings { resume_window, empty_after, ..RoomSettings::of(&meeting.settings, capacity as usize) }
    }

    /// Takes a room out of the table if it is still the one that `orders` leads to.
    fn forget(&self, room: RoomId, orders: &mpsc::Sender<Order>) {
        let mut rooms = self.rooms();
        if rooms.get(&room).is_some_and(|handle| handle.orders.same_channel(orders)) {
            rooms.remove(&room);
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, RoomHandle>> {
        // The table is only ever read, inserted into and removed from, so a panic elsewhere can't leave it half changed.
        self.inner.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The meeting, as it stood when the room was opened.
    pub fn meeting(&self) -> &Meeting {
        &self.room.meeting
    }

    /// How long the room keeps this seat when its socket is lost.
    pub fn resume_window(&self) -> Duration {
        self.room.resume_window
    }

    /// Asks the room for something, for the one in this seat.
    ///
    /// # Errors
    /// The room's refusal, which is to be told to the client; it never ends the connection by itself.
    pub async fn command(&self, command: Command) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        let input = RoomInput::Plain(Input::Command { connection: self.connection, command });
        if self.room.orders.send(Order::Take { input, reply }).await.is_err() {
            return Err(Refusal::MeetingEnded);
        }
        match answer.await {
            Ok(Reply::Done(done)) => done,
            // A room is closed only when nobody sits in it.
            Ok(Reply::Closed(_)) => Err(Refusal::NotSeated),
            Err(_) => Err(Refusal::MeetingEnded),
        }
    }
}

/// Whatever ends a session, its socket is gone: the room is told, and keeps the seat for the resume window.
impl Drop for Seat {
    fn drop(&mut self) {
        let (reply, _) = oneshot::channel();
        let input = RoomInput::Plain(Input::Disconnect { connection: self.connection });
        // A room that is gone needs no telling; one that is busy is told as soon as it has time.
        if let Err(mpsc::error::TrySendError::Full(order)) = self.room.orders.try_send(Order::Take { input, reply }) {
            let orders = self.room.orders.clone();
            self.tasks.spawn(async move { drop(orders.send(order).await) });
        }
    }
}
