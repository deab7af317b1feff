//! The right to use a data directory.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::restore;

const LOCK: &str = "lock";

/// The exclusive right to a data directory. Ends when dropped, and with the process at the latest.
#[derive(Debug)]
pub struct Claim {
    dir: PathBuf,
    _lock: File,
}

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another program uses it.
    #[error("another Hearth is using this data directory ({}); stop it first, or give this one a directory of its own", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// It can't be made or written.
    #[error("the data directory {} can't be used ({source}); choose another with --data-dir or server.data_dir, or give this user the right to write there", dir.display())]
    Io {
        /// The data directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Claim {
    /// Claims the directory, made with mode 0700 if it is not there, and finishes a restore that was interrupted there.
    ///
    /// # Errors
    /// When somebody else has it, or it can't be used.
    pub fn take(dir: &Path) -> Result<Self, ClaimError> {
        let failed = |source: io::Error| ClaimError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let path = dir.join(LOCK);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ClaimError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let claim = Self { dir: dir.to_owned(), _lock: file };
        claim.give_to_owner(&path).map_err(failed)?;
        if let Some(kept) = restore::complete(dir).map_err(failed)? {
            tracing::warn!(kept = %kept.display(), "a restore that was interrupted has been finished");
        }
        Ok(claim)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives what lies at `path` below the directory to the directory's owner. Matters to nobody but the superuser, whose files the
    /// server could not open afterwards.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn give_to_owner(&self, path: &Path) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let owner = fs::metadata(&self.dir)?;
        give(path, owner.uid(), owner.gid())
    }
}

fn give(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user, group)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(user), Some(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r10_a_directory_is_claimed_once_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("data");
        let claim = Claim::take(&dir).unwrap();
        let error = Claim::take(&dir).unwrap_err();
        assert!(matches!(error, ClaimError::InUse { .. }));
        assert!(error.to_string().starts_with("another Hearth is using this data directory"), "{error}");
        drop(claim);
        Claim::take(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(dir.join(LOCK)).unwrap().mode() & 0o777, 0o600);
    }
}
