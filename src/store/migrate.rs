//! The schema's number, and what happens to data of another one.

use super::StoreError;
use super::tables::{Changes, Table, Tables};

/// The schema that this program writes.
pub(super) const SCHEMA: u32 = 1;
pub(super) const SCHEMA_KEY: &[u8] = b"schema";

/// Why data can't be used as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("the data has schema {0}, this program knows schemas up to {SCHEMA}")]
    TooNew(u32),
    #[error("the schema's number is gone")]
    Missing,
    #[error("no Hearth ever wrote schema {0}")]
    Unknown(u32),
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    #[error(transparent)]
    Unwritable(#[from] sled::Error),
}

/// Checks the schema, or writes it into a database that was created just now (`complete` is false).
pub(super) fn prepare(tables: &Tables, complete: bool) -> Result<(), Mismatch> {
    match tables.get::<u32>(Table::Meta, SCHEMA_KEY)? {
        Some(SCHEMA) => Ok(()),
        Some(newer) if newer > SCHEMA => Err(Mismatch::TooNew(newer)),
        Some(unknown) => Err(Mismatch::Unknown(unknown)),
        None if complete => Err(Mismatch::Missing),
        None => {
            let mut changes = Changes::default();
            changes.put(Table::Meta, SCHEMA_KEY, &SCHEMA)?;
            tables.commit(&changes)?;
            Ok(())
        }
    }
}
