//! The store from outside its parts: what its callers are promised.

mod accounts;
mod faults;
mod meetings;
mod migrating;
mod opening;
mod sessions;
mod snapshots;

use std::path::Path;

use super::*;
use crate::clock::Timestamp;

/// A store in a directory that goes when this goes.
pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(super) fn settings(&self) -> Settings {
        Settings { min_free_bytes: 0, ..Settings::new(self.path()) }
    }

    pub(super) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<Store, OpenError> {
        Store::open(self.settings())
    }

    /// Closes `store` and opens it again.
    pub(super) async fn reopen(&self, store: Store) -> Store {
        store.close().await.unwrap();
        self.open()
    }
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

pub(super) fn ada() -> NewUser {
    NewUser {
        email: String::from("ada@example.org"),
        name: String::from("Ada"),
        role: AccountRole::Member,
        password_hash: String::from("$argon2id$one"),
    }
}

pub(super) fn somebody(number: usize) -> NewUser {
    NewUser { email: format!("person{number}@example.org"), ..ada() }
}

/// Bytes in the place of a sealed value, behind the store's back.
pub(super) fn plant(store: &Store, table: tables::Table, key: &[u8], bytes: &[u8]) {
    store.inner.shared.tables().as_ref().unwrap().plant(table, key, bytes);
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
