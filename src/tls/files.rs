//! Reading and writing the files of a certificate.

use std::fs;
use std::io;
use std::path::Path;

use super::TlsError;
use crate::private_files;

/// Makes `dir` with its parents, for this user only.
pub(super) fn make_private_dir(dir: &Path) -> Result<(), TlsError> {
    private_files::make_directory(dir).map_err(|source| TlsError::File { path: dir.to_owned(), source })
}

/// Writes a file that only this user may read, so that after a crash either the old or the new content is there.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    private_files::write(path, content).map_err(|source| TlsError::File { path: path.to_owned(), source })
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
