//! The shell around the meeting core: finds or creates rooms, gives each one task, carries what goes in and what comes out.
//!
//! One task owns one [`Room`]; everybody else sends it orders and waits for the answer. The task waits for nobody: what it has
//! to tell a socket goes into that socket's bounded outbox, and what it has to remember goes to the bookkeeper.
//!
//! **Invariants.** No JSON here, and no socket. A room's task never awaits the store, the relay or a reader. Whether a meeting
//! exists and is over is the store's to say; the hub only knows who is in it now.

mod bookkeeper;
mod outbox;
mod room_task;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Now;
use crate::ids::{ConnectionId, ParticipantId, RoomId};
use crate::lifecycle::Tasks;
use crate::meeting::{
    Command, EndReason, Input, MediaState, Meeting, Participant, Pass, Profile, Refusal, Room, RoomSettings, Status,
};
use crate::store::{Store, StoreError};
use crate::turn::Relay;

use bookkeeper::Bookkeeper;
pub use outbox::{Delivery, Inbox, Outbox, outbox};
use room_task::{Order, RoomTask};

/// How many orders may wait for one room before those who send them have to wait.
const ORDERS: usize = 256;
/// A room can end between being found and being asked; it is then looked up anew this often.
const ATTEMPTS: usize = 3;

/// What the hub is told at the start.
#[derive(Clone, Copy, Debug)]
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
    settings: Settings,
    store: Store,
    relay: Option<Relay>,
    tasks: Tasks,
    bookkeeper: Bookkeeper,
    rooms: Mutex<HashMap<RoomId, RoomHandle>>,
    connections: AtomicU64,
}

#[derive(Clone, Debug)]
struct RoomHandle {
    meeting: Arc<Meeting>,
    orders: mpsc::Sender<Order>,
}

/// A taken seat: how one socket speaks to its room.
#[derive(Debug)]
pub struct Seat {
    connection: ConnectionId,
    room: RoomHandle,
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
            settings,
            store,
            relay,
            tasks,
            bookkeeper,
            rooms: Mutex::new(HashMap::new()),
            connections: AtomicU64::new(1),
        };
        Self { inner: Arc::new(inner) }
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
            let room = Room::rebuilt(settings, started_at, Now::read());
            self.open(&mut self.rooms(), Arc::new(meeting), room);
        }
        Ok(count)
    }

    /// Holds a seat for somebody who was let in (row M3).
    ///
    /// # Errors
    /// When there is no such meeting, it is over, or it is full.
    pub async fn reserve(&self, room: RoomId, participant: ParticipantId, profile: Profile) -> Result<(), HubError> {
        self.ask(room, |reply| Order::Handle { input: Input::Reserve { participant, profile: profile.clone() }, reply })
            .await
            .map(|_| ())
    }

    /// Seats a socket. Its welcome is in the outbox when this returns.
    ///
    /// # Errors
    /// When there is no such meeting, it is over, or the room refuses.
    pub async fn enter(&self, room: RoomId, entry: Entry) -> Result<Seat, HubError> {
        let connection = ConnectionId(self.inner.connections.fetch_add(1, Ordering::Relaxed));
        let Entry { participant, profile, media, pass, outbox } = entry;
        let mut outbox = Some(outbox);
        let room = self
            .ask(room, |reply| Order::Enter {
                input: Input::Enter { connection, participant, profile: profile.clone(), media, pass },
                connection,
                outbox: outbox.take(),
                reply,
            })
            .await?;
        // The seat may have been lost, and its credentials with it, before it was taken back.
        if let Some(relay) = &self.inner.relay {
            relay.readmit(participant);
        }
        Ok(Seat { connection, room })
    }

    /// Ends a meeting for everybody in it. The store has been told before.
    pub async fn end(&self, room: RoomId, reason: EndReason) {
        let handle = self.rooms().get(&room).cloned();
        if let Some(handle) = handle {
            let (reply, answer) = oneshot::channel();
            // A room that is gone or already over has nobody left to tell.
            if handle.orders.send(Order::Handle { input: Input::End { reason }, reply }).await.is_ok() {
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

    /// Sends an order to a room, which is opened when it is not, and waits for the answer.
    async fn ask(
        &self,
        room: RoomId,
        mut order: impl FnMut(oneshot::Sender<Result<(), Refusal>>) -> Order,
    ) -> Result<RoomHandle, HubError> {
        for _ in 0..ATTEMPTS {
            let handle = self.find_or_open(room).await?;
            let (reply, answer) = oneshot::channel();
            if handle.orders.is_closed() {
                self.forget(room, &handle.orders);
                continue;
            }
            if handle.orders.send(order(reply)).await.is_err() {
                continue;
            }
            return match answer.await {
                Ok(Ok(())) => Ok(handle),
                Ok(Err(refusal)) => Err(refusal.into()),
                Err(_) => Err(HubError::Stopping),
            };
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
            let room = match meeting.started_at {
                Some(started_at) => Room::reopened(settings, started_at, Now::read()),
                None => Room::new(settings, Now::read()),
            };
            self.open(&mut rooms, Arc::new(meeting), room)
        };
        // The meeting may have been ended between reading it and opening its room, which nobody would then end again.
        if self.inner.store.meeting(room).await?.is_none_or(|meeting| meeting.status == Status::Ended) {
            self.end(room, EndReason::EndedByHost).await;
            return Err(HubError::Ended);
        }
        Ok(handle)
    }

    fn open(&self, rooms: &mut HashMap<RoomId, RoomHandle>, meeting: Arc<Meeting>, room: Room) -> RoomHandle {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let handle = RoomHandle { meeting: Arc::clone(&meeting), orders };
        rooms.insert(meeting.room, handle.clone());
        let task = RoomTask::new(self.clone(), meeting.room, room, receiver);
        self.inner.tasks.spawn(task.run());
        handle
    }

    fn room_settings(&self, meeting: &Meeting) -> RoomSettings {
        let Settings { capacity, resume_window, empty_after } = self.inner.settings;
        RoomSettings {
            capacity: meeting.settings.max_participants.min(capacity) as usize,
            chat_enabled: meeting.settings.chat_enabled,
            screen_share_enabled: meeting.settings.screen_share_enabled,
            resume_window,
            empty_after,
            ..RoomSettings::default()
        }
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

    /// Asks the room for something, for the one in this seat.
    ///
    /// # Errors
    /// The room's refusal, which is to be told to the client; it never ends the connection by itself.
    pub async fn command(&self, command: Command) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        let input = Input::Command { connection: self.connection, command };
        if self.room.orders.send(Order::Handle { input, reply }).await.is_err() {
            return Err(Refusal::MeetingEnded);
        }
        answer.await.unwrap_or(Err(Refusal::MeetingEnded))
    }

    /// Tells the room that the socket is gone. The seat is kept for the resume window.
    pub async fn disconnect(self) {
        let (reply, _) = oneshot::channel();
        let input = Input::Disconnect { connection: self.connection };
        // A room that is gone needs no telling.
        let _ = self.room.orders.send(Order::Handle { input, reply }).await;
    }
}
