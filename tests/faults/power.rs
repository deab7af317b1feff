//! A loss of power, as far as it can be had without pulling a plug: what the server asked of the disk is recorded, call by call, and
//! from the record come data directories as a disk may hold them when the power fails at any of these calls.
//!
//! What counts as safe is as little as POSIX promises: the bytes of a file when `fsync` or `fdatasync` of that file has returned that
//! began after they were written; the names in a directory when `fsync` of the directory has. Everything else may be there or not:
//! each write for itself, and the last one torn at any sector; names only in the order in which they were made, as journals keep them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hearth::clock::Timestamp;
use serde_json::json;

use crate::harness::{Options, Person, TestServer, eventually};
use crate::tools::{again, can_trace, chance, rounds, try_create};

const CALLS: &str =
    "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat";
const SECTOR: u64 = 512;

/// Something that was asked of the disk.
#[derive(Clone, Debug)]
enum Call {
    MakeDirectory(PathBuf),
    /// A file that is opened, made if it is not there, and emptied if that is said.
    Open(PathBuf, bool),
    /// Bytes at a place, or where the last ones ended.
    Write(PathBuf, Option<u64>, Vec<u8>),
    Cut(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// The beginning or the end of a call.
#[derive(Clone, Debug)]
struct Event {
    millis: u64,
    call: usize,
    ends: bool,
}

/// All calls of a server below its data directory, in order.
#[derive(Debug, Default)]
struct Record {
    calls: Vec<Call>,
    events: Vec<Event>,
}

impl Record {
    fn read(trace: &str, root: &Path) -> Self {
        let mut record = Self::default();
        // What each thread has begun: its words so far, and where its beginning stands.
        let mut begun: HashMap<&str, (String, u64)> = HashMap::new();
        for line in trace.lines() {
            // The number of a thread that is small has more than one space behind it.
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((time, said)) = rest.trim_start().split_once(' ') else { continue };
            let Some((seconds, micros)) = time.split_once('.') else { continue };
            let millis = seconds.parse::<u64>().unwrap() * 1000 + micros.parse::<u64>().unwrap() / 1000;
            if let Some(words) = said.strip_suffix(" <unfinished ...>") {
                // That it has begun matters where bytes may be on the disk before it returns.
                let call = record.keep(words, root, millis);
                begun.insert(thread, (words.to_owned(), call.map_or(u64::MAX, |call| call as u64)));
            } else if let Some((_, rest)) = said.strip_prefix("<... ").and_then(|said| said.split_once(" resumed>")) {
                let Some((_, call)) = begun.remove(thread) else { continue };
                if call != u64::MAX && succeeded(rest) {
                    record.events.push(Event { millis, call: usize::try_from(call).unwrap(), ends: true });
                }
            } else if succeeded(said)
                && let Some(call) = record.keep(said, root, millis)
            {
                record.events.push(Event { millis, call, ends: true });
            }
        }
        record
    }

    /// Keeps a call that has begun, if it concerns the data.
    fn keep(&mut self, words: &str, root: &Path, millis: u64) -> Option<usize> {
        let call = parse(words)?;
        let (Call::MakeDirectory(path)
        | Call::Open(path, _)
        | Call::Write(path, ..)
        | Call::Cut(path, _)
        | Call::Sync(path)
        | Call::Rename(path, _)
        | Call::Remove(path)) = &call;
        if !path.starts_with(root) {
            return None;
        }
        self.calls.push(call);
        self.events.push(Event { millis, call: self.calls.len() - 1, ends: false });
        Some(self.calls.len() - 1)
    }
}

fn succeeded(words: &str) -> bool {
    words.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-'))
}

/// One call as the tracer writes it, with every byte of every text in hexadecimal.
fn parse(words: &str) -> Option<Call> {
    let (name, rest) = words.split_once('(')?;
    let texts: Vec<Vec<u8>> = rest.split('"').skip(1).step_by(2).map(bytes_of).collect();
    let path = |number: usize| texts.get(number).map(|bytes| path_of(bytes));
    // The file that a descriptor stands for.
    let file = || rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(text, _)| path_of(&bytes_of(text)));
    let last_number = || rest.split(')').next()?.rsplit(", ").next()?.parse::<u64>().ok();
    Some(match name {
        "mkdir" | "mkdirat" => Call::MakeDirectory(path(0)?),
        "openat" if rest.contains("O_CREAT") => Call::Open(path(0)?, rest.contains("O_TRUNC")),
        "write" => Call::Write(file()?, None, texts.into_iter().next()?),
        "pwrite64" => Call::Write(file()?, Some(last_number()?), texts.into_iter().next()?),
        "ftruncate" => Call::Cut(file()?, last_number()?),
        "fsync" | "fdatasync" => Call::Sync(file()?),
        "rename" | "renameat" | "renameat2" => Call::Rename(path(0)?, path(1)?),
        "unlink" | "unlinkat" | "rmdir" => Call::Remove(path(0)?),
        _ => return None,
    })
}

fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    hexadecimal.split("\\x").skip(1).map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap()).collect()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A change of a file that may not be on the disk yet.
#[derive(Clone, Debug)]
enum Change {
    Write { call: usize, at: u64, bytes: Vec<u8> },
    Cut { call: usize, to: u64 },
}

/// A file or a directory. A directory has no bytes.
#[derive(Clone, Debug, Default)]
struct Node {
    is_directory: bool,
    safe: Vec<u8>,
    pending: Vec<Change>,
    /// Where the next write goes that says no place.
    end: u64,
}

/// A change of names.
#[derive(Clone, Debug)]
enum Naming {
    Put(PathBuf, usize),
    Take(PathBuf),
}

/// How much of what is not safe is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    None,
    All,
    Some,
}

/// What a disk may hold.
#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    live: BTreeMap<PathBuf, usize>,
    names: Vec<Naming>,
    /// So many of them are safe.
    safe_names: usize,
    /// For each sync under way, how many names and which changes there were when it began.
    syncing: HashMap<usize, (usize, Vec<usize>)>,
    /// The calls that have returned.
    returned: Vec<usize>,
}

impl Disk {
    /// The disk after so many events.
    fn after(record: &Record, events: usize) -> Self {
        let mut disk = Self::default();
        for event in &record.events[..events] {
            let call = &record.calls[event.call];
            if event.ends { disk.end(event.call, call) } else { disk.begin(event.call, call) }
        }
        disk
    }

    fn begin(&mut self, number: usize, call: &Call) {
        match call {
            Call::Write(path, at, bytes) => {
                let Some(node) = self.live.get(path).map(|node| &mut self.nodes[*node]) else { return };
                let at = at.unwrap_or(node.end);
                node.end = node.end.max(at + bytes.len() as u64);
                node.pending.push(Change::Write { call: number, at, bytes: bytes.clone() });
            }
            Call::Cut(path, to) => {
                let Some(node) = self.live.get(path).map(|node| &mut self.nodes[*node]) else { return };
                node.pending.push(Change::Cut { call: number, to: *to });
            }
            Call::Sync(_) => drop(self.syncing.insert(number, (self.names.len(), self.returned.clone()))),
            Call::MakeDirectory(_) | Call::Open(..) | Call::Rename(..) | Call::Remove(_) => {}
        }
    }

    fn end(&mut self, number: usize, call: &Call) {
        match call {
            Call::MakeDirectory(path) => self.make(path, true),
            Call::Open(path, empties) if self.live.contains_key(path) => {
                if *empties {
                    let node = &mut self.nodes[self.live[path]];
                    node.pending.push(Change::Cut { call: number, to: 0 });
                    node.end = 0;
                }
            }
            Call::Open(path, _) => self.make(path, false),
            Call::Rename(from, to) => {
                let Some(node) = self.live.remove(from) else { return };
                self.live.insert(to.clone(), node);
                self.names.extend([Naming::Take(from.clone()), Naming::Put(to.clone(), node)]);
                // What lies below a directory moves with it.
                let below: Vec<_> = self.live.keys().filter(|path| path.starts_with(from)).cloned().collect();
                assert!(below.is_empty(), "no directory is renamed while it serves: {below:?}");
            }
            Call::Remove(path) => {
                self.live.remove(path);
                self.names.push(Naming::Take(path.clone()));
            }
            Call::Sync(path) => self.make_safe(number, path),
            Call::Write(..) | Call::Cut(..) => {}
        }
        self.returned.push(number);
    }

    fn make(&mut self, path: &Path, is_directory: bool) {
        self.nodes.push(Node { is_directory, ..Node::default() });
        self.live.insert(path.to_owned(), self.nodes.len() - 1);
        self.names.push(Naming::Put(path.to_owned(), self.nodes.len() - 1));
    }

    fn make_safe(&mut self, number: usize, path: &Path) {
        let Some((names, returned)) = self.syncing.remove(&number) else { return };
        let Some(node) = self.live.get(path).copied() else { return };
        if self.nodes[node].is_directory {
            let within = |naming: &Naming| {
                let (Naming::Put(name, _) | Naming::Take(name)) = naming;
                name.parent() == Some(path)
            };
            let last = self.names[..names].iter().rposition(within).map_or(0, |last| last + 1);
            self.safe_names = self.safe_names.max(last);
            return;
        }
        let node = &mut self.nodes[node];
        let (safe, pending) = std::mem::take(&mut node.pending).into_iter().partition(|change| {
            let (Change::Write { call, .. } | Change::Cut { call, .. }) = change;
            returned.contains(call)
        });
        node.pending = pending;
        let safe: Vec<_> = safe;
        safe.iter().for_each(|change| apply(change, &mut node.safe, u64::MAX));
    }

    /// Writes what the disk holds to `target`, in the place of `root`.
    fn put(&self, root: &Path, target: &Path, luck: Luck) {
        let names = match luck {
            Luck::None => self.safe_names,
            Luck::All => self.names.len(),
            Luck::Some => usize::try_from(chance(self.safe_names as u64, self.names.len() as u64)).unwrap(),
        };
        let mut tree = BTreeMap::new();
        for naming in &self.names[..names] {
            match naming {
                Naming::Put(path, node) => drop(tree.insert(path.clone(), *node)),
                Naming::Take(path) => drop(tree.remove(path)),
            }
        }
        for (path, node) in tree {
            let place = target.join(path.strip_prefix(root).unwrap());
            let node = &self.nodes[node];
            if node.is_directory {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(place).unwrap();
                continue;
            }
            // A name whose directory is not there can't be found.
            if !place.parent().unwrap().is_dir() {
                continue;
            }
            let mut content = node.safe.clone();
            for change in &node.pending {
                match luck {
                    Luck::None => {}
                    Luck::All => apply(change, &mut content, u64::MAX),
                    Luck::Some => match chance(0, 3) {
                        0 => {}
                        1 => apply(change, &mut content, chance(0, 16) * SECTOR),
                        _ => apply(change, &mut content, u64::MAX),
                    },
                }
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place).unwrap();
            std::io::Write::write_all(&mut file, &content).unwrap();
        }
    }
}

/// Does a change to bytes; of a write, at most so many bytes up to a boundary of sectors.
fn apply(change: &Change, content: &mut Vec<u8>, most: u64) {
    match change {
        Change::Cut { to, .. } => content.resize(usize::try_from(*to).unwrap(), 0),
        Change::Write { at, bytes, .. } => {
            let until = most.saturating_add(at / SECTOR * SECTOR).min(at + bytes.len() as u64);
            let Some(length) = until.checked_sub(*at) else { return };
            let (at, length) = (usize::try_from(*at).unwrap(), usize::try_from(length).unwrap());
            content.resize(content.len().max(at + length), 0);
            content[at..at + length].copy_from_slice(&bytes[..length]);
        }
    }
}

/// What somebody was told, and when.
#[derive(Debug, Default)]
struct Told {
    member: u64,
    rooms: Vec<(u64, String)>,
}

/// A program that records the calls of another, each run into a file of its own below `dir`, named by its number.
fn recorder(dir: &Path) -> Vec<String> {
    let script = format!(
        "exec strace -D -f -q --seccomp-bpf -ttt -y -xx -s 9999999 -e trace={CALLS} -o {0}/$(ls {0} | wc -l) \"$@\"",
        dir.display()
    );
    ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

/// What was recorded of a run that has ended. The recorder writes its last line after the program's end.
async fn of_run(dir: &Path, number: usize) -> String {
    let read = || fs::read_to_string(dir.join(number.to_string())).unwrap_or_default();
    let ended = [" +++ exited with 0 +++\n", " +++ killed by SIGKILL +++\n"];
    eventually("the record is complete", async || ended.iter().any(|last| read().ends_with(last))).await;
    read()
}

/// A server that is recorded from its first start on, with what was recorded and what it acknowledged.
async fn recorded(dir: &Path) -> (PathBuf, String, Told) {
    let mut server = TestServer::with(&Options { run_by: recorder(dir), ..Options::default() });
    let (mut told, mut trace) = (Told::default(), String::new());
    Person::member(&server, "Ben").await;
    told.member = Timestamp::now().as_millis() + 1;
    for round in 0..3 {
        let ben = again(&server, "Ben").await;
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let ben = ben.clone();
            writers.spawn(async move {
                let mut rooms = Vec::new();
                for _ in 0..6 {
                    let made = try_create(&ben).await.ok();
                    rooms.push((Timestamp::now().as_millis() + 1, made["meeting"]["roomId"].as_str().unwrap().to_owned()));
                }
                rooms
            });
        }
        told.rooms.extend(writers.join_all().await.concat());
        // Each start writes a snapshot; a kill leaves the tail of the log as it is.
        if round == 0 {
            assert!(server.stop().success());
        } else {
            server.kill();
        }
        trace += &of_run(dir, round).await;
        if round < 2 {
            server.launch();
        }
    }
    (server.data_dir(), trace, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_after_a_loss_of_power_at_any_moment_it_starts_with_all_that_was_acknowledged() {
    if !can_trace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (root, trace, told) = recorded(home.path()).await;
    let record = Record::read(&trace, &root);
    let syncs = record.calls.iter().filter(|call| matches!(call, Call::Sync(_))).count();
    assert!(syncs > 30 && record.events.len() > 200, "{syncs} syncs, {} events", record.events.len());

    let first_start = record.events.iter().take_while(|event| event.millis < told.member).count();

    let mut server = TestServer::start();
    assert!(server.stop().success());
    let (rounds, mut checked) = (rounds(12), 0);
    for round in 0..rounds {
        // The first start makes more files than all that follows, so every other time it is cut short; and once nothing is.
        let last = if round % 2 == 0 { first_start } else { record.events.len() };
        let events = if round == 1 { last } else { usize::try_from(chance(1, last as u64)).unwrap() };
        let luck = [Luck::None, Luck::Some, Luck::All][round / 2 % 3];
        let _ = fs::remove_dir_all(server.data_dir());
        fs::DirBuilder::new().mode(0o700).create(server.data_dir()).unwrap();
        Disk::after(&record, events).put(&root, &server.data_dir(), luck);
        println!("r11: the power fails after {events} of {} calls, {luck:?}", record.events.len());
        server.launch();
        let cut = record.events[events - 1].millis;
        if told.member < cut {
            let ben = again(&server, "Ben").await;
            let rooms: Vec<_> = told.rooms.iter().filter(|(at, _)| *at < cut).collect();
            for (_, room) in &rooms {
                ben.get(&format!("/api/meetings/{room}")).await.ok();
            }
            let listed = ben.get("/api/meetings?limit=1").await.ok();
            assert!(listed["total"].as_u64().unwrap() >= rooms.len() as u64, "{listed}");
            ben.create("Afterwards", json!({})).await;
            checked += rooms.len();
        }
        server.kill();
    }
    println!(
        "r11: power failed {rounds} times in {} calls with {syncs} syncs; {checked} meetings were there",
        record.calls.len()
    );
    assert!(checked > 0);
}
