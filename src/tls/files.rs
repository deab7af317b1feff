//! Reading and writing the files of a certificate.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::TlsError;

/// Makes `dir` with its parents, for this user only.
pub(super) fn make_private_dir(dir: &Path) -> Result<(), TlsError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| TlsError::File { path: dir.to_owned(), source })
}

/// Writes a file that only this user may read, so that after a crash either the old or the new content is there.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    write(path, content).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // What a crash left behind may have any permissions; a file made anew has ours from the first byte on.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Whether somebody else may read the file too.
#[cfg(unix)]
pub(super) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Whether somebody else may read the file too. Where there are no modes, the directory decides.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|_| false)
}
