//! How the process and its disk are: memory, descriptors, time on the processors, free space.
//!
//! What the disk says is asked for on a thread that may block, and never twice at a time: a disk that hangs costs one thread and no
//! answer, and whoever asks meanwhile is told what was known before.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::store::{self, Space};

/// What the system tells this process about itself, where there is such a thing.
const OWN_STATUS: &str = "/proc/self/status";
const OWN_DESCRIPTORS: &str = "/proc/self/fd";
/// How long an answer waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the process has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Memory, in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// Addresses taken, in bytes.
    pub(super) virtual_bytes: Option<u64>,
    /// Time spent on all processors, in seconds.
    pub(super) cpu_seconds: Option<f64>,
    /// Files and sockets open.
    pub(super) open_descriptors: Option<u64>,
    /// How many may be.
    pub(super) most_descriptors: Option<u64>,
}

impl Process {
    /// As it is now. Nothing of it touches a disk.
    pub(super) fn read() -> Self {
        let status = fs::read_to_string(OWN_STATUS).ok();
        let kibibytes = |field: &str| -> Option<u64> {
            let line = status.as_deref()?.lines().find_map(|line| line.strip_prefix(field))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        Self {
            resident_bytes: kibibytes("VmRSS:").map(|size| size * 1024),
            virtual_bytes: kibibytes("VmSize:").map(|size| size * 1024),
            cpu_seconds: cpu_seconds(),
            // The listing itself has one open.
            open_descriptors: fs::read_dir(OWN_DESCRIPTORS).ok().map(|files| (files.count() as u64).saturating_sub(1)),
            most_descriptors: most_descriptors(),
        }
    }
}

#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let whole = u32::try_from(spent.tv_sec).ok()?;
    let millis = u32::try_from(spent.tv_nsec / 1_000_000).ok()?;
    Some(f64::from(whole) + f64::from(millis) / 1000.0)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

#[cfg(unix)]
fn most_descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn most_descriptors() -> Option<u64> {
    None
}

/// What the disk of the data directory says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Disk {
    /// Space left for this user, in bytes.
    pub(super) free_bytes: Option<u64>,
    /// Space in all, in bytes.
    pub(super) total_bytes: Option<u64>,
}

/// Asks the disk.
#[derive(Clone, Debug)]
pub(super) struct DiskWatch {
    data_dir: Arc<Path>,
    known: Arc<Mutex<Disk>>,
    asking: Arc<AtomicBool>,
    ask: fn(&Path) -> Disk,
}

impl DiskWatch {
    /// Of the disk that `data_dir` lies on.
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.into(), known: Arc::default(), asking: Arc::default(), ask }
    }

    /// What it says now, or what it said last when it hangs.
    pub(super) async fn read(&self) -> Disk {
        if !self.asking.swap(true, Ordering::AcqRel) {
            let (this, asking) = (self.clone(), Asking(Arc::clone(&self.asking)));
            let asked = tokio::task::spawn_blocking(move || {
                let disk = (this.ask)(&this.data_dir);
                *this.known.lock().unwrap_or_else(PoisonError::into_inner) = disk;
                drop(asking);
            });
            // Whatever comes of it, what is known stands there.
            let _ = tokio::time::timeout(PATIENCE, asked).await;
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the question when dropped, whatever became of it.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn ask(data_dir: &Path) -> Disk {
    let (free_bytes, total_bytes) = store::space(data_dir).ok().map(|Space { free, total, .. }| (free, total)).unzip();
    Disk { free_bytes, total_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_knows_what_it_has() {
        let process = Process::read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{process:?}");
        assert!(process.virtual_bytes > process.resident_bytes, "{process:?}");
        assert!(process.open_descriptors.is_some_and(|open| open >= 3 && Some(open) < process.most_descriptors), "{process:?}");
        assert!(process.cpu_seconds.is_some(), "{process:?}");
    }

    #[tokio::test]
    async fn the_disk_tells_its_space() {
        let disk = DiskWatch::new(Path::new("/")).read().await;
        assert!(disk.free_bytes.is_some() && disk.total_bytes >= disk.free_bytes, "{disk:?}");
    }

    #[tokio::test]
    async fn while_the_disk_is_being_asked_what_was_known_is_told() {
        let watch = DiskWatch::new(Path::new("/"));
        watch.asking.store(true, Ordering::Release);
        let known = Disk { free_bytes: Some(7), ..Disk::default() };
        *watch.known.lock().unwrap() = known;
        assert_eq!(watch.read().await, known);
    }

    #[tokio::test]
    async fn a_question_that_breaks_off_is_not_the_last_one() {
        let fails: fn(&Path) -> Disk = |_| panic!("planted");
        let watch = DiskWatch { ask: fails, ..DiskWatch::new(Path::new("/")) };
        assert_eq!(watch.read().await, Disk::default());
        assert!(!watch.asking.load(Ordering::Acquire));
        assert!(DiskWatch { ask, ..watch }.read().await.total_bytes.is_some());
    }
}
