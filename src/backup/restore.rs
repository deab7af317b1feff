//! Putting a backup in the place of the data.
//!
//! Everything happens inside the data directory, because that is often a mount of its own, or lies where its user may not rename it:
//!
//! 1. `restore.partial/new/` is filled and put on the disk. Whatever happens until here, the next [`Claim`] removes it.
//! 2. It is renamed to `restore.ready`. From here on the new data count.
//! 3. The old data are moved into `restore.ready/old/`. When all are, it is renamed to `restore.placing`.
//! 4. The new data are moved from `restore.placing/new/` to where they belong, `old` becomes `before-restore-TIME`, and the rest goes.
//!
//! Steps 3 and 4 move only what is still to be moved, so whoever claims the directory next can finish them.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::STORE;
use super::claim::Claim;
use super::format::{Damage, Header, Record, Unsealer};
use super::make::Summary;
use super::names::{self, DIRECTORIES, FILES};
use super::parts::{sync_directories, write_new};
use crate::clock::Timestamp;
use crate::private_files::{make_directory, sync_directory};
use crate::store::{self, Import, OpenError, Piece};

const PARTIAL: &str = "restore.partial";
const READY: &str = "restore.ready";
const PLACING: &str = "restore.placing";
const NEW: &str = "new";
const OLD: &str = "old";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What it says about itself.
    pub header: Header,
    /// How much there is.
    pub summary: Summary,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// Where the data lie that were there before, if there were any.
    pub kept: Option<PathBuf>,
}

/// Why nothing was restored. The data are what they were, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file can't be restored.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// It holds data of a newer schema.
    #[error("this backup was made by Hearth {made_by} and holds data of version {schema}; this is Hearth {}, which reads data up to version {}. Restore it with that Hearth or a newer one", env!("CARGO_PKG_VERSION"), store::SCHEMA)]
    TooNew {
        /// The Hearth that made it.
        made_by: String,
        /// The version of the data.
        schema: u32,
    },
    /// The store is in use, by a Hearth that is older than this one.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The new data can't be written.
    #[error("the data can't be written: {0}. Nothing was changed")]
    Io(io::Error),
    /// The new data are written, and could not be moved into their place.
    #[error("the restored data could not be moved into their place: {0}. Mend that and start Hearth: it finishes the restore")]
    Unfinished(io::Error),
}

/// Reads a backup to its end and says what it holds. Nothing is changed.
///
/// # Errors
/// When it is damaged, cut short, or no backup.
pub fn inspect(file: &Path) -> Result<Contents, Damage> {
    read(file, &mut |_| Ok::<(), Damage>(()))
}

/// Reads a backup to its end and says what it holds, if [`restore`] would take it. Nothing is changed.
///
/// # Errors
/// As [`inspect`], and when it holds newer data than this program knows.
pub fn examine(file: &Path) -> Result<Contents, RestoreError> {
    let contents = inspect(file)?;
    let header = &contents.header;
    if header.schema > store::SCHEMA {
        return Err(RestoreError::TooNew { made_by: header.made_by.clone(), schema: header.schema });
    }
    Ok(contents)
}

/// Puts the backup in the place of the data. The data that were there are kept beside the new ones. Blocking.
///
/// # Errors
/// See [`RestoreError`].
pub fn restore(file: &Path, claim: &Claim) -> Result<Restored, RestoreError> {
    let header = examine(file)?.header;
    store::refuse_if_in_use(&claim.dir().join(STORE))?;
    let dir = claim.dir();
    let partial = dir.join(PARTIAL);
    let contents = stage(file, &partial, header.schema).inspect_err(|_| drop(fs::remove_dir_all(&partial)))?;
    claim.give_to_owner(&partial).map_err(RestoreError::Io)?;
    fs::rename(&partial, dir.join(READY)).map_err(RestoreError::Io)?;
    sync_directory(dir).map_err(RestoreError::Unfinished)?;
    let kept = complete(dir).map_err(RestoreError::Unfinished)?;
    if let Some(kept) = &kept {
        claim.give_to_owner(kept).map_err(RestoreError::Unfinished)?;
    }
    Ok(Restored { contents, kept })
}

/// Makes the new data in a directory of their own and puts them on the disk.
fn stage(file: &Path, partial: &Path, schema: u32) -> Result<Contents, RestoreError> {
    let new = partial.join(NEW);
    make_directory(&new).map_err(RestoreError::Io)?;
    let mut import = Import::begin(&new.join(STORE))?;
    let contents = read(file, &mut |record| {
        let taken = match record {
            Record::Tree(name) => import.take(Piece::Tree(&name)),
            Record::Entry { key, value } => import.take(Piece::Entry { key: &key, value: &value }),
            Record::File { name, content } => write_new(&new, &name, &content),
        };
        taken.map_err(not_taken)
    })?;
    import.finish(schema).map_err(not_taken)?;
    sync_directories(partial).map_err(RestoreError::Io)?;
    Ok(contents)
}

/// What no store takes is a fault of the backup; all else is one of the disk.
fn not_taken(error: io::Error) -> RestoreError {
    if error.kind() == io::ErrorKind::InvalidData { Damage::Io(error).into() } else { RestoreError::Io(error) }
}

fn read<E: From<Damage>>(file: &Path, take: &mut dyn FnMut(Record) -> Result<(), E>) -> Result<Contents, E> {
    let file = File::open(file).map_err(Damage::Io)?;
    if !file.metadata().map_err(Damage::Io)?.is_file() {
        return Err(Damage::Foreign.into());
    }
    let (header, mut reader) = Unsealer::new(BufReader::with_capacity(256 * 1024, file))?;
    let mut summary = Summary::default();
    while let Some(record) = reader.next()? {
        match record {
            Record::Entry { .. } => summary.entries += 1,
            Record::File { .. } => summary.files += 1,
            Record::Tree(_) => {}
        }
        take(record)?;
    }
    Ok(Contents { header, summary })
}

/// Finishes a restore that was interrupted, or removes one that had not got far enough. Where the old data are kept, when it did
/// finish one and there were any.
pub(super) fn complete(dir: &Path) -> io::Result<Option<PathBuf>> {
    let (partial, ready, placing) = (dir.join(PARTIAL), dir.join(READY), dir.join(PLACING));
    if partial.exists() {
        fs::remove_dir_all(partial)?;
    }
    if ready.exists() {
        make_directory(&ready.join(OLD))?;
        move_parts(dir, &ready.join(OLD))?;
        fs::rename(&ready, &placing)?;
        sync_directory(dir)?;
    }
    if !placing.exists() {
        return Ok(None);
    }
    let (new, old) = (placing.join(NEW), placing.join(OLD));
    if new.exists() {
        move_parts(&new, dir)?;
    }
    let mut kept = None;
    if old.exists() && fs::read_dir(&old)?.next().is_some() {
        let name = names::before_restore(Timestamp::now());
        let free = (1..).map(|number| if number == 1 { name.clone() } else { format!("{name}-{number}") });
        let place = free.map(|name| dir.join(name)).find(|path| !path.exists()).expect("there are numbers enough");
        fs::rename(&old, &place)?;
        kept = Some(place);
    }
    fs::remove_dir_all(&placing)?;
    sync_directory(dir)?;
    Ok(kept)
}

/// Moves what a backup replaces from one directory to another, as far as it is still there.
fn move_parts(from: &Path, to: &Path) -> io::Result<()> {
    for part in std::iter::once(STORE).chain(DIRECTORIES).chain(FILES) {
        match fs::rename(from.join(part), to.join(part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    sync_directory(from)?;
    sync_directory(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data directory with old data, and new data that are staged beside them.
    fn interrupted(dir: &Path) {
        fs::create_dir_all(dir.join("restore.ready/new/store")).unwrap();
        fs::create_dir_all(dir.join("restore.ready/new/keys")).unwrap();
        fs::write(dir.join("restore.ready/new/store/db"), "new").unwrap();
        fs::write(dir.join("restore.ready/new/keys/access"), "new").unwrap();
        for (directory, file) in [("store", "db"), ("tls", "cert.pem")] {
            fs::create_dir_all(dir.join(directory)).unwrap();
            fs::write(dir.join(directory).join(file), "old").unwrap();
        }
        fs::write(dir.join("settings.toml"), "old").unwrap();
        fs::write(dir.join("hearth.toml"), "the administrator's own").unwrap();
    }

    fn assert_restored(dir: &Path) {
        let read = |path: &str| fs::read_to_string(dir.join(path)).ok();
        assert_eq!((read("store/db").unwrap(), read("keys/access").unwrap()), (String::from("new"), String::from("new")));
        assert_eq!((read("tls/cert.pem"), read("settings.toml")), (None, None));
        assert_eq!(read("hearth.toml").unwrap(), "the administrator's own");
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let [kept] = &names.iter().filter(|name| name.starts_with("before-restore-")).collect::<Vec<_>>()[..] else {
            panic!("{names:?}")
        };
        assert_eq!(read(&format!("{kept}/store/db")).unwrap(), "old");
        assert_eq!(read(&format!("{kept}/tls/cert.pem")).unwrap(), "old");
        assert_eq!(read(&format!("{kept}/settings.toml")).unwrap(), "old");
        assert!(!names.iter().any(|name| name.starts_with("restore.")), "{names:?}");
    }

    #[test]
    fn a_restore_is_finished_from_wherever_it_was_interrupted() {
        let moves: [&[(&str, &str)]; 6] = [
            &[],
            &[("store", "restore.ready/old/store")],
            &[
                ("store", "restore.ready/old/store"),
                ("tls", "restore.ready/old/tls"),
                ("settings.toml", "restore.ready/old/settings.toml"),
            ],
            &[
                ("store", "restore.ready/old/store"),
                ("tls", "restore.ready/old/tls"),
                ("settings.toml", "restore.ready/old/settings.toml"),
                ("restore.ready", "restore.placing"),
            ],
            &[
                ("store", "restore.ready/old/store"),
                ("tls", "restore.ready/old/tls"),
                ("settings.toml", "restore.ready/old/settings.toml"),
                ("restore.ready", "restore.placing"),
                ("restore.placing/new/store", "store"),
            ],
            &[
                ("store", "restore.ready/old/store"),
                ("tls", "restore.ready/old/tls"),
                ("settings.toml", "restore.ready/old/settings.toml"),
                ("restore.ready", "restore.placing"),
                ("restore.placing/new/store", "store"),
                ("restore.placing/new/keys", "keys"),
                ("restore.placing/old", "before-restore-20261121T030405Z"),
            ],
        ];
        for done in moves {
            let home = tempfile::tempdir().unwrap();
            interrupted(home.path());
            if !done.is_empty() {
                fs::create_dir(home.path().join("restore.ready/old")).unwrap();
            }
            for (from, to) in done {
                fs::rename(home.path().join(from), home.path().join(to)).unwrap();
            }
            complete(home.path()).unwrap();
            assert_restored(home.path());
            assert_eq!(complete(home.path()).unwrap(), None);
            assert_restored(home.path());
        }
    }

    #[test]
    fn what_was_only_half_made_is_removed_and_the_old_data_stay() {
        let home = tempfile::tempdir().unwrap();
        interrupted(home.path());
        fs::rename(home.path().join("restore.ready"), home.path().join("restore.partial")).unwrap();
        assert_eq!(complete(home.path()).unwrap(), None);
        assert!(!home.path().join("restore.partial").exists());
        assert_eq!(fs::read_to_string(home.path().join("store/db")).unwrap(), "old");
    }
}
