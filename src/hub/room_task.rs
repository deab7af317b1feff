//! One task, one room: takes orders, drains the room's outputs, sleeps until its next timer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::bookkeeper::Note;
use super::diary::Diary;
use super::{Hub, Occupancy, Outbox};
use crate::clock::{Now, Tick};
use crate::ids::{ConnectionId, ParticipantId, RoomId};
use crate::meeting::{Input, Output, Participant, Refusal, Room};

/// What a room's task can be asked.
#[derive(Debug)]
pub(super) enum Order {
    /// Take an input in, and answer once all that follows from it is done.
    Take { input: RoomInput, reply: oneshot::Sender<Reply> },
    /// Who is here?
    Roster { reply: oneshot::Sender<Vec<Participant>> },
}

/// An input, with what the shell needs to carry it out.
#[derive(Debug)]
pub(super) enum RoomInput {
    /// Nothing but the input.
    Plain(Input),
    /// A socket takes a seat and will be told things through `outbox`.
    Enter { input: Input, connection: ConnectionId, outbox: Outbox },
}

/// What became of an input.
#[derive(Debug)]
pub(super) enum Reply {
    /// The room has dealt with it.
    Done(Result<(), Refusal>),
    /// The room was closed because nobody was in it. The input is given back: the room can be opened anew for it.
    Closed(RoomInput),
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
    diary: Diary,
    life: Life,
    occupancy: Arc<Occupancy>,
}

impl RoomTask {
    pub(super) fn new(hub: Hub, id: RoomId, room: Room, orders: mpsc::Receiver<Order>, occupancy: Arc<Occupancy>) -> Self {
        let diary = Diary::new(id, Arc::clone(&hub.inner.tally));
        Self { hub, id, room, orders, outboxes: HashMap::new(), diary, life: Life::Open, occupancy }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.drain();
            if self.may_close() {
                break;
            }
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
                () = sleep_until(self.room.poll_timeout()) => self.room.handle_timeout(Now::read()),
                // Orders that still wait are dropped with the task, which tells those who wait that the server stops.
                () = self.hub.inner.tasks.stopping() => return,
            }
        }
        self.answer_the_rest();
    }

    /// Takes an order in and drains what follows from it before it answers: who has the answer can rely on it.
    fn obey(&mut self, order: Order) {
        // Whoever asked may have gone away meanwhile; the answer is then of no use to anybody.
        match order {
            Order::Take { input, reply } => {
                let done = self.take(input);
                self.drain();
                let _ = reply.send(Reply::Done(done));
            }
            Order::Roster { reply } => {
                let _ = reply.send(self.room.participants());
            }
        }
    }

    fn take(&mut self, input: RoomInput) -> Result<(), Refusal> {
        match input {
            RoomInput::Plain(input) => self.room.handle(input, Now::read()),
            RoomInput::Enter { input, connection, outbox } => {
                let newcomer = if let Input::Enter { participant, profile, .. } = &input {
                    Some((*participant, profile.clone()))
                } else {
                    None
                };
                self.room.handle(input, Now::read())?;
                self.outboxes.insert(connection, outbox);
                if let Some((participant, profile)) = newcomer {
                    let relay = self.hub.inner.relay.as_ref();
                    // The seat may have been lost before it was taken back, and its credentials with it.
                    relay.inspect(|relay| relay.readmit(participant));
                    let relayed = relay.and_then(|relay| relay.traffic_of(participant));
                    self.diary.entered(participant, &profile, relayed, Tick::now());
                }
                Ok(())
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
                        // Refused only where the meeting is over, and then nobody is connected any more.
                        let _ = self.room.handle(Input::Disconnect { connection: to }, Now::read());
                    }
                }
                Output::Close { connection, reason } => {
                    if let Some(outbox) = self.outboxes.remove(&connection) {
                        outbox.close(reason);
                    }
                }
                Output::Started(since) => {
                    let now = Now::read();
                    self.occupancy.since.store(now.wall.as_millis(), Ordering::Relaxed);
                    self.diary.started(now.tick);
                    self.hub.inner.bookkeeper.note(self.id, Note::Active(since));
                    self.life = Life::Open;
                }
                Output::Emptied => {
                    self.diary.emptied(Tick::now());
                    self.hub.inner.bookkeeper.note(self.id, Note::Waiting);
                    self.life = Life::Emptied;
                }
                Output::Ended(reason) => {
                    self.diary.ended(reason, Tick::now());
                    self.life = Life::Over;
                }
                Output::Revoke(participant) => self.revoke(participant),
            }
        }
        let count = self.room.seat_count();
        self.occupancy.seats.store(count, Ordering::Relaxed);
        self.diary.seats(count, Tick::now());
    }

    /// Ends what is relayed for somebody who has given up the seat, and notes whether their call was.
    fn revoke(&mut self, participant: ParticipantId) {
        let relay = self.hub.inner.relay.as_ref();
        relay.inspect(|relay| relay.revoke(participant));
        let relayed = relay.and_then(|relay| relay.traffic_of(participant));
        self.diary.left(participant, relayed, Tick::now());
    }

    /// Whether the room is done with, in which case it has left the table. A room where somebody holds a seat, or for which
    /// orders wait, is not.
    fn may_close(&mut self) -> bool {
        if self.life == Life::Emptied && !self.room.is_empty() {
            self.life = Life::Open;
        }
        match self.life {
            Life::Open => false,
            Life::Emptied if !self.orders.is_empty() => false,
            Life::Emptied | Life::Over => {
                self.hub.rooms().remove(&self.id);
                true
            }
        }
    }

    /// Answers the orders that came while the room was closing.
    fn answer_the_rest(&mut self) {
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Take { reply, .. } if self.life == Life::Over => {
                    let _ = reply.send(Reply::Done(Err(Refusal::MeetingEnded)));
                }
                Order::Take { input, reply } => {
                    let _ = reply.send(Reply::Closed(input));
                }
                Order::Roster { reply } => {
                    let _ = reply.send(Vec::new());
                }
            }
        }
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
