//! Writes down what rooms want remembered, in order, without making a room wait for the disk.

use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::ids::RoomId;
use crate::lifecycle::Tasks;
use crate::store::Store;

/// How many notes may wait. Rooms start and empty rarely; only a disk that hangs fills this.
const NOTES: usize = 1024;

/// What is to be remembered of a room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    /// Somebody is in it, since then.
    Active(Timestamp),
    /// Nobody is in it.
    Waiting,
}

/// The way to the task that writes.
#[derive(Clone, Debug)]
pub(super) struct Bookkeeper {
    notes: mpsc::Sender<(RoomId, Note)>,
}

impl Bookkeeper {
    pub(super) fn start(store: Store, tasks: &Tasks) -> Self {
        let (notes, mut receiver) = mpsc::channel::<(RoomId, Note)>(NOTES);
        let stopping = tasks.clone();
        tasks.spawn(async move {
            loop {
                let note = tokio::select! {
                    biased;
                    note = receiver.recv() => note,
                    () = stopping.stopping() => break,
                };
                let Some((room, note)) = note else { break };
                let written = match note {
                    Note::Active(since) => store.mark_active(room, since).await,
                    Note::Waiting => store.mark_waiting(room).await,
                };
                if let Err(error) = written {
                    tracing::warn!(%error, "a meeting's state could not be written; it will be right again after its next change");
                }
            }
        });
        Self { notes }
    }

    pub(super) fn note(&self, room: RoomId, note: Note) {
        if self.notes.try_send((room, note)).is_err() {
            tracing::warn!("the store is too slow to take down a meeting's state; skipped");
        }
    }
}
