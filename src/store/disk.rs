//! What the store asks of the file system below the database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The database's one data file.
pub(super) const DB_FILE: &str = "db";
const PROBE_FILE: &str = "probe";
/// As much as one batch of writes may take.
const PROBE_BYTES: usize = 256 * 1024;

/// The disk under the store. A trait, so that tests can let it fail.
pub(super) trait Disk: Send {
    /// Bytes that the program may still write.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Takes hold of the data file, after the database was opened.
    fn attach(&mut self) -> io::Result<()>;
    /// Returns when everything handed to the operating system has reached the disk itself.
    fn sync(&self) -> io::Result<()>;
    /// Whether the disk takes writes again.
    fn probe(&self) -> io::Result<()>;
    /// Writes the data file over itself and waits for the disk. Only while no database is open on it.
    ///
    /// After a failed write-back the kernel may count pages as written that are not; a later barrier would then succeed without them.
    fn rewrite(&self) -> io::Result<()>;
}

/// The real one.
pub(super) struct DataDir {
    dir: PathBuf,
    /// Held open, because the kernel reports a failed write-back to those who had the file open when it failed.
    data: Option<File>,
}

impl DataDir {
    /// The disk under `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), data: None }
    }

    fn data_path(&self) -> PathBuf {
        self.dir.join(DB_FILE)
    }
}

impl Disk for DataDir {
    fn free_bytes(&self) -> io::Result<u64> {
        free_bytes(&self.dir)
    }

    fn attach(&mut self) -> io::Result<()> {
        self.data = Some(File::open(self.data_path())?);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let data = self.data.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        data.sync_data()?;
        // A data file that was moved away or deleted takes writes without complaint, and nobody would ever see them again.
        let (held, named) = (data.metadata()?, fs::metadata(self.data_path())?);
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the data file was replaced"))
    }

    fn probe(&self) -> io::Result<()> {
        // A new database in place of one that was moved away would look like lost data.
        fs::metadata(self.data_path())?;
        let path = self.dir.join(PROBE_FILE);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0xA5; PROBE_BYTES])?;
            file.sync_all()
        });
        fs::remove_file(&path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        written
    }

    fn rewrite(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(self.data_path())?;
        let mut block = vec![0; 1024 * 1024];
        let mut position = 0;
        loop {
            file.seek(SeekFrom::Start(position))?;
            let length = file.read(&mut block)?;
            if length == 0 {
                return file.sync_all();
            }
            file.seek(SeekFrom::Start(position))?;
            file.write_all(&block[..length])?;
            position += length as u64;
        }
    }
}

/// Bytes that an ordinary user may still write on the file system of `dir`.
///
/// # Errors
/// The system's.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    Ok(space(dir)?.free)
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an ordinary user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Whether it takes any more files, however small.
    pub takes_files: bool,
}

/// The room on the file system of `dir`.
///
/// # Errors
/// The system's.
pub fn space(dir: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(dir)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    // Some file systems don't count their files.
    let takes_files = stat.f_files == 0 || stat.f_favail > 0;
    Ok(Space { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks), takes_files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_a_data_file_that_was_moved_away_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DB_FILE);
        fs::write(&path, b"first").unwrap();
        let mut disk = DataDir::new(dir.path());
        disk.attach().unwrap();
        disk.sync().unwrap();

        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        assert!(disk.sync().is_err());
        assert!(disk.probe().is_err());
        fs::write(&path, b"second").unwrap();
        assert!(disk.sync().is_err());
    }

    #[test]
    fn rewriting_keeps_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DB_FILE);
        let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        fs::write(&path, &content).unwrap();
        let disk = DataDir::new(dir.path());
        disk.rewrite().unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DB_FILE), b"data").unwrap();
        DataDir::new(dir.path()).probe().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
