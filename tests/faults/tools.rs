//! What several of these tests do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hearth::ids::random_bytes;
use serde_json::json;

use crate::harness::{Answer, Person, TestServer};
pub use crate::harness::{Tracer, can, can_trace, program};

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
