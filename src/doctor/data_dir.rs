//! Whether the data can be written, and by nobody else be read.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::finding::{Check, Finding};

/// A file that is made and removed again.
const PROBE: &str = ".doctor";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    /// A file could be made.
    Writable,
    /// The same, but others on this machine may read what is there; these are its permission bits.
    Exposed(u32),
    /// It is not there yet, and can be made.
    ToBeMade,
    /// It can't be written, or not be made.
    Unwritable(io::ErrorKind),
}

pub(super) fn look(data_dir: &Path) -> Facts {
    let metadata = match fs::metadata(data_dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return look_above(data_dir),
        Err(error) => return Facts::Unwritable(error.kind()),
    };
    if let Err(error) = write_in(data_dir) {
        return Facts::Unwritable(error.kind());
    }
    let mode = mode(&metadata);
    if mode & 0o077 == 0 { Facts::Writable } else { Facts::Exposed(mode) }
}

/// Whether the directory could be made: the nearest one above it that is there must take a file.
fn look_above(data_dir: &Path) -> Facts {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    match absolute.ancestors().skip(1).find(|path| path.exists()).map(write_in) {
        Some(Ok(())) => Facts::ToBeMade,
        Some(Err(error)) => Facts::Unwritable(error.kind()),
        None => Facts::Unwritable(io::ErrorKind::NotFound),
    }
}

fn write_in(dir: &Path) -> io::Result<()> {
    let probe = dir.join(format!("{PROBE}-{}", std::process::id()));
    File::options().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o700
}

pub(super) fn judge(data_dir: &Path, facts: &Facts) -> Finding {
    const CHECK: Check = Check::DataDir;
    let place = data_dir.display();
    match facts {
        Facts::Writable => Finding::good(CHECK, format!("The data in {place} can be written.")),
        Facts::ToBeMade => Finding::good(CHECK, format!("There are no data yet; {place} can be made.")),
        Facts::Exposed(mode) => Finding::warning(
            CHECK,
            format!("Other users of this machine may look into {place} (mode {mode:04o})."),
            format!("sudo chmod 700 {place}"),
        ),
        Facts::Unwritable(io::ErrorKind::ReadOnlyFilesystem) => Finding::bad(
            CHECK,
            format!("The data directory {place} is on a file system that can't be written."),
            format!("write ReadWritePaths={place} into the unit (sudo systemctl edit hearth), or mount the disk for writing"),
        ),
        Facts::Unwritable(io::ErrorKind::PermissionDenied) => Finding::bad(
            CHECK,
            format!("This user may not write the data directory {place}."),
            format!("run this as the server's user (sudo -u hearth), or give it the directory: sudo chown -R hearth: {place}"),
        ),
        Facts::Unwritable(error) => Finding::bad(
            CHECK,
            format!("The data directory {place} can't be written ({error})."),
            "make room on the disk, or choose another directory with server.data_dir",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::*;

    #[rstest]
    #[case(Facts::Writable, Outcome::Good, "")]
    #[case(Facts::ToBeMade, Outcome::Good, "")]
    #[case(Facts::Exposed(0o755), Outcome::Warning, "sudo chmod 700 /var/lib/hearth")]
    #[case(Facts::Unwritable(io::ErrorKind::ReadOnlyFilesystem), Outcome::Bad, "ReadWritePaths=/var/lib/hearth")]
    #[case(Facts::Unwritable(io::ErrorKind::PermissionDenied), Outcome::Bad, "sudo chown -R hearth: /var/lib/hearth")]
    #[case(Facts::Unwritable(io::ErrorKind::NotADirectory), Outcome::Bad, "server.data_dir")]
    fn o10_data_have_to_be_writable_and_private(#[case] facts: Facts, #[case] outcome: Outcome, #[case] mend: &str) {
        let found = judge(Path::new("/var/lib/hearth"), &facts);
        assert_eq!(found.outcome, outcome);
        assert!(found.mend.unwrap_or_default().contains(mend));
    }

    #[test]
    fn o10_looking_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(look(dir.path()), Facts::Writable);
        assert_eq!(look(&dir.path().join("a/b")), Facts::ToBeMade);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(look(dir.path()), Facts::Exposed(0o755));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(look(&dir.path().join("file/data")), Facts::Unwritable(_)));
    }
}
