//! Opening the database: one process at a time, never a hang, never a wiped or silently empty database.
//!
//! The database below panics or spins on some damaged files. It is therefore opened on a thread of its own, under a time limit, and a
//! panic there is an error here. This needs panics that unwind: `panic = "abort"` would turn damage into a crash.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::disk::{DB_FILE, free_bytes};
use super::mark::Mark;
use super::migrate::{self, Mismatch, Plan};
use super::tables::Tables;
use super::{OpenError, Settings};
use crate::lifecycle::supervisor;

const LOCK_FILE: &str = "lock";
/// There once the database was created wholly. With it, an empty database means lost data and not a first start.
const CREATED_FILE: &str = "created";
const SNAPSHOT: &str = "snap.";
const HALF_WRITTEN: &str = ".generating";
const ASIDE: &str = "aside.";

/// The database's own lock can outlive a closed database by a moment, while its background threads end.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_TRIES: u32 = 250;
const LOCK_MESSAGE: &str = "could not acquire lock";

/// The exclusive right to the data directory. Ends when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Creates the directory if need be (0700) and locks it.
pub(super) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let failed = |error: io::Error| from_io(dir, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(failed)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Opens the database in a directory that was locked before, and tells its schema: that of `plan`, or one that a step of it starts
/// from. Data of a newer schema are not touched where their mark tells of it. Blocking, for at most twice the time limit.
pub(super) fn open(settings: &Settings, _lock: &Lock, plan: &Plan) -> Result<(Tables, u32), OpenError> {
    let (schema, steps) = (plan.schema, plan.steps);
    if let Some(Mark { schema: found, by }) = Mark::of(&settings.dir).filter(|mark| mark.schema > schema) {
        return Err(Failure::Mismatch(Mismatch::TooNew { found, by }).describe(settings));
    }
    open_and(settings, move |tables, created| Plan { schema, steps }.examine(tables, created))
}

/// Opens a database that is there, of whatever schema, and leaves it as it is.
pub(super) fn open_as_it_is(settings: &Settings, _lock: &Lock) -> Result<(Tables, u32), OpenError> {
    if !settings.dir.join(CREATED_FILE).exists() {
        return Err(damaged(&settings.dir, "there is no database"));
    }
    open_and(settings, |tables, _| migrate::schema(tables)?.ok_or(Mismatch::Missing))
}

fn open_and(
    settings: &Settings,
    examine: impl Fn(&Tables, bool) -> Result<u32, Mismatch> + Clone + Send + 'static,
) -> Result<(Tables, u32), OpenError> {
    let dir = settings.dir.as_path();
    let failed = |error: io::Error| from_io(dir, &error);
    let created = dir.join(CREATED_FILE).try_exists().map_err(failed)?;
    refuse_vanished(dir, created)?;
    if !created && free_bytes(dir).map_err(failed)? < settings.min_free_bytes {
        return Err(OpenError::NoSpace { dir: dir.to_path_buf() });
    }
    for path in snapshots(dir).map_err(failed)?.into_iter().filter(|path| is_half_written(path)) {
        tracing::warn!(file = %path.display(), "removing a snapshot that was only half written when the program stopped");
        fs::remove_file(path).map_err(failed)?;
    }
    let opened = match attempt(settings, created, examine.clone()) {
        Err(Failure::Sled(sled::Error::Corruption { .. })) => {
            set_aside(settings)?;
            attempt(settings, created, examine)
        }
        other => other,
    }
    .map_err(|failure| failure.describe(settings))?;
    make_lasting(dir).map_err(failed)?;
    Ok(opened)
}

/// A data file that is gone or empty, where there once was one, is damage; the database would begin anew.
fn refuse_vanished(dir: &Path, created: bool) -> Result<(), OpenError> {
    let failed = |error: io::Error| from_io(dir, &error);
    let length = length_of_data(dir).map_err(failed)?;
    let had_data = created || snapshots(dir).map_err(failed)?.iter().any(|path| !is_half_written(path));
    if length == 0 && had_data {
        return Err(damaged(dir, "the data file is missing or empty"));
    }
    Ok(())
}

/// How long the data file is; 0 when it is not there.
fn length_of_data(dir: &Path) -> io::Result<u64> {
    match fs::metadata(dir.join(DB_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        about => about.map(|about| about.len()),
    }
}

/// Why one attempt failed.
enum Failure {
    Sled(sled::Error),
    Mismatch(Mismatch),
    Panicked,
    TimedOut,
    NoThread(io::Error),
}

impl Failure {
    fn describe(self, settings: &Settings) -> OpenError {
        let dir = settings.dir.as_path();
        match self {
            Self::Sled(error) | Self::Mismatch(Mismatch::Unwritable(error)) => from_sled(dir, error),
            Self::Mismatch(mismatch @ Mismatch::TooNew { .. }) => {
                OpenError::TooNew { dir: dir.to_path_buf(), detail: mismatch.to_string() }
            }
            Self::Mismatch(mismatch @ (Mismatch::Missing | Mismatch::Unknown(_) | Mismatch::Unreadable(_))) => {
                damaged(dir, &mismatch.to_string())
            }
            Self::Panicked => damaged(dir, "the database gave up reading it"),
            Self::TimedOut => OpenError::TimedOut { dir: dir.to_path_buf(), seconds: settings.open_timeout.as_secs() },
            Self::NoThread(error) => from_io(dir, &error),
        }
    }
}

/// Opens and reads the whole database on another thread, waiting no longer than the time limit. A thread that spins for ever keeps
/// the database's own lock; the program is expected to end.
fn attempt(
    settings: &Settings,
    created: bool,
    examine: impl FnOnce(&Tables, bool) -> Result<u32, Mismatch> + Send + 'static,
) -> Result<(Tables, u32), Failure> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let dir = settings.dir.clone();
    thread::Builder::new()
        .name(String::from(supervisor::STARTING_THREAD))
        .spawn(move || {
            let opened = catch_unwind(AssertUnwindSafe(|| open_and_read(&dir, created, examine)));
            // Nobody may be waiting any more: the database is then closed again by being dropped.
            sender.send(opened.unwrap_or(Err(Failure::Panicked))).unwrap_or_else(drop);
        })
        .map_err(Failure::NoThread)?;
    receiver.recv_timeout(settings.open_timeout).unwrap_or_else(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Err(Failure::TimedOut),
        mpsc::RecvTimeoutError::Disconnected => Err(Failure::Panicked),
    })
}

/// How the database is run. These settings never change: it refuses others than those it was made with.
pub(super) fn config(dir: &Path) -> sled::Config {
    sled::Config::new()
        .path(dir)
        .cache_capacity(64 * 1024 * 1024)
        .mode(sled::Mode::LowSpace)
        .use_compression(false)
        .flush_every_ms(Some(250))
}

fn open_and_read(
    dir: &Path,
    created: bool,
    examine: impl FnOnce(&Tables, bool) -> Result<u32, Mismatch>,
) -> Result<(Tables, u32), Failure> {
    let mut tries = 1;
    let db = loop {
        match config(dir).open() {
            Err(sled::Error::Io(error)) if error.to_string().contains(LOCK_MESSAGE) && tries < LOCK_TRIES => {
                tries += 1;
                thread::sleep(LOCK_PAUSE);
            }
            other => break other.map_err(Failure::Sled)?,
        }
    };
    let tables = Tables::open(db).map_err(Failure::Sled)?;
    let schema = examine(&tables, created).map_err(Failure::Mismatch)?;
    let damaged_values = tables.read_everything().map_err(Failure::Sled)?;
    if damaged_values > 0 {
        tracing::error!(damaged_values, "parts of the store are damaged; the rest is served. Restore a backup to mend it");
    }
    tables.flush().map_err(Failure::Sled)?;
    Ok((tables, schema))
}

/// Takes the snapshots and the database's settings file out of the way, so that it reads its whole log instead. The log is copied
/// first: a database that finds nothing it understands would begin a new one in its place.
fn set_aside(settings: &Settings) -> Result<(), OpenError> {
    let dir = settings.dir.as_path();
    let failed = |error: io::Error| from_io(dir, &error);
    let stamp = crate::clock::Timestamp::now().as_millis();
    let aside = |name: &str| dir.join(format!("{ASIDE}{stamp}.{name}"));
    let already_copied = file_names(dir).map_err(failed)?.iter().any(|name| name.starts_with(ASIDE) && name.ends_with(".db"));
    // When the power fails during the very first start, the settings may be there without it.
    let needed = length_of_data(dir).map_err(failed)?;
    let what = if needed == 0 {
        "the first start was cut short; beginning anew"
    } else {
        "the store's snapshot is damaged; reading the whole log"
    };
    tracing::warn!(dir = %dir.display(), "{what}. Files named aside.* may be deleted later");
    if needed > 0 && !already_copied {
        if free_bytes(dir).map_err(failed)? < needed.saturating_add(settings.min_free_bytes) {
            return Err(OpenError::NoSpace { dir: dir.to_path_buf() });
        }
        // Under another name until it is whole, so that half a copy never counts as one.
        let partial = dir.join("aside.partial");
        fs::copy(dir.join(DB_FILE), &partial).map_err(failed)?;
        File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(partial, aside(DB_FILE)).map_err(failed)?;
    }
    for path in snapshots(dir).map_err(failed)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::rename(&path, aside(&name)).map_err(failed)?;
    }
    // Written anew from the settings above, which never change: a kill during the very first start can leave half of it.
    match fs::rename(dir.join("conf"), aside("conf")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Marks the database as created, closes its files to others and makes their names survive a loss of power.
pub(super) fn make_lasting(dir: &Path) -> io::Result<()> {
    for name in file_names(dir)? {
        let path = dir.join(name);
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        File::open(&path)?.sync_all()?;
    }
    let mark = dir.join(CREATED_FILE);
    if !mark.try_exists()? {
        OpenOptions::new().create(true).append(true).mode(0o600).open(&mark)?.sync_all()?;
    }
    File::open(dir)?.sync_all()?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // A parent that may be passed but not read is none of our business.
        Some(parent) => File::open(parent).map_or(Ok(()), |parent| parent.sync_all()),
        None => Ok(()),
    }
}

fn is_half_written(path: &Path) -> bool {
    path.to_string_lossy().ends_with(HALF_WRITTEN)
}

fn snapshots(dir: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(file_names(dir)?.into_iter().filter(|name| name.starts_with(SNAPSHOT)).map(|name| dir.join(name)).collect())
}

fn file_names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn damaged(dir: &Path, detail: &str) -> OpenError {
    OpenError::Damaged { dir: dir.to_path_buf(), detail: detail.to_owned() }
}

fn from_io(dir: &Path, error: &io::Error) -> OpenError {
    let dir = dir.to_path_buf();
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library has dozens of kinds and may add more")]
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::NoSpace { dir },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory => {
            OpenError::Permission { dir, detail: error.to_string() }
        }
        _ => OpenError::Failed { dir, detail: error.to_string() },
    }
}

fn from_sled(dir: &Path, error: sled::Error) -> OpenError {
    match error {
        sled::Error::Io(error) if error.to_string().contains(LOCK_MESSAGE) => OpenError::Locked { dir: dir.to_path_buf() },
        sled::Error::Io(error) => from_io(dir, &error),
        sled::Error::Unsupported(detail) => OpenError::TooNew { dir: dir.to_path_buf(), detail },
        error @ (sled::Error::Corruption { .. } | sled::Error::CollectionNotFound(_) | sled::Error::ReportableBug(_)) => {
            damaged(dir, &error.to_string())
        }
    }
}
