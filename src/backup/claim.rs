//! The right to use a data directory.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, openat, statat};

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
    /// Somebody else could read or replace what a server keeps there.
    #[error("the data directory {} {fault}; {mend}", dir.display())]
    NotOurs {
        /// The data directory.
        dir: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
        /// What to do about it.
        mend: String,
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
    /// Claims the directory for a server, which keeps its secrets there: it must be this user's own, and no link that somebody else
    /// may turn.
    ///
    /// # Errors
    /// When it is not, or as [`Claim::take`].
    pub fn take_to_serve(dir: &Path) -> Result<Self, ClaimError> {
        refuse_foreign(dir)?;
        Self::take(dir)
    }

    /// Claims the directory, made with mode 0700 if it is not there, and finishes a restore that was interrupted there.
    ///
    /// # Errors
    /// When somebody else has it, or it can't be used.
    pub fn take(dir: &Path) -> Result<Self, ClaimError> {
        let failed = |source: io::Error| ClaimError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let path = dir.join(LOCK);
        // Root may claim what belongs to somebody who can put a link there.
        let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).expect("the flags of a file are an int");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(no_link).open(&path).map_err(failed)?;
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
        let home = File::open(&self.dir)?;
        let about = home.metadata()?;
        let owner = (Uid::from_raw(about.uid()), Gid::from_raw(about.gid()));
        let below = path.strip_prefix(&self.dir).map_err(|_| io::Error::other("this lies outside of the data directory"))?;
        let mut names: Vec<_> = below.components().collect();
        let Some(Component::Normal(last)) = names.pop() else { return Ok(()) };
        let mut place = home.as_fd().try_clone_to_owned()?;
        for name in names {
            place = openat(&place, name.as_os_str(), DIRECTORY, Mode::empty())?;
        }
        Ok(give(place.as_fd(), last, owner)?)
    }
}

/// How a directory on the way is opened. Whoever owns the data may put a link in its place at any moment, and it is not to lead root
/// to the files of others.
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

fn give(place: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy, owner: (Uid, Gid)) -> rustix::io::Result<()> {
    let about = match statat(place, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let kind = FileType::from_raw_mode(about.st_mode);
    if kind == FileType::Directory {
        let directory = openat(place, name, DIRECTORY, Mode::empty())?;
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                give(directory.as_fd(), entry.file_name(), owner)?;
            }
        }
    } else if kind != FileType::RegularFile || about.st_nlink > 1 {
        // Nothing that is made here has another name elsewhere.
        return Ok(());
    }
    chownat(place, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)
}

/// Refuses a directory in which somebody else decides what lies there. One that is not there yet will be this user's own.
fn refuse_foreign(dir: &Path) -> Result<(), ClaimError> {
    // A slash at the end would lead through a link.
    let dir = &dir.components().collect::<PathBuf>();
    let refused = |fault, mend| Err(ClaimError::NotOurs { dir: dir.to_owned(), fault, mend });
    let Ok(about) = fs::symlink_metadata(dir) else { return Ok(()) };
    if about.is_symlink() {
        let target = fs::canonicalize(dir).unwrap_or_else(|_| PathBuf::from("PATH"));
        return refused("is a symbolic link", format!("name the directory itself: --data-dir {}", target.display()));
    }
    // What root owns, root can read and replace anyway.
    let (user, path) = (rustix::process::geteuid(), dir.display());
    if about.uid() != user.as_raw() && about.uid() != 0 {
        let mend = if user.is_root() {
            format!("start Hearth as that user: sudo -u '#{}'", about.uid())
        } else {
            format!("give it to the user that Hearth runs as: chown -R {} {path}", user.as_raw())
        };
        return refused("belongs to another user", mend);
    }
    let (fault, mode) = match about.mode() & 0o022 {
        _ if !about.is_dir() => return Ok(()),
        0 => return Ok(()),
        0o020 => ("may be written by a group of users of this machine", "g-w"),
        _ => ("may be written by every user of this machine", "go-w"),
    };
    let inside = dir.join("hearth");
    refused(
        fault,
        format!("run: chmod {mode} {path}; or, where it is a mount, name a directory inside it: --data-dir {}", inside.display()),
    )
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

    #[test]
    fn f3_a_directory_in_which_others_decide_is_not_served() {
        let home = tempfile::tempdir().unwrap();
        let (dir, link) = (home.path().join("data"), home.path().join("link"));
        drop(Claim::take_to_serve(&dir).unwrap());
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        for link in [link.clone(), link.join("")] {
            let error = Claim::take_to_serve(&link).unwrap_err().to_string();
            assert!(error.contains("is a symbolic link; name the directory itself: --data-dir /"), "{error}");
        }
        // Commands for whoever administrates it may be led there.
        drop(Claim::take(&link).unwrap());
        for (mode, mend) in [
            (0o777, "chmod go-w"),
            (0o702, "chmod go-w"),
            (0o770, "chmod g-w"),
            (0o775, "chmod g-w"),
            (0o755, ""),
            (0o750, ""),
            (0o700, ""),
        ] {
            fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            let told = Claim::take_to_serve(&dir).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.is_empty(), mend.is_empty(), "{mode:o}: {told}");
            assert!(told.contains(mend), "{mode:o}: {told}");
            assert_eq!(told.contains("a directory inside it: --data-dir "), !mend.is_empty(), "{mode:o}: {told}");
        }
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let (dir, other) = (home.path().join("data"), home.path().join("other"));
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink(&other, dir.join(LOCK)).unwrap();
        assert!(matches!(Claim::take(&dir), Err(ClaimError::Io { .. })));
        assert!(!other.exists());
    }
}
