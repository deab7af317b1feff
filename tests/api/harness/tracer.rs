//! Tracers of running programs, which let calls into the system fail or take their time. What they count they count for each thread, so a
//! test that wants a fault to begin or to end lets the tracer come or go.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A tracer that has taken hold of a running process, and lets go of it when it is dropped.
pub struct Tracer(Child);

impl Tracer {
    /// From now on `calls` of the process that name one of `paths`, or a file opened there, are given what `injection` says.
    pub fn attach(pid: u32, calls: &str, injection: &str, paths: &[PathBuf]) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{injection}")]);
        for path in paths {
            command.arg("-P").arg(path);
        }
        let mut tracer = Self(command.stdin(Stdio::null()).spawn().unwrap());
        while !has_hold_of(pid) {
            assert!(tracer.0.try_wait().unwrap().is_none(), "the tracer could not take hold of process {pid}");
            std::thread::sleep(Duration::from_millis(10));
        }
        tracer
    }
}

/// Whether every thread of a process is traced.
fn has_hold_of(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    // A thread may end meanwhile.
    let mut states = threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    states.all(|state| !state.contains("TracerPid:\t0\n"))
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-INT").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// The process that traces this one.
pub fn tracer_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    tracer.trim().parse().ok().filter(|tracer| *tracer > 0)
}

/// The threads of this process that are being held up: at each of a few looks they stood still on the tracer's word. One that waits for
/// work sleeps instead.
pub fn held_up(pid: u32) -> BTreeSet<PathBuf> {
    let standing = || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().map(|thread| thread.path());
        let stands = |thread: &PathBuf| fs::read_to_string(thread.join("status")).is_ok_and(|it| it.contains("State:\tt"));
        threads.filter(stands).collect::<BTreeSet<_>>()
    };
    let mut held = standing();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(10));
        held = &held & &standing();
    }
    held
}
