//! What waits to be sent to one socket: bounded in number and weight, so that a slow reader costs itself its connection and
//! nobody else anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::meeting::{CloseReason, Event};

/// The most events that may wait.
const MAX_EVENTS: usize = 256;
/// The most bytes that may wait, by [`Event::weight`].
const MAX_WEIGHT: usize = 1 << 20;

/// One thing for a socket to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Send this.
    Event(Event),
    /// Close, for this reason.
    Close(CloseReason),
}

/// A new outbox: the room's end and the socket's end.
pub fn outbox() -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel(MAX_EVENTS);
    let weight = Arc::new(AtomicUsize::new(0));
    let lagging = CancellationToken::new();
    (Outbox { sender, weight: Arc::clone(&weight), lagging: lagging.clone() }, Inbox { receiver, weight, lagging })
}

/// The room's end. Never waits.
#[derive(Debug)]
pub struct Outbox {
    sender: mpsc::Sender<Delivery>,
    weight: Arc<AtomicUsize>,
    lagging: CancellationToken,
}

impl Outbox {
    /// Queues `event`. False when the reader lags too far behind or is gone: the connection is then lost.
    pub fn deliver(&self, event: Event) -> bool {
        let weight = event.weight();
        if self.weight.fetch_add(weight, Ordering::Relaxed) + weight > MAX_WEIGHT {
            self.lagging.cancel();
            return false;
        }
        self.push(Delivery::Event(event))
    }

    /// Asks for the socket to be closed once everything before is sent.
    pub fn close(&self, reason: CloseReason) -> bool {
        self.push(Delivery::Close(reason))
    }

    fn push(&self, delivery: Delivery) -> bool {
        let sent = self.sender.try_send(delivery).is_ok();
        if !sent {
            self.lagging.cancel();
        }
        sent
    }
}

/// The socket's end.
#[derive(Debug)]
pub struct Inbox {
    receiver: mpsc::Receiver<Delivery>,
    weight: Arc<AtomicUsize>,
    lagging: CancellationToken,
}

impl Inbox {
    /// The next delivery; `None` when the room is gone and nothing is left.
    pub async fn next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.recv().await?;
        if let Delivery::Event(event) = &delivery {
            self.weight.fetch_sub(event.weight(), Ordering::Relaxed);
        }
        Some(delivery)
    }

    /// A token that is cancelled as soon as this reader has fallen too far behind.
    pub fn lagging(&self) -> CancellationToken {
        self.lagging.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ParticipantId;
    use crate::meeting::Signal;

    fn small() -> Event {
        Event::Disconnected(ParticipantId::from_bytes([0; 10]))
    }

    #[tokio::test]
    async fn w11_a_reader_that_never_reads_is_given_up_by_number() {
        let (outbox, inbox) = outbox();
        for _ in 0..MAX_EVENTS {
            assert!(outbox.deliver(small()));
        }
        assert!(!outbox.deliver(small()));
        assert!(inbox.lagging().is_cancelled());
    }

    #[tokio::test]
    async fn w11_a_reader_that_never_reads_is_given_up_by_weight() {
        let (outbox, inbox) = outbox();
        let heavy = || Event::Signal { from: ParticipantId::from_bytes([0; 10]), signal: Signal::Offer("x".repeat(48 * 1024)) };
        let taken = (0..MAX_EVENTS).take_while(|_| outbox.deliver(heavy())).count();
        assert_eq!(taken, MAX_WEIGHT / heavy().weight());
        assert!(inbox.lagging().is_cancelled());
    }

    #[tokio::test]
    async fn what_was_read_no_longer_weighs() {
        let (outbox, mut inbox) = outbox();
        for _ in 0..10 * MAX_EVENTS {
            assert!(outbox.deliver(small()));
            assert_eq!(inbox.next().await, Some(Delivery::Event(small())));
        }
        assert!(outbox.close(CloseReason::Left));
        drop(outbox);
        assert_eq!(inbox.next().await, Some(Delivery::Close(CloseReason::Left)));
        assert_eq!(inbox.next().await, None);
    }
}
