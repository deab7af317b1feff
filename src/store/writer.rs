//! The one thread that writes.
//!
//! It takes all writes that wait, applies each as an atomic step of its own that sees the steps before it, hands the lot to the
//! operating system, waits for the disk itself, and only then acknowledges them all. When anything of that fails, none of them is
//! acknowledged and further writes are refused until the disk takes writes again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use super::disk::Disk;
use super::migrate::Plan;
use super::open::{self, Lock};
use super::tables::{Changes, Table, Tables};
use super::{Settings, StoreError};
use crate::clock::Tick;

/// Most writes that one wait for the disk may serve.
const BATCH: usize = 256;
/// How often free space is looked at when nobody writes.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How often a degraded store tries to recover.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_KEY: &[u8] = b"probe";

/// How the store fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Health {
    /// Reads and writes.
    Well,
    /// Too little space is left: reads go on, writes are refused. Nothing is wrong with the database.
    LowSpace,
    /// A write failed: writes are refused and the database must be opened anew. Reads go on from its memory, except for the few that
    /// find it in the middle of reorganising itself.
    Broken,
    /// Closed for good.
    Closed,
}

impl Health {
    /// Why a write can't be taken.
    fn refusal(self) -> Option<StoreError> {
        match self {
            Self::Well => None,
            Self::LowSpace => Some(StoreError::NoSpace),
            Self::Broken => Some(StoreError::Degraded),
            Self::Closed => Some(StoreError::Closed),
        }
    }
}

/// What readers and the writer share.
pub(super) struct Shared {
    /// `None` once closed, and while a broken database could not be opened again.
    tables: RwLock<Option<Tables>>,
    health: AtomicU8,
    /// How many entries were looked at by who looks at all of them.
    looked_at: AtomicU64,
}

impl Shared {
    pub(super) fn new(tables: Tables, health: Health) -> Self {
        Self { tables: RwLock::new(Some(tables)), health: AtomicU8::new(health as u8), looked_at: AtomicU64::new(0) }
    }

    /// A count that rises while the writer goes over everything.
    pub(super) fn looked_at(&self) -> &AtomicU64 {
        &self.looked_at
    }

    /// The database, to be held no longer than one blocking call.
    pub(super) fn tables(&self) -> RwLockReadGuard<'_, Option<Tables>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Acquire) {
            health if health == Health::Well as u8 => Health::Well,
            health if health == Health::LowSpace as u8 => Health::LowSpace,
            health if health == Health::Broken as u8 => Health::Broken,
            _ => Health::Closed,
        }
    }

    /// Why there is no database to read.
    pub(super) fn absence(&self) -> StoreError {
        self.health().refusal().unwrap_or(StoreError::Degraded)
    }

    fn set(&self, health: Health) {
        self.health.store(health as u8, Ordering::Release);
    }
}

/// One write on its way through the writer.
pub(super) trait Write: Send {
    /// Decides and says what to change. Called at most once.
    fn apply(&mut self, tables: &Tables) -> Changes;
    /// Tells the caller how it ended.
    fn acknowledge(self: Box<Self>, durable: Result<(), StoreError>);
    /// Whether it never changes anything, so that it needs no space on the disk.
    fn only_reads(&self) -> bool {
        false
    }
}

/// The writer's own things.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Settings,
    pub(super) disk: Box<dyn Disk>,
    pub(super) lock: Lock,
    pub(super) jobs: Receiver<Box<dyn Write>>,
    pub(super) probed: Tick,
    /// What the data were brought to when the store was opened.
    pub(super) schema: u32,
}

impl Writer {
    /// Serves writes until the last sender is gone and the queue is empty; then closes the database.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        loop {
            let wait = if self.shared.health() == Health::Well { CHECK_EVERY } else { PROBE_EVERY };
            match self.jobs.recv_timeout(wait) {
                Ok(first) => {
                    let batch = std::iter::once(first).chain(self.jobs.try_iter()).take(BATCH).collect();
                    self.check();
                    self.serve(batch);
                }
                Err(RecvTimeoutError::Timeout) => self.check(),
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
        }
    }

    /// Serves the writes of a batch, and then whoever only reads: a look at everything takes long, and nobody's answer is to wait for it.
    fn serve(&self, batch: Vec<Box<dyn Write>>) {
        let (looks, writes): (Vec<_>, Vec<_>) = batch.into_iter().partition(|write| write.only_reads());
        if !writes.is_empty() {
            self.write(writes);
        }
        for mut look in looks {
            let health = self.shared.health();
            // A broken database may hold what was never acknowledged; with little space, it is sound.
            let looked = match health.refusal().filter(|_| health != Health::LowSpace) {
                Some(refusal) => Err(refusal),
                None => self.shared.tables().as_ref().map(|tables| drop(look.apply(tables))).ok_or(StoreError::Degraded),
            };
            look.acknowledge(looked);
        }
    }

    /// Applies writes, makes them durable and acknowledges them, or acknowledges nothing.
    fn write(&self, mut batch: Vec<Box<dyn Write>>) {
        if let Some(refusal) = self.shared.health().refusal() {
            batch.into_iter().for_each(|write| write.acknowledge(Err(refusal.clone())));
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.make_durable(&mut batch)));
        let outcome = outcome.unwrap_or_else(|_| Err(io::Error::other("the database panicked")));
        let answer = outcome.map_err(|error| {
            tracing::error!(%error, "the store could not write; it takes no writes until the disk does");
            self.shared.set(Health::Broken);
            if error.kind() == io::ErrorKind::StorageFull { StoreError::NoSpace } else { StoreError::Degraded }
        });
        batch.into_iter().for_each(|write| write.acknowledge(answer.clone()));
    }

    fn make_durable(&self, batch: &mut [Box<dyn Write>]) -> io::Result<()> {
        let guard = self.shared.tables();
        let tables = guard.as_ref().ok_or_else(|| io::Error::other("the database is not open"))?;
        let mut changed = false;
        for write in batch {
            let changes = write.apply(tables);
            changed |= !changes.is_empty();
            tables.commit(&changes)?;
        }
        if changed { self.barrier(tables) } else { Ok(()) }
    }

    /// Returns when everything that was committed is on the disk.
    fn barrier(&self, tables: &Tables) -> io::Result<()> {
        tables.flush()?;
        self.disk.sync()
    }

    /// Looks after free space, and tries to recover when a write failed before.
    fn check(&mut self) {
        let health = self.shared.health();
        if health == Health::Broken {
            let now = Tick::now();
            if now.since(self.probed) < PROBE_EVERY {
                return;
            }
            self.probed = now;
        }
        let enough = self.disk.free_bytes().is_ok_and(|free| free >= self.settings.min_free_bytes);
        match (health, enough) {
            (Health::Well, false) => {
                tracing::error!(least = self.settings.min_free_bytes, "the disk is nearly full; no writes until space is freed");
                self.shared.set(Health::LowSpace);
                // Reading makes the database finish what it put off, for which there is still space; later reads then need none.
                self.with_tables(|tables| {
                    tables.read_everything().map(drop).map_err(io::Error::from).and_then(|()| self.barrier(tables))
                });
            }
            (Health::LowSpace, true) => {
                if self.with_tables(|tables| tables.commit(&probe()).map_err(io::Error::from).and_then(|()| self.barrier(tables)))
                {
                    self.recovered();
                }
            }
            (Health::Broken, true) => match self.reopen() {
                Ok(()) => self.recovered(),
                Err(error) => tracing::warn!(%error, "the store still can't write"),
            },
            (Health::Well, true) | (Health::LowSpace | Health::Broken, false) | (Health::Closed, _) => {}
        }
    }

    /// Does `work` on the database. When that fails, the store is broken, and the answer is false.
    fn with_tables(&self, work: impl FnOnce(&Tables) -> io::Result<()>) -> bool {
        let guard = self.shared.tables();
        let absent = || Err(io::Error::other("the database is not open"));
        let outcome = catch_unwind(AssertUnwindSafe(|| guard.as_ref().map_or_else(absent, work)));
        match outcome.unwrap_or_else(|_| Err(io::Error::other("the database panicked"))) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the store could not write; it must be opened anew");
                self.shared.set(Health::Broken);
                false
            }
        }
    }

    fn recovered(&self) {
        tracing::info!("the store takes writes again");
        self.shared.set(Health::Well);
    }

    /// Opens the database anew: after a failed write it refuses every further one, and its memory holds what was never acknowledged.
    fn reopen(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        self.disk.probe()?;
        let mut slot = self.shared.tables.write().unwrap_or_else(PoisonError::into_inner);
        slot.take().map_or(Ok(()), Tables::close)?;
        self.disk.rewrite()?;
        let (tables, _) = open::open(&self.settings, &self.lock, &Plan { schema: self.schema, steps: &[] })?;
        self.disk.attach()?;
        *slot = Some(tables);
        Ok(())
    }

    /// Flushes once more and lets go of the database, then of the directory.
    fn finish(self) -> Result<(), StoreError> {
        let flushed = match self.shared.tables().as_ref() {
            Some(tables) => tables.flush().map_err(io::Error::from).and_then(|()| self.disk.sync()),
            None => Ok(()),
        };
        self.shared.set(Health::Closed);
        let tables = self.shared.tables.write().unwrap_or_else(PoisonError::into_inner).take();
        let closed = tables.map_or(Ok(()), Tables::close);
        drop(self.lock);
        flushed.and(closed).map_err(|error| StoreError::Failed(error.to_string()))
    }
}

/// A write that only shows whether writing works.
fn probe() -> Changes {
    let mut changes = Changes::default();
    changes.put_raw(Table::Meta, PROBE_KEY, b"").expect("an empty value is never too large");
    changes
}
