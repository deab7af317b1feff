//! Everything that the store holds, as it stood at one moment, and a store made of such pieces.
//!
//! Values pass through sealed as they lie in the database, so that a damaged one stays what it is and is not lost on top.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::mark::Mark;
use super::migrate::{self, Plan};
use super::open::{self, Lock};
use super::tables::{Changes, Tables};
use super::writer::{Shared, Write};
use super::{OpenError, Settings, Store, StoreError};

/// The longest name of a tree, in bytes.
const MAX_NAME: usize = 64;
/// The database has this tree whether one wants it or not.
const UNUSED_TREE: &[u8] = b"__sled__default";

/// One piece of an export. Entries belong to the tree that was named last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A tree begins.
    Tree(&'a str),
    /// A key and its sealed value.
    Entry {
        /// At least one byte.
        key: &'a [u8],
        /// At most 64 KiB together with the key.
        value: &'a [u8],
    },
}

/// What an export went over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Keys in all trees together.
    pub entries: u64,
    /// Values that are not what was written. They are exported as they are.
    pub damaged: u64,
}

/// The store at one moment: no write takes place while somebody holds one.
pub struct Snapshot<'a> {
    tables: &'a Tables,
    schema: u32,
    /// Counts the entries that were handed over, for who wonders whether it gets on.
    handed: &'a AtomicU64,
}

impl Snapshot<'_> {
    /// The number of the data's schema.
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// Hands over every tree and every entry, in an order that depends on nothing but the data.
    ///
    /// # Errors
    /// The first one of `sink`, or that the database can't be read.
    pub fn export(&self, sink: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> io::Result<Exported> {
        let mut exported = Exported::default();
        for (name, tree) in self.tables.every_tree()? {
            let name = std::str::from_utf8(&name).map_err(|_| io::Error::other("a tree has a name that is no text"))?;
            sink(Piece::Tree(name))?;
            for entry in &tree {
                let (key, value) = entry?;
                exported.entries += 1;
                exported.damaged += u64::from(super::codec::unseal(&value).is_err());
                sink(Piece::Entry { key: &key, value: &value })?;
                self.handed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(exported)
    }
}

impl Store {
    /// Runs `look` between two writes. Every write that was acknowledged before the call is in the snapshot, and none in part: the
    /// thread that writes does it. Other writes wait that long, so `look` must not wait for anybody.
    ///
    /// # Errors
    /// Those of a write, except that little space left is none.
    pub async fn with_snapshot<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Snapshot<'_>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.inner.shared);
        self.enqueue(Box::new(Look { look: Some(look), seen: None, shared, reply }))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// One look at everything: its work, then its answer.
struct Look<F, T> {
    look: Option<F>,
    seen: Option<T>,
    shared: Arc<Shared>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Write for Look<F, T>
where
    F: FnOnce(&Snapshot<'_>) -> T + Send,
    T: Send,
{
    fn apply(&mut self, tables: &Tables) -> Changes {
        if let Some(look) = self.look.take() {
            let snapshot = Snapshot { tables, schema: migrate::SCHEMA, handed: self.shared.looked_at() };
            // A page that can't be read makes the database panic. That breaks this look and no write.
            self.seen = catch_unwind(AssertUnwindSafe(|| look(&snapshot))).ok();
        }
        Changes::default()
    }

    fn acknowledge(self: Box<Self>, durable: Result<(), StoreError>) {
        let seen = self.seen.ok_or_else(|| StoreError::Failed(String::from("the database panicked")));
        // The caller may have given up waiting.
        drop(self.reply.send(durable.and(seen)));
    }

    fn only_reads(&self) -> bool {
        true
    }
}

/// Runs `look` on the data in a directory that no server uses. Data of an older or a newer schema stay what they are. Blocking.
///
/// # Errors
/// Those of [`Store::open`], except for the schema.
pub fn with_closed<T>(settings: &Settings, look: impl FnOnce(&Snapshot<'_>) -> T) -> Result<T, OpenError> {
    let lock = open::lock(&settings.dir)?;
    let (tables, schema) = open::open_as_it_is(settings, &lock)?;
    let seen = catch_unwind(AssertUnwindSafe(|| look(&Snapshot { tables: &tables, schema, handed: &AtomicU64::new(0) })));
    let closed = tables.close();
    match (seen, closed) {
        (Ok(seen), Ok(())) => Ok(seen),
        (Err(_), _) | (_, Err(_)) => {
            Err(OpenError::Damaged { dir: settings.dir.clone(), detail: String::from("the database gave up reading it") })
        }
    }
}

/// The version of data that no server uses. Data of a newer version whose mark tells it are not opened. Blocking.
///
/// # Errors
/// As [`with_closed`].
pub fn version_of(settings: &Settings) -> Result<u32, OpenError> {
    let newer = Mark::of(&settings.dir).map(|mark| mark.schema).filter(|schema| *schema > migrate::SCHEMA);
    newer.map_or_else(|| with_closed(settings, |snapshot| snapshot.schema()), Ok)
}

/// What happens to older data: told to whoever upgrades, and done by [`Store::open_migrating`].
pub fn steps_from(schema: u32) -> Vec<&'static str> {
    Plan::CURRENT.steps_from(schema).map(|step| step.tells).collect()
}

/// What is done with older data before it is changed.
pub(super) type Keep<'a> = dyn FnMut(&Snapshot<'_>) -> Result<(), String> + 'a;

/// Has older data kept and then brings it to the schema of `plan`.
pub(super) fn keep_and_migrate(
    settings: &Settings,
    tables: &Tables,
    found: u32,
    plan: &Plan,
    keep: &mut Keep<'_>,
) -> Result<(), OpenError> {
    let dir = || settings.dir.clone();
    tracing::info!(from = found, to = plan.schema, "the data are of an older version; they are backed up, then upgraded");
    keep(&Snapshot { tables, schema: found, handed: &AtomicU64::new(0) }).map_err(|detail| OpenError::NotKept {
        dir: dir(),
        from: found,
        to: plan.schema,
        detail,
    })?;
    let migrated = catch_unwind(AssertUnwindSafe(|| plan.run(tables, found)));
    match migrated {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(OpenError::NotMigrated { dir: dir(), from: found, to: plan.schema, detail: error.to_string() }),
        Err(_) => Err(OpenError::Damaged { dir: dir(), detail: String::from("the database gave up during the upgrade") }),
    }
}

/// A store that is being made of the pieces of an export.
pub struct Import {
    dir: PathBuf,
    db: sled::Db,
    tree: Option<sled::Tree>,
    entries: u64,
    _lock: Lock,
}

impl Import {
    /// Begins a store in a directory that is not there yet.
    ///
    /// # Errors
    /// When it is there, or can't be made.
    pub fn begin(dir: &Path) -> Result<Self, OpenError> {
        let failed = |error: io::Error| OpenError::Failed { dir: dir.to_path_buf(), detail: error.to_string() };
        if dir.try_exists().map_err(failed)? {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let lock = open::lock(dir)?;
        let db = open::config(dir).open().map_err(|error| failed(error.into()))?;
        Ok(Self { dir: dir.to_path_buf(), db, tree: None, entries: 0, _lock: lock })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When no export has such a piece, or it can't be written.
    pub fn take(&mut self, piece: Piece<'_>) -> io::Result<()> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        match piece {
            Piece::Tree(name) if is_name(name) => {
                self.tree = Some(self.db.open_tree(name)?);
                Ok(())
            }
            Piece::Tree(_) => Err(invalid("this is no name of a tree")),
            Piece::Entry { key, value } => {
                let tree = self.tree.as_ref().ok_or_else(|| invalid("an entry stands before the first tree"))?;
                if key.is_empty() || key.len() + value.len() > super::codec::MAX_VALUE {
                    return Err(invalid("an entry is too large or has no key"));
                }
                if tree.insert(key, value)?.is_some() {
                    return Err(invalid("a key stands there twice"));
                }
                self.entries += 1;
                Ok(())
            }
        }
    }

    /// Puts everything on the disk and lets go of it.
    ///
    /// # Errors
    /// When it can't be written, or is not of schema `schema`.
    pub fn finish(self, schema: u32) -> io::Result<u64> {
        let Self { dir, db, tree, entries, _lock: lock } = self;
        drop(tree);
        db.flush()?;
        let tables = Tables::open(db)?;
        let found = migrate::schema(&tables).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        let read = tables.every_tree()?.iter().map(|(_, tree)| tree.len() as u64).sum::<u64>();
        if found != Some(schema) || read != entries {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the entries are not those that the backup tells of"));
        }
        let by = migrate::written_by(&tables);
        tables.flush()?;
        tables.close()?;
        open::make_lasting(&dir)?;
        Mark::put(&dir, schema, by)?;
        drop(lock);
        Ok(entries)
    }
}

/// Whether somebody uses the store in `dir`. A store that is not there is used by nobody.
///
/// # Errors
/// [`OpenError::Locked`] when somebody does; otherwise that it can't be found out.
pub fn refuse_if_in_use(dir: &Path) -> Result<(), OpenError> {
    match fs::symlink_metadata(dir) {
        Ok(_) => open::lock(dir).map(drop),
        Err(_) => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain) && name.as_bytes() != UNUSED_TREE
}

impl Tables {
    /// Every tree that is there, also those of other schemas, by name and in order.
    fn every_tree(&self) -> io::Result<Vec<(Vec<u8>, sled::Tree)>> {
        let mut names: Vec<_> = self.database().tree_names().into_iter().filter(|name| name.as_ref() != UNUSED_TREE).collect();
        names.sort();
        names.into_iter().map(|name| Ok((name.to_vec(), self.database().open_tree(&name)?))).collect()
    }
}
