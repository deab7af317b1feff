//! A data directory that is taken from a running server: its rights, its owner, its disk. Nothing of that may end the server, lose
//! what it acknowledged or make it begin anew, and when all is put back, it goes on by itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::harness::{Options, Person, Socket, TestServer, eventually};
use crate::tools::{Tracer, again, can, can_trace, on_a_small_disk, try_create};

/// Nobody's number, for whom nothing else runs here.
const NOBODY: u32 = 51_235;

/// Words that run a program as a user who has no rights but those to its own files, of which the server's data are some.
fn as_nobody() -> Vec<String> {
    let script = format!(
        "last=; for word; do [ \"$last\" = --data-dir ] && data=$word; last=$word; done
        mkdir -p -m 700 \"$data\" && chown -R {NOBODY}:{NOBODY} \"$(dirname \"$data\")\" || exit 99
        exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups \"$@\""
    );
    ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

/// A server with a call that goes on.
struct Site {
    server: TestServer,
    ben: Person,
    /// The meetings that it acknowledged.
    rooms: Vec<String>,
    host: Socket,
    guest: Socket,
    lines: u32,
}

impl Site {
    async fn with(run_by: Vec<String>) -> Self {
        let server = {
            // It tries to write again and again until it may.
            let often = String::from("[limits]\nmeetings_per_hour = 100000\nrequests_per_minute = 100000");
            TestServer::with(&Options { run_by, config: often, ..Options::default() })
        };
        let ben = Person::member(&server, "Ben").await;
        let room = ben.create("Standup", json!({})).await;
        let (host, _) = Socket::enter(&server, &ben, &room, "Ben").await;
        let (guest, _) = Socket::enter(&server, &Person::guest(&server), &room, "Gus").await;
        Self { server, ben, rooms: vec![room], host, guest, lines: 0 }
    }

    /// Tries to write. A refusal must be the one that says so.
    async fn write(&mut self) -> bool {
        let answer = try_create(&self.ben).await;
        if answer.status.is_success() {
            self.rooms.push(answer.body["meeting"]["roomId"].as_str().unwrap().to_owned());
            return true;
        }
        answer.refused(503, "storage_unavailable");
        false
    }

    /// Insists that the server tells of the fault, and serves what needs no disk.
    async fn assert_degraded(&mut self) {
        assert!(!self.write().await, "a write was acknowledged although the data are out of reach");
        assert_eq!(self.ben.get("/readyz").await.status, 503);
        assert_eq!(self.ben.get("/healthz").await.status, 200);
        self.assert_serves().await;
    }

    async fn assert_serves(&mut self) {
        assert_eq!(self.ben.get(&format!("/api/meetings/{}", self.rooms[0])).await.ok()["meeting"]["title"], "Standup");
        let text = format!("line {}", self.lines);
        self.host.send(&json!({"type": "chat", "id": self.lines.to_string(), "to": null, "text": text})).await;
        assert_eq!(self.guest.skip_to("chat").await["message"]["text"], text);
        self.lines += 1;
        assert!(self.server.is_running());
    }

    async fn assert_recovers(&mut self) {
        eventually("it takes writes again", async || try_create(&self.ben).await.status.is_success()).await;
        assert_eq!(self.ben.get("/readyz").await.status, 200);
        self.assert_serves().await;
    }

    /// Insists that everything acknowledged is there.
    async fn assert_all_there(&self, ben: &Person) {
        for room in &self.rooms {
            ben.get(&format!("/api/meetings/{room}")).await.ok();
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn r9_rights_and_owners_that_change_under_a_running_server_lose_nothing() {
    if !can("setpriv", &["--reuid=51235", "--regid=51235", "--clear-groups", "true"]) {
        return;
    }
    let mut site = Site::with(as_nobody()).await;
    let data_dir = site.server.data_dir();
    let store = data_dir.join("store");
    // What may not be passed through can't be reached.
    for place in [&store, &data_dir] {
        set_mode(place, 0o000);
        site.assert_degraded().await;
        set_mode(place, 0o700);
        site.assert_recovers().await;
    }
    chown(&store, Some(0), Some(0)).unwrap();
    site.assert_degraded().await;
    chown(&store, Some(NOBODY), Some(NOBODY)).unwrap();
    site.assert_recovers().await;
    // Where no file may be made any more, those that are open can still be written: either answer is right if it is true.
    for place in [&store, &data_dir] {
        set_mode(place, 0o500);
        site.write().await;
        site.assert_serves().await;
        set_mode(place, 0o700);
        site.assert_recovers().await;
    }
    assert!(!site.server.log().contains("panicked"), "{}", site.server.log());
    site.server.kill();
    site.server.launch();
    let ben = again(&site.server, "Ben").await;
    site.assert_all_there(&ben).await;
}

#[tokio::test]
async fn r9_a_file_system_that_becomes_read_only_refuses_writes_until_it_is_writable_again() {
    if !can_trace() {
        return;
    }
    let mut site = Site::with(Vec::new()).await;
    let store = site.server.data_dir().join("store");
    // What the kernel answers for a file system that it has made read-only after an error, whatever is open on it.
    let calls = "pwrite64,write,openat,fsync,fdatasync,sync_file_range,ftruncate,rename";
    let touched: Vec<PathBuf> = ["db", "probe", "schema.new", "created"].map(|name| store.join(name)).into();
    for _ in 0..2 {
        let before = names(&store);
        let tracer = Tracer::attach(site.server.pid(), calls, "error=EROFS", &touched);
        site.assert_degraded().await;
        // Longer than it takes to look whether the disk is well again.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        site.assert_degraded().await;
        assert_eq!(names(&store), before);
        drop(tracer);
        site.assert_recovers().await;
    }
    site.server.kill();
    site.server.launch();
    let ben = again(&site.server, "Ben").await;
    site.assert_all_there(&ben).await;
}

#[tokio::test]
async fn r9_a_disk_that_is_unmounted_and_mounted_again_brings_back_the_data_and_leaves_no_others() {
    if !can("unshare", &["-m", "true"]) {
        return;
    }
    // A second way to the same disk, by which it is mounted again.
    let kept = "mkdir -p \"$data.kept\" && mount --bind \"$store\" \"$data.kept\"";
    let mut site = Site::with(on_a_small_disk(kept)).await;
    let store = site.server.data_dir().join("store");
    let (seen, kept) = (store.to_str().unwrap(), format!("{}.kept", site.server.data_dir().display()));
    let (unmount, mount) = (["umount", "-l", seen].map(str::to_owned), ["mount", "--bind", &kept, seen].map(str::to_owned));
    for _ in 0..2 {
        enter_and(&site.server, &unmount);
        site.assert_degraded().await;
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        site.assert_degraded().await;
        assert!(!store.join("db").exists(), "no new data were begun below");
        enter_and(&site.server, &mount);
        site.assert_recovers().await;
        site.assert_all_there(&site.ben).await;
    }
}

/// Does something in the server's own view of the file systems.
fn enter_and(server: &TestServer, words: &[String]) {
    let status = Command::new("nsenter").args(["-t", &server.pid().to_string(), "-m"]).args(words).status().unwrap();
    assert!(status.success(), "{words:?}");
}
