//! Every tree of the database, by name, and the steps that change several of them at once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sled::Transactional;
use sled::transaction::TransactionError;

use super::codec;
use super::{StoreError, codec::Fault};

/// A tree. Ids in keys are their raw bytes, meeting codes their text; numbers are big endian, so that keys sort as they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// `schema` → the number of the schema. `written_by` → the version of the program that gave it. `probe` → nothing, written to see whether writing works.
    Meta,
    /// `token` → the one token that lets somebody create the first account.
    Setup,
    /// user id → account.
    Users,
    /// e-mail address → user id.
    UsersByEmail,
    /// session id → sign-in.
    Sessions,
    /// user id, session id → nothing.
    SessionsByUser,
    /// meeting code → meeting.
    Meetings,
    /// user id, all ones minus the time of creation, meeting code → status as one byte. Sorted newest first.
    MeetingsByHost,
    /// meeting code → nothing. The meetings that somebody is in.
    MeetingsActive,
}

impl Table {
    const ALL: [Self; 9] = [
        Self::Meta,
        Self::Setup,
        Self::Users,
        Self::UsersByEmail,
        Self::Sessions,
        Self::SessionsByUser,
        Self::Meetings,
        Self::MeetingsByHost,
        Self::MeetingsActive,
    ];

    /// The name on disk. Never change one: it would be another, empty tree.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Setup => "setup",
            Self::Users => "users",
            Self::UsersByEmail => "users_by_email",
            Self::Sessions => "sessions",
            Self::SessionsByUser => "sessions_by_user",
            Self::Meetings => "meetings",
            Self::MeetingsByHost => "meetings_by_host",
            Self::MeetingsActive => "meetings_active",
        }
    }
}

/// What one step changes. All of it is committed at once, or nothing.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Change>);

#[derive(Debug)]
struct Change {
    table: Table,
    key: Vec<u8>,
    /// `None` removes the key.
    value: Option<Vec<u8>>,
}

impl Changes {
    /// Writes a record.
    pub(super) fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, record: &impl Serialize) -> Result<(), StoreError> {
        self.put_sealed(table, key.into(), codec::encode(record))
    }

    /// Writes plain bytes, for indexes.
    pub(super) fn put_raw(&mut self, table: Table, key: impl Into<Vec<u8>>, payload: &[u8]) -> Result<(), StoreError> {
        self.put_sealed(table, key.into(), codec::seal(payload))
    }

    fn put_sealed(&mut self, table: Table, key: Vec<u8>, sealed: Vec<u8>) -> Result<(), StoreError> {
        if key.len() + sealed.len() > codec::MAX_VALUE {
            return Err(StoreError::TooLarge);
        }
        self.0.push(Change { table, key, value: Some(sealed) });
        Ok(())
    }

    /// Removes a key; nothing happens when it is not there.
    pub(super) fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.push(Change { table, key: key.into(), value: None });
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The open database.
pub(super) struct Tables {
    /// `None` once it was closed.
    open: Option<Open>,
}

struct Open {
    db: sled::Db,
    /// In the order of [`Table::ALL`].
    trees: Vec<sled::Tree>,
}

impl Drop for Tables {
    /// The database panics when its last barrier fails. That must not end whoever lets go of it, which is a start that failed.
    fn drop(&mut self) {
        if let Err(error) = self.let_go() {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

impl Tables {
    /// Opens every tree, creating what is not there.
    pub(super) fn open(db: sled::Db) -> sled::Result<Self> {
        let trees = Table::ALL.iter().map(|table| db.open_tree(table.name())).collect::<sled::Result<_>>()?;
        Ok(Self { open: Some(Open { db, trees }) })
    }

    fn opened(&self) -> &Open {
        self.open.as_ref().expect("nobody uses it after closing, which takes it")
    }

    /// Closes the database.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.let_go()
    }

    fn let_go(&mut self) -> io::Result<()> {
        let open = self.open.take();
        catch_unwind(AssertUnwindSafe(|| drop(open))).map_err(|_| io::Error::other("the database panicked while it closed"))
    }

    /// The database itself, for what goes over all trees.
    pub(super) fn database(&self) -> &sled::Db {
        &self.opened().db
    }

    fn tree(&self, table: Table) -> &sled::Tree {
        &self.opened().trees[table as usize]
    }

    /// The record at `key`.
    pub(super) fn get<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
        let found = self.tree(table).get(key).map_err(|error| read_failed(table, key, &error))?;
        found.map(|sealed| codec::decode(&sealed).map_err(|fault| damaged(table, key, fault))).transpose()
    }

    /// The plain bytes at `key`.
    pub(super) fn get_raw(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.tree(table).get(key).map_err(|error| read_failed(table, key, &error))?;
        found.map(|sealed| unseal(table, key, &sealed)).transpose()
    }

    /// Keys that begin with `prefix`, in order, with their plain bytes.
    pub(super) fn scan(&self, table: Table, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> {
        let start = prefix.to_vec();
        self.tree(table).scan_prefix(prefix).map(move |entry| {
            let (key, sealed) = entry.map_err(|error| read_failed(table, &start, &error))?;
            let payload = unseal(table, &key, &sealed)?;
            Ok((key.to_vec(), payload))
        })
    }

    /// Whether a tree has no keys.
    pub(super) fn is_empty(&self, table: Table) -> Result<bool, StoreError> {
        match self.tree(table).iter().next() {
            None => Ok(true),
            Some(Ok(_)) => Ok(false),
            Some(Err(error)) => Err(read_failed(table, &[], &error)),
        }
    }

    /// Makes the changes, all or none, even across a crash. They are not durable before [`Tables::flush`] and the disk's own barrier.
    pub(super) fn commit(&self, changes: &Changes) -> sled::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let committed = self.opened().trees[..].transaction(|trees| {
            for Change { table, key, value } in &changes.0 {
                let tree = &trees[*table as usize];
                match value {
                    Some(value) => tree.insert(key.as_slice(), value.as_slice())?,
                    None => tree.remove(key.as_slice())?,
                };
            }
            Ok(())
        });
        committed.map_err(|error| match error {
            TransactionError::Storage(error) => error,
            TransactionError::Abort(()) => {
                sled::Error::ReportableBug(String::from("a transaction that never aborts was aborted"))
            }
        })
    }

    /// Hands everything that was committed to the operating system.
    pub(super) fn flush(&self) -> sled::Result<()> {
        self.opened().db.flush().map(drop)
    }

    /// Reads every value once, so that what the database can't read shows at the start and not in the middle of a meeting. Damaged
    /// values are logged and counted: the others can still be served.
    pub(super) fn read_everything(&self) -> sled::Result<usize> {
        let mut damaged_values = 0;
        for (table, tree) in Table::ALL.iter().zip(&self.opened().trees) {
            for entry in tree {
                let (key, sealed) = entry?;
                if let Err(fault) = codec::unseal(&sealed) {
                    damaged_values += 1;
                    tracing::error!(tree = table.name(), key = %hex(&key), %fault, "a stored value is damaged");
                }
            }
        }
        Ok(damaged_values)
    }

    /// Puts bytes where a sealed value belongs.
    #[cfg(test)]
    pub(super) fn plant(&self, table: Table, key: &[u8], bytes: &[u8]) {
        self.tree(table).insert(key, bytes).unwrap();
        self.opened().db.flush().unwrap();
    }
}

/// The refusal for a value that is not what was written.
pub(super) fn damaged(table: Table, key: &[u8], fault: Fault) -> StoreError {
    let error = StoreError::Damaged { tree: table.name(), key: hex(key) };
    tracing::error!(%error, %fault, "a stored value is damaged");
    error
}

fn unseal(table: Table, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    codec::unseal(sealed).map(<[u8]>::to_vec).map_err(|fault| damaged(table, key, fault))
}

fn read_failed(table: Table, key: &[u8], error: &sled::Error) -> StoreError {
    tracing::error!(tree = table.name(), key = %hex(key), %error, "the store could not be read");
    match error {
        sled::Error::Corruption { .. } => StoreError::Damaged { tree: table.name(), key: hex(key) },
        // After a failed write the database answers with that error whatever would need another write.
        sled::Error::Io(_) => StoreError::Degraded,
        sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_) => {
            StoreError::Failed(error.to_string())
        }
    }
}

fn hex(key: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_stands_at_its_own_place_and_has_its_own_name() {
        let mut names: Vec<_> = Table::ALL.iter().map(|table| table.name()).collect();
        for (place, table) in Table::ALL.iter().enumerate() {
            assert_eq!(*table as usize, place);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Table::ALL.len());
    }

    #[test]
    fn a_value_that_would_leave_the_log_is_refused() {
        let mut changes = Changes::default();
        assert_eq!(changes.put_raw(Table::Meta, "key", &[0; 64 * 1024]), Err(StoreError::TooLarge));
        assert!(changes.is_empty());
    }
}
