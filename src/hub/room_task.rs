//! One task, one room: takes orders, drains the room's outputs, sleeps until its next timer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::bookkeeper::Note;
use super::relayed::SeatStart;
use super::{Hub, Outbox};
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
    /// Of those who have taken a seat, where there is a relay.
    starts: HashMap<ParticipantId, SeatStart>,
    life: Life,
    /// Where the number of seats is told to those who only want to count.
    seats: Arc<AtomicUsize>,
}

impl RoomTask {
    pub(super) fn new(hub: Hub, id: RoomId, room: Room, orders: mpsc::Receiver<Order>, seats: Arc<AtomicUsize>) -> Self {
        Self { hub, id, room, orders, outboxes: HashMap::new(), starts: HashMap::new(), life: Life::Open, seats }
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
                let participant = if let Input::Enter { participant, .. } = &input { Some(*participant) } else { None };
                self.room.handle(input, Now::read())?;
                self.outboxes.insert(connection, outbox);
                // The seat may have been lost before it was taken back, and its credentials with it.
                if let (Some(relay), Some(participant)) = (&self.hub.inner.relay, participant) {
                    relay.readmit(participant);
                    let start = || SeatStart::new(relay.traffic_of(participant), Tick::now());
                    self.starts.entry(participant).or_insert_with(start);
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
                    tracing::info!(event = "meeting_started", "somebody entered an empty meeting");
                    self.hub.inner.bookkeeper.note(self.id, Note::Active(since));
                    self.life = Life::Open;
                }
                Output::Emptied => {
                    tracing::info!(event = "meeting_emptied", "nobody has been in a meeting for a while");
                    self.hub.inner.bookkeeper.note(self.id, Note::Waiting);
                    self.life = Life::Emptied;
                }
                Output::Ended(reason) => {
                    tracing::info!(event = "meeting_ended", ?reason, "a meeting is over");
                    self.life = Life::Over;
                }
                Output::Revoke(participant) => self.revoke(participant),
            }
        }
        self.seats.store(self.room.seat_count(), Ordering::Relaxed);
    }

    /// Ends what is relayed for somebody who has given up the seat, and notes whether their call was.
    fn revoke(&mut self, participant: ParticipantId) {
        let Some(relay) = &self.hub.inner.relay else { return };
        relay.revoke(participant);
        let now = Tick::now();
        // Who never came has no start, and nothing that was relayed.
        let start = self.starts.remove(&participant).unwrap_or_else(|| SeatStart::new(None, now));
        let of_seat = start.end(relay.traffic_of(participant), now);
        let (relayed, relayed_bytes, seconds) = (of_seat.is_the_call(), of_seat.bytes, of_seat.time.as_secs());
        tracing::debug!(event = "seat_ended", relayed, relayed_bytes, seconds, "a seat was given up");
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
