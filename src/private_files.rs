//! Files and directories that nobody but this user may read, written so that a crash leaves the old ones or the new ones.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Makes a directory with its parents. Blocks on the disk.
///
/// # Errors
/// The system's.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Puts `content` in the place of the file at `path`, whose directory is there. Blocks until it is on the disk.
///
/// # Errors
/// The system's; what was there before is then still there.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // What a crash left behind may have any permissions; a file made anew has ours from the first byte on.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory(directory_of(path))
}

/// Puts the names in a directory on the disk.
///
/// # Errors
/// The system's.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    // Elsewhere a directory can't be opened, and the system sees to it.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Where a file lies; a bare name lies in the current directory.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        assert_eq!(directory_of(Path::new("relay.key")), Path::new("."));
        assert_eq!(directory_of(Path::new("keys/relay.key")), Path::new("keys"));
    }
}
