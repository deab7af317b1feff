//! Making a backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::STORE;
use super::format::{Damage, Header, Sealer};
use super::parts::{Unfinished, each_file};
use super::restore::inspect;
use crate::clock::Timestamp;
use crate::private_files::directory_of;
use crate::store::{self, Piece, Snapshot, Store};

/// What must stay free beside a backup, in bytes: with less the store would take no more writes.
const SPARE: u64 = 64 * 1024 * 1024;

/// What went into a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries of the store.
    pub entries: u64,
    /// Those of them that are not what was once written. They are in the backup as they are.
    pub damaged: u64,
    /// Files: keys, certificates, settings.
    pub files: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file can't be written.
    #[error("{} can't be written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What was written can't be read again.
    #[error("what was written to {} is not what should be there ({damage}); the disk may be failing", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was found.
        damage: Damage,
    },
}

/// Writes a backup of the data in `data_dir`, whose store `snapshot` shows.
///
/// # Errors
/// When the data can't be read, or `out` can't be written.
pub fn write_archive(snapshot: &Snapshot<'_>, data_dir: &Path, now: Timestamp, out: impl Write) -> io::Result<Summary> {
    let header = Header { schema: snapshot.schema(), made_at: now, made_by: String::from(env!("CARGO_PKG_VERSION")) };
    let mut sealer = Sealer::new(BufWriter::with_capacity(256 * 1024, out), &header)?;
    let exported = snapshot.export(&mut |piece| match piece {
        Piece::Tree(name) => sealer.tree(name),
        Piece::Entry { key, value } => sealer.entry(key, value),
    })?;
    let mut files = 0;
    each_file(data_dir, &mut |name, content| {
        files += 1;
        sealer.file(name, content)
    })?;
    sealer.finish()?;
    Ok(Summary { entries: exported.entries, damaged: exported.damaged, files })
}

/// Has `fill` write a backup, reads it again, and only then lets it appear at `path`, in place of a file that may be there.
/// Only this user may read it. The answer is what `fill` answered.
///
/// # Errors
/// When it can't be written, or is no backup. Then nothing has changed at `path`.
pub fn write_file<T>(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, BackupError> {
    let failed = |source: io::Error| BackupError::Io { path: path.to_owned(), source };
    let mut unfinished = Unfinished::begin(path).map_err(failed)?;
    let answer = fill(unfinished.file()).map_err(failed)?;
    inspect(unfinished.path()).map_err(|damage| BackupError::Unreadable { path: path.to_owned(), damage })?;
    unfinished.finish().map_err(failed)?;
    Ok(answer)
}

/// A backup of a running server, in a file without a name beside its data, to be read from its first byte on. Whoever wants it may
/// read slowly or keep it on another disk, and the store must wait for neither.
///
/// # Errors
/// What stands in the way, as a sentence.
pub async fn of_running(store: &Store, data_dir: PathBuf, now: Timestamp) -> Result<(File, Summary), String> {
    let made = store.with_snapshot(move |snapshot| {
        refuse_without_room(&data_dir, &data_dir)?;
        let written = || {
            let mut file = temporary(&data_dir)?;
            let summary = write_archive(snapshot, &data_dir, now, &mut file)?;
            file.rewind()?;
            Ok((file, summary))
        };
        written().map_err(|error: io::Error| format!("The backup could not be written: {error}"))
    });
    made.await.unwrap_or_else(|error| Err(format!("The store could not be read: {error}")))
}

/// Refuses to fill the disk with a backup of `data_dir` in `directory`, which is made later if need be.
///
/// # Errors
/// How much room there is and how much is needed.
pub fn refuse_without_room(data_dir: &Path, directory: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{} can't be used: {error}", directory.display());
    let needed = expected_bytes(data_dir).map_err(failed)? + SPARE;
    let free = free_bytes(directory).map_err(failed)?;
    if free < needed {
        let mebibytes = |bytes: u64| bytes / (1024 * 1024);
        let (free, needed) = (mebibytes(free), mebibytes(needed));
        return Err(format!("There is not enough room in {}: {free} MiB are free, {needed} are needed", directory.display()));
    }
    Ok(())
}

/// A file without a name in `directory`. It goes with its last handle.
fn temporary(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".{}.partial", data_encoding::HEXLOWER.encode(&crate::ids::random_bytes::<8>())));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// About how large a backup will be, in bytes: never smaller than what the store takes on the disk.
///
/// # Errors
/// When the store's files can't be looked at.
pub fn expected_bytes(data_dir: &Path) -> io::Result<u64> {
    let mut bytes = 1024 * 1024;
    for entry in fs::read_dir(data_dir.join(STORE))? {
        let entry = entry?;
        if entry.file_name() == "db" {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// Bytes that an ordinary user may still write where `path` will lie.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let mut path = path;
    while !path.exists() {
        path = directory_of(path);
    }
    store::free_bytes(path)
}
