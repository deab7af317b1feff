//! One file that holds everything a restore on another machine needs, and the way back.
//!
//! - [`Claim`]: one program at a time uses a data directory, and whoever comes next finishes a restore that was interrupted.
//! - [`write_archive`], [`write_file`]: the store between two writes, keys, certificates and settings, in the order and with the
//!   checksum that [`mod@format`] tells of. A file appears under its name when it is whole, was read again and is on the disk.
//! - [`examine`], [`restore()`]: a file is read to its end before anything is touched. The new data are made beside the old ones,
//!   and change places with them by steps that can be taken again: after a kill it is one or the other.
//! - [`keep_daily`]: the automatic backups and what became of them.

mod claim;
mod daily;
mod format;
mod make;
mod names;
mod parts;
mod restore;

pub use claim::{Claim, ClaimError};
pub use daily::{BackupStatus, BackupWatch, Daily, before_upgrade, keep_daily, newest};
pub use format::{Damage, Header};
pub use make::{BackupError, Summary, expected_bytes, of_running, refuse_without_room, write_archive, write_file};
pub use parts::links_left_out;
pub use restore::{Contents, RestoreError, Restored, examine, inspect, restore};

/// The store's directory inside the data directory.
pub const STORE: &str = "store";
/// The usual directory of automatic backups inside the data directory.
pub const BACKUPS: &str = "backups";
