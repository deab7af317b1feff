//! `[backup]`

use std::path::PathBuf;

use super::declare::section;

section! {
    /// Automatic backups. Each is one file, from which `hearth restore` puts everything back.
    Backup, "backup" {
        /// Whether one is made each day, the first when the data are a day old.
        daily: bool = true;
        /// How many of them are kept, at least 1. Others than these are never removed.
        keep: u32 = 7;
        /// Where they are kept. In "backups" below the data directory when left out; another disk is better.
        directory: Option<PathBuf> = None, for example "/mnt/other-disk/hearth";
    }
}
