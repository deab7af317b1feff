//! The files of a data directory that belong to a backup, and writing files so that they are there wholly or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::format::MAX_FILE;
use super::names::{self, DIRECTORIES, FILES, MAX_DEPTH};
use crate::private_files::{directory_of, make_directory, sync_directory};

/// What a file is called until it is whole.
const UNFINISHED: &str = "new";

/// The links among what belongs to a backup, by their paths below the data directory. What they lead to is in no backup: it may be
/// anything, and would come back as a file of the data directory.
///
/// # Errors
/// When a directory can't be read.
pub fn links_left_out(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut left_out = Vec::new();
    for part in FILES.iter().chain(&DIRECTORIES) {
        collect_links(data_dir, Path::new(part), 1, &mut left_out)?;
    }
    Ok(left_out)
}

fn collect_links(data_dir: &Path, name: &Path, depth: usize, into: &mut Vec<PathBuf>) -> io::Result<()> {
    let kind = match fs::symlink_metadata(data_dir.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?.file_type(),
    };
    if kind.is_symlink() {
        into.push(name.to_owned());
    } else if kind.is_dir() && depth < MAX_DEPTH {
        for entry in fs::read_dir(data_dir.join(name))? {
            collect_links(data_dir, &name.join(entry?.file_name()), depth + 1, into)?;
        }
    }
    Ok(())
}

/// Hands over each file with its path inside the backup. What goes away meanwhile, as unfinished files do, is passed over, and links
/// are, with a warning.
pub(super) fn each_file(data_dir: &Path, take: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    for file in FILES {
        each_below(&data_dir.join(file), file, 1, take)?;
    }
    for directory in DIRECTORIES {
        each_below(&data_dir.join(directory), directory, 1, take)?;
    }
    Ok(())
}

fn each_below(path: &Path, name: &str, depth: usize, take: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let kind = match fs::symlink_metadata(path) {
        Err(error) if gone(&error) => return Ok(()),
        other => other?.file_type(),
    };
    if kind.is_dir() {
        if depth >= MAX_DEPTH {
            return Err(io::Error::other(format!("{} lies too deep", path.display())));
        }
        let mut names: Vec<_> = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        names.sort();
        for entry in names {
            let text =
                entry.to_str().ok_or_else(|| io::Error::other(format!("{} has a file whose name is no text", path.display())))?;
            each_below(&path.join(text), &format!("{name}/{text}"), depth + 1, take)?;
        }
        return Ok(());
    }
    if kind.is_symlink() {
        tracing::warn!(path = %path.display(), "this is a link, so what it leads to is in no backup; put the file itself there");
    }
    if !kind.is_file() || path.extension().is_some_and(|ending| ending == UNFINISHED) {
        return Ok(());
    }
    if !names::is_file_name(name) {
        return Err(io::Error::other(format!("{} has a name that no backup takes; rename or remove it", path.display())));
    }
    let mut content = Vec::new();
    match File::open(path).and_then(|file| file.take(u64::from(MAX_FILE) + 1).read_to_end(&mut content)) {
        Err(error) if gone(&error) => return Ok(()),
        other => other?,
    };
    if content.len() > MAX_FILE as usize {
        return Err(io::Error::other(format!("{} is larger than 1 MiB and does not belong there", path.display())));
    }
    take(name, &content)
}

/// A file that appears under its name when it is whole. It is removed when it is dropped before.
pub(super) struct Unfinished {
    file: Option<File>,
    path: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Begins a file that only this user may read, in place of one that may be there already.
    pub(super) fn begin(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::other("this is no name of a file"))?.to_string_lossy();
        match fs::metadata(target) {
            Ok(found) if !found.is_file() => return Err(io::Error::other("something that is no file has this name")),
            Ok(_) | Err(_) => {}
        }
        let path = target.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        remove_if_there(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file: Some(file), path, target: target.to_owned() })
    }

    /// Where it lies until it is finished.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What to write to.
    pub(super) fn file(&mut self) -> &mut File {
        self.file.as_mut().expect("it is there until it is finished")
    }

    /// Puts it on the disk under its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file().sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.file = None;
        sync_directory(directory_of(&self.target))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.file.is_some() {
            drop(remove_if_there(&self.path));
        }
    }
}

/// Writes a file of a directory that nobody uses yet, with the directories on the way to it.
pub(super) fn write_new(root: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let path = root.join(name);
    make_directory(directory_of(&path))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Puts every directory from `path` downwards on the disk.
pub(super) fn sync_directories(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_directories(&entry.path())?;
        }
    }
    sync_directory(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
