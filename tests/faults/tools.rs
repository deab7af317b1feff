//! What several of these tests do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hearth::ids::random_bytes;
use serde_json::json;

use crate::harness::{Answer, Person, TestServer};
pub use crate::harness::{can, can_trace, program};

/// How often a test repeats what it does.
pub fn rounds(usually: usize) -> usize {
    std::env::var("HEARTH_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usually)
}

/// A number from `first` to `last`, both included.
pub fn chance(first: u64, last: u64) -> u64 {
    first + u64::from_le_bytes(random_bytes()) % (last - first + 1)
}

/// Hearth with a command, on a data directory.
pub fn hearth(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_hearth"));
    command.args(arguments).arg("--data-dir").arg(data_dir).stdin(Stdio::null());
    command
}

/// What a command said, and its exit status.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program.
pub fn run(data_dir: &Path, arguments: &[&str]) -> Said {
    said(hearth(data_dir, arguments).output().unwrap())
}

/// What came of a command.
pub fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// Insists on success and gives what was said.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// Insists on this exit status and on these words, and gives the complaint.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// Every file below a directory with its content, but what a claim and a server leave there.
pub fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(dir: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                collect(&entry.path(), into);
            } else if entry.file_type().unwrap().is_file() {
                into.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(dir, &mut found);
    found
}

/// Copies a directory with everything in it, but sockets.
pub fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// Somebody who tries to sign in with the password of [`Person::member`].
pub async fn sign_in(server: &TestServer, name: &str) -> Answer {
    let body = json!({"email": format!("{}@example.org", name.to_lowercase()), "password": format!("{name} keeps secrets")});
    Person::guest(server).post("/api/auth/login", &body).await
}

/// A member who signs in, as after a restart elsewhere.
pub async fn again(server: &TestServer, name: &str) -> Person {
    let signed_in = sign_in(server, name).await.ok();
    let mut person = Person::guest(server);
    person.token = Some(signed_in["accessToken"].as_str().unwrap().to_owned());
    person
}

/// Tries to create a meeting.
pub async fn try_create(person: &Person) -> Answer {
    person.post("/api/meetings/create", &json!({"title": "Standup", "settings": {}})).await
}

/// Words that run a program with `injection`, and write what was traced to `output`. Its process is the one that is started.
pub fn traced(calls: &str, injection: &str, output: &Path) -> Vec<String> {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{injection}"));
    let output = output.to_str().unwrap();
    let words = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", output, "-e", &trace, "-e", &inject];
    words.map(str::to_owned).to_vec()
}

/// Words that run a program with its store on a file system of 80 MiB of its own, which only that program sees and which goes with
/// it. `prepare` is a script that runs before, with the store's directory in `$store`.
pub fn on_a_small_disk(prepare: &str) -> Vec<String> {
    let script = format!(
        "last=; for word; do [ \"$last\" = --data-dir ] && data=$word; last=$word; done
        store=$data/store
        mkdir -p -m 700 \"$store\" && mount -t tmpfs -o size=80m,mode=700 tmpfs \"$store\" || exit 99
        {prepare}
        exec \"$@\""
    );
    ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

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
        let tracer = Self(command.stdin(Stdio::null()).spawn().unwrap());
        while !has_hold_of(pid) {
            std::thread::sleep(Duration::from_millis(10));
        }
        tracer
    }

    /// Whether some thread of this process is being held up: at each of a few looks it stood still on the tracer's word. One that
    /// waits for work sleeps instead.
    pub fn holds_up(&self, pid: u32) -> bool {
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
        !held.is_empty()
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
