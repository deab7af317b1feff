//! What outlives the process: accounts, sign-ins and meetings.
//!
//! The promise: **a write that was acknowledged is there after any crash, loss of power or full disk, and it is there wholly.** A
//! write that was refused or never answered may be there or not, but never in part.
//!
//! How it is kept, and what must stay true:
//! - One thread writes ([`writer`]). Each write is one transaction over all trees it touches, and is acknowledged after the database
//!   was flushed *and* the data file was synced; the database's own flush stops short of the disk.
//! - After any error nothing is acknowledged until the disk takes writes again ([`Store::is_degraded`]); reads go on.
//! - Opening never hangs, never wipes and never begins an empty database where there was one ([`open`]).
//! - Every value has a version and a checksum ([`codec`]). A damaged one is an error that names it, never a panic.
//! - Nothing ephemeral is stored, and no secret but hashes.
//! - Nothing outside this module knows which database it is, and nothing async ever waits for it on a runtime thread.
//!
//! Reads see a write from the moment it is applied, which can be a moment before it is acknowledged.

mod accounts;
mod alive;
mod codec;
mod disk;
mod mark;
mod meetings;
mod migrate;
mod open;
mod sessions;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

pub use accounts::{AccountRole, NewUser, User};
pub use disk::{Space, free_bytes, space};
pub use meetings::MeetingFilter;
pub use migrate::SCHEMA;
pub use sessions::{Advance, AdvanceRules, Session};
pub use snapshot::{Exported, Import, Piece, Snapshot, refuse_if_in_use, steps_from, version_of, with_closed};

use crate::clock::Tick;
use disk::{DataDir, Disk};
use mark::Mark;
use migrate::Plan;
use snapshot::Keep;
use tables::{Changes, Tables};
use writer::{Health, Shared, Write, Writer};

/// Most writes that may wait. More are refused with [`StoreError::Busy`].
const QUEUE: usize = 1024;
/// After this long without an acknowledgement the database is asked once more: a failed write can leave its flush waiting.
const NUDGE_AFTER: Duration = Duration::from_secs(10);
/// After this long in addition, the write is given up. Whether it took place is then unknown.
const GIVE_UP_AFTER: Duration = Duration::from_secs(20);

/// With less free space than this, writes are refused, where nobody says otherwise.
pub const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Where the store lies and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The store's own directory; nothing else may be in it. Created with mode 0700.
    pub dir: PathBuf,
    /// How long opening may take before it is given up.
    pub open_timeout: Duration,
    /// With less free space than this, writes are refused.
    pub min_free_bytes: u64,
}

impl Settings {
    /// The usual settings: 60 s and 64 MiB.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, open_timeout: Duration::from_secs(60), min_free_bytes: MIN_FREE_BYTES }
    }
}

/// Why the store could not be opened, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another Hearth is using this data directory ({}); stop it first, or give this one a directory of its own", dir.display())]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The data is there but can't be read. Nothing was deleted.
    #[error("the data in {} is damaged: {detail}. Nothing was deleted; restore the latest backup", dir.display())]
    Damaged {
        /// The store's directory.
        dir: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Opening took too long, which damaged data can cause.
    #[error("the data in {} could not be opened within {seconds} s: the disk is very slow or the data is damaged. Try again, or restore the latest backup", dir.display())]
    TimedOut {
        /// The store's directory.
        dir: PathBuf,
        /// The limit that passed.
        seconds: u64,
    },
    /// The file system is full, or nearly so.
    #[error("there is not enough free space for the data in {}; free some and start again", dir.display())]
    NoSpace {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The directory or a file in it is not ours to use.
    #[error("the data directory {} can't be used ({detail}); it must be a directory that this user may read and write", dir.display())]
    Permission {
        /// The store's directory.
        dir: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// Written by a newer Hearth.
    #[error(
        "the data in {} was written by a newer Hearth ({detail}); this is Hearth {}, which reads data up to version {SCHEMA}. Start the newer one, or restore a backup that this one made",
        dir.display(), env!("CARGO_PKG_VERSION")
    )]
    TooNew {
        /// The store's directory.
        dir: PathBuf,
        /// Which version.
        detail: String,
    },
    /// Older data could not be backed up, so they were not upgraded either.
    #[error("the data in {} must be upgraded from version {from} to {to}, and could not be backed up before: {detail}. Nothing was changed; mend that and start again, or start the older Hearth", dir.display())]
    NotKept {
        /// The store's directory.
        dir: PathBuf,
        /// The data's version.
        from: u32,
        /// The version to be.
        to: u32,
        /// What stood in the way.
        detail: String,
    },
    /// A step of the upgrade failed. Each step is done wholly or not at all.
    #[error("the data in {} could not be upgraded from version {from} to {to}: {detail}. Start the older Hearth again, or restore the backup that was made before", dir.display())]
    NotMigrated {
        /// The store's directory.
        dir: PathBuf,
        /// The data's version.
        from: u32,
        /// The version to be.
        to: u32,
        /// What went wrong.
        detail: String,
    },
    /// The operating system refused something else.
    #[error("the data in {} could not be opened: {detail}. Check the disk and start again", dir.display())]
    Failed {
        /// The store's directory.
        dir: PathBuf,
        /// What the operating system said.
        detail: String,
    },
}

impl OpenError {
    /// Whether the data are likely damaged, so that a restore is what helps.
    pub fn calls_for_restore(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::TimedOut { .. })
    }
}

/// Why a read or a write was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An account has this e-mail address already.
    #[error("an account with this e-mail address exists already")]
    EmailTaken,
    /// A meeting has this code already.
    #[error("a meeting with this code exists already")]
    RoomTaken,
    /// The token for the first account is wrong or too old.
    #[error("the setup token is wrong or has expired")]
    SetupTokenInvalid,
    /// There is an account already, so no first one can be created.
    #[error("the first account exists already")]
    SetupDone,
    /// The value is larger than the store takes.
    #[error("this is more than the store can keep in one place")]
    TooLarge,
    /// Too many writes are waiting. Trying again later helps.
    #[error("the store is busy")]
    Busy,
    /// Too little space is left on the disk. Writes resume by themselves when some is freed.
    #[error("the disk is full")]
    NoSpace,
    /// The disk failed, and writes are refused until it takes them again. Whether a write that got this answer took place is unknown.
    #[error("the store's disk fails at present")]
    Degraded,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A stored value is not what was written.
    #[error("the stored value {key} in {tree} is damaged")]
    Damaged {
        /// The tree.
        tree: &'static str,
        /// The key, in hexadecimal.
        key: String,
    },
    /// The database failed in another way.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A handle on the store. Cheap to clone; all clones are one. The store closes when the last one is dropped, but only
/// [`Store::close`] waits for it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// `None` once closing has begun.
    jobs: Mutex<Option<SyncSender<Box<dyn Write>>>>,
    writer: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("health", &self.inner.shared.health()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store, creating it if need be. Blocking: call it before the runtime starts, or in `spawn_blocking`.
    ///
    /// # Errors
    /// See [`OpenError`]; each says what to do. After [`OpenError::TimedOut`] the process should end. Data of an older schema are
    /// refused with [`OpenError::NotKept`].
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_migrating(settings, &mut |_| Err(String::from("nobody keeps a backup here")))
    }

    /// The same, with data of an older schema brought to this one. Before anything is changed, `keep` makes a backup of them.
    ///
    /// # Errors
    /// As above; [`OpenError::NotKept`] with what `keep` said.
    pub fn open_migrating(
        settings: Settings,
        keep: &mut dyn FnMut(&Snapshot<'_>) -> Result<(), String>,
    ) -> Result<Self, OpenError> {
        Self::open_on(settings, |dir| Box::new(DataDir::new(dir)), &Plan::CURRENT, keep)
    }

    fn open_on(
        settings: Settings,
        disk: impl FnOnce(&Path) -> Box<dyn Disk>,
        plan: &Plan,
        keep: &mut Keep<'_>,
    ) -> Result<Self, OpenError> {
        let lock = open::lock(&settings.dir)?;
        let (tables, found) = open::open(&settings, &lock, plan)?;
        if found != plan.schema {
            snapshot::keep_and_migrate(&settings, &tables, found, plan, keep)?;
        }
        // Without the mark an older Hearth still refuses the data, only not before it has opened them.
        if let Err(error) = Mark::put(&settings.dir, plan.schema, migrate::written_by(&tables)) {
            tracing::warn!(%error, "the version of the data could not be written beside them");
        }
        let failed = |error: std::io::Error| OpenError::Failed { dir: settings.dir.clone(), detail: error.to_string() };
        let mut disk = disk(&settings.dir);
        disk.attach().map_err(failed)?;
        let enough = disk.free_bytes().map_err(failed)? >= settings.min_free_bytes;
        let shared = Arc::new(Shared::new(tables, if enough { Health::Well } else { Health::LowSpace }));

        let (jobs, waiting) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name(String::from("store-writer"));
        let writer = Writer {
            shared: Arc::clone(&shared),
            settings: settings.clone(),
            disk,
            lock,
            jobs: waiting,
            probed: Tick::default(),
            schema: plan.schema,
        };
        let writer = thread.spawn(move || writer.run()).map_err(failed)?;
        Ok(Self { inner: Arc::new(Inner { shared, jobs: Mutex::new(Some(jobs)), writer: Mutex::new(Some(writer)) }) })
    }

    /// Finishes the writes that wait, flushes, and lets go of the directory. Every later call is refused with
    /// [`StoreError::Closed`]. A second call does nothing.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the last flush failed. What was acknowledged is safe even then.
    pub async fn close(&self) -> Result<(), StoreError> {
        drop(locked(&self.inner.jobs).take());
        let Some(writer) = locked(&self.inner.writer).take() else { return Ok(()) };
        let ended = tokio::task::spawn_blocking(move || writer.join()).await;
        match ended {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(StoreError::Failed(String::from("the writer ended by a panic"))),
        }
    }

    /// Whether writes are refused at present because a write failed or space ran out. Reads go on, and the store recovers by itself
    /// within about a second of the disk taking writes again.
    pub fn is_degraded(&self) -> bool {
        matches!(self.inner.shared.health(), Health::LowSpace | Health::Broken)
    }

    /// Runs `read` on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.inner.shared);
        let reading = tokio::task::spawn_blocking(move || match shared.tables().as_ref() {
            Some(tables) => read(tables),
            None => Err(shared.absence()),
        });
        reading.await.unwrap_or_else(|error| {
            Err(if error.is_panic() { StoreError::Failed(String::from("the database panicked")) } else { StoreError::Closed })
        })
    }

    /// Has the writer run `decide` and make its changes durable. Errors of `decide` change nothing.
    async fn write<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Tables, &mut Changes) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, mut answer) = oneshot::channel();
        self.enqueue(Box::new(Step { decide: Some(decide), decided: None, reply }))?;
        if let Ok(answered) = tokio::time::timeout(NUDGE_AFTER, &mut answer).await {
            return answered.unwrap_or(Err(StoreError::Closed));
        }
        let shared = Arc::clone(&self.inner.shared);
        drop(tokio::task::spawn_blocking(move || shared.tables().as_ref().map(Tables::flush)));
        match tokio::time::timeout(GIVE_UP_AFTER, answer).await {
            Ok(answered) => answered.unwrap_or(Err(StoreError::Closed)),
            Err(_) => Err(StoreError::Degraded),
        }
    }

    /// Hands something to the writer.
    fn enqueue(&self, job: Box<dyn Write>) -> Result<(), StoreError> {
        match locked(&self.inner.jobs).as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(StoreError::Closed),
        }
    }
}

/// One write: its decision, then its answer.
struct Step<F, T> {
    decide: Option<F>,
    decided: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Write for Step<F, T>
where
    F: FnOnce(&Tables, &mut Changes) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn apply(&mut self, tables: &Tables) -> Changes {
        let mut changes = Changes::default();
        if let Some(decide) = self.decide.take() {
            let decided = decide(tables, &mut changes);
            if decided.is_err() {
                changes = Changes::default();
            }
            self.decided = Some(decided);
        }
        changes
    }

    fn acknowledge(self: Box<Self>, durable: Result<(), StoreError>) {
        let decided = self.decided.unwrap_or(Err(StoreError::Closed));
        // The caller may have given up waiting; the write stands all the same.
        drop(self.reply.send(durable.and(decided)));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
