//! Which names files have: those inside a backup, and those of automatic backups.

use crate::clock::Timestamp;

/// Directories of the data directory whose files belong to a backup, all of them.
pub(super) const DIRECTORIES: [&str; 2] = ["keys", "tls"];
/// Files of the data directory that belong to a backup.
pub(super) const FILES: [&str; 1] = ["settings.toml"];

/// How deep files may lie.
pub(super) const MAX_DEPTH: usize = 6;
const MAX_PATH: usize = 255;

const DAILY: &str = "hearth-";
const ENDING: &str = ".backup";

/// Whether a path inside a backup is that of a file which belongs there. It can't lead out of the data directory.
pub(super) fn is_file_name(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let belongs = match parts[..] {
        [file] => FILES.contains(&file),
        [directory, ..] => DIRECTORIES.contains(&directory),
        [] => false,
    };
    belongs && path.len() <= MAX_PATH && parts.len() <= MAX_DEPTH && parts.iter().all(|part| is_plain(part))
}

fn is_plain(part: &str) -> bool {
    let is_plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'/' | b'\\');
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_plain)
}

/// The name of the daily backup of this moment.
pub(super) fn daily(now: Timestamp) -> String {
    format!("{DAILY}{}{ENDING}", compact(now))
}

/// The name of the backup before an upgrade from a schema.
pub(super) fn before_upgrade(schema: u32, now: Timestamp) -> String {
    format!("before-upgrade-from-v{schema}-{}{ENDING}", compact(now))
}

/// The name of the directory that takes the data which a restore replaces.
pub(super) fn before_restore(now: Timestamp) -> String {
    format!("before-restore-{}", compact(now))
}

/// When a daily backup was made, by its name. `None` when it is none.
pub(super) fn made_at(name: &str) -> Option<Timestamp> {
    parse(name.strip_prefix(DAILY)?.strip_suffix(ENDING)?)
}

/// `20240120T100000Z`: sorts as it counts, and is a good name everywhere.
fn compact(time: Timestamp) -> String {
    let seconds = Timestamp::from_millis(time.as_secs() * 1000).to_rfc3339();
    seconds.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

fn parse(compact: &str) -> Option<Timestamp> {
    let (date, time) = compact.split_once('T')?;
    let clock = time.strip_suffix('Z')?;
    if date.len() != 8 || clock.len() != 6 || !date.bytes().chain(clock.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&clock[..2], &clock[2..4], &clock[4..]);
    Timestamp::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_backup_stands_in_its_name() {
        let time = Timestamp::parse_rfc3339("2026-11-21T03:04:05Z").unwrap();
        assert_eq!(daily(time.plus(std::time::Duration::from_millis(250))), "hearth-20261121T030405Z.backup");
        assert_eq!(made_at(&daily(time)), Some(time));
        for other in [
            "hearth-.backup",
            "hearth-20261121.backup",
            "hearth-2026112XT030405Z.backup",
            "before-upgrade-from-v1-20261121T030405Z.backup",
            "hearth-20261121T030405Z.backup.partial",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }

    #[test]
    fn files_of_keys_certificates_and_settings_belong_to_a_backup() {
        for name in ["keys/access", "tls/cert.pem", "tls/acme/account.json", "tls/acme/a b.pem", "settings.toml"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", "keys", "store/db", "backups/x", "keys/", "keys/ä", "tls/../x", "tls/a/b/c/d/e/f", "lock"] {
            assert!(!is_file_name(name), "{name}");
        }
    }
}
