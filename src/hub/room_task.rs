//! One task, one room: takes orders, drains the room's outputs, sleeps until its next timer.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::bookkeeper::Note;
use super::{Hub, Outbox};
use crate::clock::{Now, Tick};
use crate::ids::{ConnectionId, RoomId};
use crate::meeting::{Input, Output, Participant, Refusal, Room};

/// What a room's task can be asked.
#[derive(Debug)]
pub(super) enum Order {
    /// Something happened.
    Handle { input: Input, reply: oneshot::Sender<Result<(), Refusal>> },
    /// A socket takes a seat and will be told things through `outbox`, which is there unless the order is a repetition.
    Enter { input: Input, connection: ConnectionId, outbox: Option<Outbox>, reply: oneshot::Sender<Result<(), Refusal>> },
    /// Who is here?
    Roster { reply: oneshot::Sender<Vec<Participant>> },
}

/// Whether the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    Emptied,
    Over,
}

pub(super) struct RoomTask {
    hub: Hub,
    id: RoomId,
    room: Room,
    orders: mpsc::Receiver<Order>,
    outboxes: HashMap<ConnectionId, Outbox>,
    life: Life,
}

impl RoomTask {
    pub(super) fn new(hub: Hub, id: RoomId, room: Room, orders: mpsc::Receiver<Order>) -> Self {
        Self { hub, id, room, orders, outboxes: HashMap::new(), life: Life::Open }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.drain();
            let done = match self.life {
                Life::Open => false,
                Life::Emptied => self.close_if_idle(),
                Life::Over => {
                    self.hub.rooms().remove(&self.id);
                    true
                }
            };
            if done {
                break;
            }
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
                () = sleep_until(self.room.poll_timeout()) => self.room.handle_timeout(Now::read()),
                () = self.hub.inner.tasks.stopping() => break,
            }
        }
        self.refuse_the_rest();
    }

    /// Does what is asked, and all that follows from it, before it answers: who has the answer can rely on it.
    fn obey(&mut self, order: Order) {
        // Whoever asked may have gone away meanwhile; the answer is then of no use to anybody.
        match order {
            Order::Handle { input, reply } => {
                let handled = self.room.handle(input, Now::read());
                self.drain();
                let _ = reply.send(handled);
            }
            Order::Enter { input, connection, outbox, reply } => {
                if let Some(outbox) = outbox {
                    self.outboxes.insert(connection, outbox);
                }
                let entered = self.room.handle(input, Now::read());
                if entered.is_err() {
                    self.outboxes.remove(&connection);
                }
                self.drain();
                let _ = reply.send(entered);
            }
            Order::Roster { reply } => {
                let _ = reply.send(self.room.participants());
            }
        }
    }

    /// Does all that the room wants done. A reader that can't keep up counts as disconnected, which may make new outputs.
    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Deliver { to, event } => {
                    let lost = self.outboxes.get(&to).is_some_and(|outbox| !outbox.deliver(event));
                    if lost {
                        self.outboxes.remove(&to);
                        // A disconnection is never refused: a connection that the room doesn't know is one it has let go already.
                        let _ = self.room.handle(Input::Disconnect { connection: to }, Now::read());
                    }
                }
                Output::Close { connection, reason } => {
                    if let Some(outbox) = self.outboxes.remove(&connection) {
                        outbox.close(reason);
                    }
                }
                Output::Started => {
                    tracing::info!(event = "meeting_started", "somebody entered an empty meeting");
                    self.hub.inner.bookkeeper.note(self.id, Note::Active(Now::read().wall));
                    self.life = Life::Open;
                }
                Output::Emptied => {
                    tracing::info!(event = "meeting_emptied", "everybody has left a meeting");
                    self.hub.inner.bookkeeper.note(self.id, Note::Waiting);
                    self.life = Life::Emptied;
                }
                Output::Ended(reason) => {
                    tracing::info!(event = "meeting_ended", ?reason, "a meeting is over");
                    self.life = Life::Over;
                }
                Output::Revoke(participant) => {
                    if let Some(relay) = &self.hub.inner.relay {
                        relay.revoke(participant);
                    }
                }
            }
        }
    }

    /// Leaves the table unless somebody has found the room meanwhile; under the table's lock nobody can find it.
    fn close_if_idle(&mut self) -> bool {
        let mut rooms = self.hub.rooms();
        if !self.orders.is_empty() {
            return false;
        }
        rooms.remove(&self.id);
        self.orders.close();
        true
    }

    /// Orders that came too late are dropped, and with them their replies: whoever waits for one looks the room up again or is
    /// told that the meeting is over.
    fn refuse_the_rest(&mut self) {
        self.orders.close();
        while self.orders.try_recv().is_ok() {}
    }
}

async fn sleep_until(deadline: Option<Tick>) {
    match deadline {
        Some(deadline) => {
            let wait = deadline.since(Tick::now());
            // Ticks are whole milliseconds: without the extra one a timer could be woken up just before it is due, over and over.
            tokio::time::sleep(wait + Duration::from_millis(1)).await;
        }
        None => std::future::pending().await,
    }
}
