//! The schema's number, and what happens to data of another one.
//!
//! A change of what is stored raises [`SCHEMA`], adds a step to [`Plan::CURRENT`] and a backup of the old schema to
//! `tests/fixtures/`. A step and the new number are one transaction: after a crash the data are of the old schema or of the new one.

use super::StoreError;
use super::tables::{Changes, Table, Tables};

/// The schema that this program writes.
pub const SCHEMA: u32 = 1;
pub(super) const SCHEMA_KEY: &[u8] = b"schema";
/// The version of the program that last changed anything about the schema or its own version.
const WRITTEN_BY_KEY: &[u8] = b"written_by";
/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why data can't be used as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("data version {found}, written by Hearth {}", by.as_deref().unwrap_or("of an unknown version"))]
    TooNew { found: u32, by: Option<String> },
    #[error("the schema's number is gone")]
    Missing,
    #[error("no Hearth ever wrote schema {0}")]
    Unknown(u32),
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    #[error(transparent)]
    Unwritable(#[from] sled::Error),
}

/// One step from a schema to the next.
pub(super) struct Step {
    /// The schema that it starts from.
    pub(super) from: u32,
    /// What it does, in words for whoever upgrades.
    pub(super) tells: &'static str,
    /// Says what to change.
    pub(super) change: fn(&Tables, &mut Changes) -> Result<(), StoreError>,
}

/// A schema, and how older data get there.
pub(super) struct Plan {
    /// Where it leads.
    pub(super) schema: u32,
    /// One for each older schema, in order.
    pub(super) steps: &'static [Step],
}

impl Plan {
    /// What this program does. There was no schema before the first, so there is nothing to do yet.
    pub(super) const CURRENT: Self = Self { schema: SCHEMA, steps: &[] };

    /// The steps that data of `schema` still have to take.
    pub(super) fn steps_from(&self, schema: u32) -> impl Iterator<Item = &'static Step> {
        self.steps.iter().filter(move |step| step.from >= schema)
    }

    /// Brings data from `found` to this schema, step by step. What was done stays done when a later step fails.
    pub(super) fn run(&self, tables: &Tables, found: u32) -> Result<(), Mismatch> {
        for step in self.steps_from(found) {
            let mut changes = Changes::default();
            (step.change)(tables, &mut changes)?;
            changes.put(Table::Meta, SCHEMA_KEY, &(step.from + 1))?;
            changes.put(Table::Meta, WRITTEN_BY_KEY, &VERSION)?;
            tables.commit(&changes)?;
            tables.flush()?;
            tracing::info!(from = step.from, to = step.from + 1, step.tells, "the data took a step of the upgrade");
        }
        Ok(())
    }

    /// The schema of the data: this one, or an older one that can be brought here. Writes it into a database that was created just
    /// now (`complete` is false).
    pub(super) fn examine(&self, tables: &Tables, complete: bool) -> Result<u32, Mismatch> {
        match schema(tables)? {
            Some(found) if found > self.schema => Err(Mismatch::TooNew { found, by: written_by(tables) }),
            Some(found) if found == self.schema || self.steps.iter().any(|step| step.from == found) => Ok(found),
            Some(unknown) => Err(Mismatch::Unknown(unknown)),
            None if complete => Err(Mismatch::Missing),
            None => {
                let mut changes = Changes::default();
                changes.put(Table::Meta, SCHEMA_KEY, &self.schema)?;
                changes.put(Table::Meta, WRITTEN_BY_KEY, &VERSION)?;
                tables.commit(&changes)?;
                Ok(self.schema)
            }
        }
    }
}

/// The number of the data's schema, if there is one.
pub(super) fn schema(tables: &Tables) -> Result<Option<u32>, StoreError> {
    tables.get::<u32>(Table::Meta, SCHEMA_KEY)
}

/// Which program wrote the data, as far as that can be read.
pub(super) fn written_by(tables: &Tables) -> Option<String> {
    tables.get(Table::Meta, WRITTEN_BY_KEY).ok().flatten()
}
