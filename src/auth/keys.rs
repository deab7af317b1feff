//! Signing keys: 32 random bytes each, in files that only their owner may read.
//!
//! Every purpose has a key of its own, so that what was signed for one can't be passed off as another. To rotate a key, remove
//! its file and restart: everything signed with it is void from then on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::ids::{Secret, random_bytes};
use crate::private_files::{self, directory_of};

/// More than this is no token.
const MAX_TEXT_BYTES: u64 = 4096;

/// A key.
pub type Key = Secret<[u8; 32]>;

/// Why the keys can't be used. The program must not start then.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others than the owner may read or replace the key.
    #[error("{path} is open to other users of this machine (mode {mode:04o}): run `chmod {mend} {path}`", path = path.display())]
    Exposed {
        /// The file or the directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have, as `chmod` takes them.
        mend: &'static str,
    },
    /// A link, which whoever may turn it can lead elsewhere.
    #[error("{path} is a symbolic link: put the file or the directory itself in its place", path = path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Another user has it, and can read and replace it.
    #[error("{path} belongs to another user (number {owner}), who can read and replace it: run `chown {user} {path}` if it should be there, or remove it", path = path.display())]
    Foreign {
        /// The file or the directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        user: u32,
    },
    /// The file is not a key.
    #[error("{path} is not a key of 32 bytes: restore it from a backup, or remove it and everybody signs in again", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds nothing that is good as a token.
    #[error(
        "{path} holds no token of at least 32 letters, digits and signs: write one with `openssl rand -hex 32 > {path}`",
        path = path.display()
    )]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The key can't be read or written.
    #[error("the key {path} can't be used: {source}", path = path.display())]
    Io {
        /// The file or the directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A token that was just signed does not verify.
    #[error("signing does not work in this build: a fresh {0} token does not verify")]
    SelfTest(&'static str),
}

/// Reads the key in `path`, or makes one there, its directory included, when there is none.
///
/// Files are made whole or not at all. Two processes must not do this at once; the lock on the data directory sees to that.
///
/// # Errors
/// When the file can't be read or written, is no regular file of 32 bytes, or is open to other users.
pub fn load_or_create(path: &Path) -> Result<Key, KeyError> {
    load(path, refuse_owner)?.map_or_else(|| create(path), Ok)
}

/// Reads the key in `path` for somebody who looks at a server from outside and changes nothing: `None` when the server has not made it
/// yet. Root may look at any user's, which the server itself would not take.
///
/// # Errors
/// As [`load_or_create`].
pub fn look_at(path: &Path) -> Result<Option<Key>, KeyError> {
    let anybody: OwnerCheck = |_, _| Ok(());
    load(path, if rustix::process::geteuid().is_root() { anybody } else { refuse_owner })
}

/// The beginning of a file that only this user may read, for a secret that somebody wrote.
pub(super) fn read_private_text(path: &Path) -> Result<Vec<u8>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    refuse_owner(path, &metadata)?;
    // What root wrote, root may let a group read, or by an access list this user: so are credentials passed, and files below /etc.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    refuse_mode(path, &metadata, forbidden, "600")?;
    let mut text = Vec::new();
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(KeyError::NoToken { path: path.to_owned() });
    }
    Ok(text)
}

/// A short name for a key that tells keys apart and tells nothing about them.
pub(super) fn fingerprint(key: &Key) -> String {
    let hash = Sha256::new().chain_update(b"hearth key id").chain_update(key.expose()).finalize();
    BASE64URL_NOPAD.encode(&hash[..8])
}

/// What says whether a file or a directory may belong to its owner.
type OwnerCheck = fn(&Path, &fs::Metadata) -> Result<(), KeyError>;

/// The key in `path`; `None` where there is no file.
fn load(path: &Path, check_owner: OwnerCheck) -> Result<Option<Key>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(KeyError::Link { path: path.to_owned() }),
        Ok(found) if !found.is_file() => return Err(KeyError::Malformed { path: path.to_owned() }),
        // Asked here as well as below, because a key of somebody else can't even be opened.
        Ok(found) => check_owner(path, &found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(source)),
    }
    refuse_open_directory(path, check_owner)?;
    // Whoever owns the directory may put anything in the key's place at any moment; a pipe would hold the reader up.
    let plain_alone = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("the flags of a file are an int");
    let file = OpenOptions::new().read(true).custom_flags(plain_alone).open(path).map_err(io)?;
    // Asked of the open file, not of the path: nothing can be put in its place in between.
    let metadata = file.metadata().map_err(io)?;
    check_owner(path, &metadata)?;
    refuse_mode(path, &metadata, 0o077, "600")?;
    let mut bytes = Vec::with_capacity(33);
    file.take(33).read_to_end(&mut bytes).map_err(io)?;
    bytes.try_into().map(|key| Some(Secret::new(key))).map_err(|_| KeyError::Malformed { path: path.to_owned() })
}

fn create(path: &Path) -> Result<Key, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    private_files::make_directory(directory_of(path)).map_err(io)?;
    refuse_open_directory(path, refuse_owner)?;

    let key = random_bytes();
    private_files::write(path, &key).map_err(io)?;
    Ok(Secret::new(key))
}

fn refuse_open_directory(path: &Path, check_owner: OwnerCheck) -> Result<(), KeyError> {
    let directory = directory_of(path);
    let metadata = fs::symlink_metadata(directory).map_err(|source| KeyError::Io { path: directory.to_owned(), source })?;
    if metadata.is_symlink() {
        return Err(KeyError::Link { path: directory.to_owned() });
    }
    check_owner(directory, &metadata)?;
    // Who may only list the directory learns nothing; who may write to it can put his own key there.
    refuse_mode(directory, &metadata, 0o022, "700")
}

/// What root owns, root can read and replace anyway.
fn refuse_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), KeyError> {
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner == user || owner == 0 { Ok(()) } else { Err(KeyError::Foreign { path: path.to_owned(), owner, user }) }
}

fn refuse_mode(path: &Path, metadata: &fs::Metadata, forbidden: u32, mend: &'static str) -> Result<(), KeyError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & forbidden == 0 { Ok(()) } else { Err(KeyError::Exposed { path: path.to_owned(), mode, mend }) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_key_is_made_once_and_read_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys/access.key");
        let made = load_or_create(&path).unwrap();
        assert_eq!(load_or_create(&path).unwrap(), made);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_ne!(load_or_create(&home.path().join("keys/other.key")).unwrap(), made);
        assert_eq!(fs::read_dir(home.path().join("keys")).unwrap().count(), 2, "nothing unfinished stays behind");
    }

    #[test]
    fn a_key_half_written_before_a_crash_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("access.new"), b"half").unwrap();
        let key = load_or_create(&home.path().join("access.key")).unwrap();
        assert_eq!(fs::read(home.path().join("access.key")).unwrap(), key.expose());
    }

    #[test]
    fn looking_at_a_key_makes_none_and_finds_the_faults_that_the_server_would_find() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys/relay");
        assert!(look_at(&path).unwrap().is_none() && !home.path().join("keys").exists());
        let made = load_or_create(&path).unwrap();
        assert_eq!(look_at(&path).unwrap(), Some(made));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(look_at(&path), Err(KeyError::Exposed { mend: "600", .. })));
        fs::write(&path, b"short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(look_at(&path), Err(KeyError::Malformed { .. })));
    }

    #[test]
    fn a19_a_key_that_others_can_read_is_refused_with_the_mend() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("access.key");
        load_or_create(&path).unwrap();
        for open in [0o644, 0o640, 0o606] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { mode, .. } if mode == open), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a19_a_key_that_others_can_replace_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let keys = home.path().join("keys");
        load_or_create(&keys.join("access.key")).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o777)).unwrap();
        for name in ["access.key", "fresh.key"] {
            assert!(matches!(load_or_create(&keys.join(name)), Err(KeyError::Exposed { mend: "700", .. })));
        }
    }

    #[test]
    fn f3_links_short_files_and_long_files_are_no_keys() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("real.key");
        load_or_create(&real).unwrap();
        symlink(&real, home.path().join("link.key")).unwrap();
        for (name, length) in [("short.key", 31), ("long.key", 33), ("empty.key", 0)] {
            private_files::write(&home.path().join(name), &vec![1; length]).unwrap();
        }
        assert!(matches!(load_or_create(&home.path().join("link.key")), Err(KeyError::Link { .. })));
        symlink(home.path(), home.path().join("keys")).unwrap();
        for name in ["real.key", "fresh.key"] {
            assert!(matches!(load_or_create(&home.path().join("keys").join(name)), Err(KeyError::Link { .. })), "{name}");
        }
        for name in ["short.key", "long.key", "empty.key"] {
            assert!(matches!(load_or_create(&home.path().join(name)), Err(KeyError::Malformed { .. })), "{name} was taken");
        }
    }
}
