//! The schema's number in a file beside the database.
//!
//! A database can't be asked for its schema without being opened, and opening it changes its files. With this file, a Hearth that is too
//! old for the data finds that out first and leaves them as they are, byte for byte. Data without one are asked in the database.

use std::fs;
use std::io;
use std::path::Path;

use crate::private_files;

const FILE: &str = "schema";

/// What the file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The number of the schema.
    pub(super) schema: u32,
    /// The version of the program that brought the data there.
    pub(super) by: Option<String>,
}

impl Mark {
    /// The mark of the data in `dir`. A file that can't be read or understood tells nothing: the database has the last word.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(dir.join(FILE)).ok()?;
        let mut words = text.split_ascii_whitespace();
        Some(Self { schema: words.next()?.parse().ok()?, by: words.next().map(str::to_owned) })
    }

    /// Puts the mark beside data that have just become what it tells, unless it tells that already.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn put(dir: &Path, schema: u32, by: Option<String>) -> io::Result<()> {
        if Self::of(dir).is_some_and(|mark| mark.schema == schema) {
            return Ok(());
        }
        private_files::write(&dir.join(FILE), format!("{schema} {}\n", by.as_deref().unwrap_or_default()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_put_and_what_is_none_tells_nothing() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Mark::of(home.path()), None);
        for by in [Some(String::from("0.2.0")), None] {
            fs::remove_file(home.path().join(FILE)).ok();
            Mark::put(home.path(), 7, by.clone()).unwrap();
            assert_eq!(Mark::of(home.path()), Some(Mark { schema: 7, by }));
        }
        for odd in ["", "seven 0.2.0\n", "-1\n"] {
            fs::write(home.path().join(FILE), odd).unwrap();
            assert_eq!(Mark::of(home.path()), None, "{odd:?}");
        }
    }
}
