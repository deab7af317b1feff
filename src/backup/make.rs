//! Making a backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::STORE;
use super::format::{Damage, Header, Sealer};
use super::parts::{Unfinished, directory_of, each_file, make_directory};
use super::restore::inspect;
use crate::clock::Timestamp;
use crate::store::{Piece, Snapshot};

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

/// A file without a name in `directory`, which is made if need be. It goes with its last handle.
///
/// # Errors
/// When it can't be made.
pub fn temporary(directory: &Path) -> io::Result<File> {
    make_directory(directory)?;
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
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let mut path = path;
    while !path.exists() {
        path = directory_of(path);
    }
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
