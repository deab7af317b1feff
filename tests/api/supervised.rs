//! Under a service manager (row O5): what it is told, what the watchdog hears and when it hears nothing, and what the program gives up
//! at its start (F1, F5, F10).

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hearth::lifecycle::supervisor;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    Options, Person, Port, TestServer, can_trace, eventually, held_up, program, skip, sooner_or_later, tracer_of,
};

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the watchdog of these tests allows. It is told twice in this time.
const WATCHDOG: Duration = Duration::from_secs(1);

/// How often it is looked whether a start goes on (`LOOK_EVERY` in `src/lifecycle/supervisor.rs`).
const LOOKS: Duration = Duration::from_secs(2);

/// A service manager that only listens.
struct Manager {
    dir: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        Self { dir, socket }
    }

    /// A server that it has started.
    fn start(&self, variables: &[String]) -> TestServer {
        let run_by = self.words().into_iter().chain(variables.iter().cloned()).collect();
        TestServer::with(&Options { run_by, ..Options::default() })
    }

    /// What makes a program one of its own.
    fn words(&self) -> Vec<String> {
        vec![String::from("env"), format!("NOTIFY_SOCKET={}", self.dir.path().join("notify").display())]
    }

    /// What it is told next, a line each; nothing when that takes longer than this.
    fn hear(&self, patience: Duration) -> Vec<String> {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let length = self.socket.recv(&mut buffer).unwrap_or_default();
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }

    /// What it is told when the line `wanted` comes.
    fn hear_of(&self, wanted: &str) -> Vec<String> {
        loop {
            let told = self.hear(PATIENCE);
            assert!(!told.is_empty(), "{wanted} did not come");
            if told.iter().any(|line| line == wanted) {
                return told;
            }
        }
    }

    /// Whether nothing comes for a time in which the watchdog would have been told several times. What was on its way is passed over.
    fn hears_nothing(&self) -> bool {
        std::thread::sleep(WATCHDOG);
        while !self.hear(Duration::from_millis(1)).is_empty() {}
        self.hear(WATCHDOG * 3).is_empty()
    }
}

fn watchdog() -> String {
    format!("WATCHDOG_USEC={}", WATCHDOG.as_micros())
}

#[tokio::test]
async fn o5_the_service_manager_is_told_when_the_server_serves_and_when_it_stops() {
    let manager = Manager::new();
    let mut server = manager.start(&[]);
    let told = manager.hear_of("READY=1");
    let status = format!("STATUS={}: 0 meetings, 0 people", server.address);
    assert!(told.contains(&status), "{told:?}");
    Person::guest(&server).get("/healthz").await.ok();
    assert!(manager.hears_nothing(), "without a watchdog there is nothing more to say");
    server.signal("TERM");
    manager.hear_of("STOPPING=1");
    assert!(server.wait().success());
}

#[tokio::test]
async fn o5_a_taken_port_for_plain_http_or_the_relay_by_tls_keeps_nothing_from_starting() {
    let ports = [Port::reserve(), Port::reserve()];
    let [http_port, turns_port] = ports.each_ref().map(|port| port.number);
    let [http, turns] = [http_port, turns_port].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    let manager = Manager::new();
    let server = TestServer::with(&Options {
        server: format!("listen_http = [\"127.0.0.1:{http_port}\"]"),
        relay: format!("listen_tls = [\"127.0.0.1:{turns_port}\"]"),
        run_by: manager.words(),
        ..Options::default()
    });
    let lack: String = BTreeSet::from([http_port, turns_port]).iter().map(|port| format!("; port {port} is not ours")).collect();
    let told = manager.hear_of("READY=1");
    assert!(told.contains(&format!("STATUS={}: 0 meetings, 0 people{lack}", server.address)), "{told:?}");
    for (port, key) in [(http_port, "server.listen_http"), (turns_port, "relay.listen_tls")] {
        let told = |line: &str| line.contains(&format!("port {port} is not ours")) && line.contains(key);
        eventually("the log tells", async || server.log().lines().any(told)).await;
    }
    let found_by = |report: &Value| {
        let of = |check: &str| report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check).cloned();
        ["http_port", "relay_tls_port"].map(|check| of(check).unwrap_or_else(|| panic!("{check} is missing in {report}")))
    };
    let beside = server.command().args(["doctor", "--json"]).output().unwrap();
    for found in found_by(&serde_json::from_slice(&beside.stdout).unwrap()) {
        assert_eq!(found["outcome"], "bad", "{found}");
        assert!(found["sentence"].as_str().unwrap().contains("Another program has TCP port"), "{found}");
    }
    // The ports are free again: what is missing now is a restart.
    drop((http, turns));
    let admin = Person::admin(&server).await;
    admin.post_empty("/api/admin/doctor").await.ok();
    sooner_or_later("the doctor is done", async || admin.get("/api/admin/doctor").await.ok()["running"] == false).await;
    for found in found_by(&admin.get("/api/admin/doctor").await.ok()) {
        assert!(found["mend"].as_str().is_some_and(|mend| mend.contains("sudo systemctl restart hearth")), "{found}");
    }
}

#[tokio::test]
async fn o5_a_port_that_this_user_may_not_have_keeps_nothing_from_starting_and_nobody_else_is_blamed_for_it() {
    // Without its rights root is a user like any other.
    let run_by = if rustix::process::geteuid().is_root() { &["setpriv", "--bounding-set=-net_bind_service"][..] } else { &[] };
    let server = TestServer::with(&Options {
        server: String::from("listen_http = [\"127.0.0.1:1\"]"),
        run_by: run_by.iter().map(ToString::to_string).collect(),
        ..Options::default()
    });
    let told = |line: &str| line.contains("port 1 is not ours") && line.contains("CAP_NET_BIND_SERVICE");
    eventually("the log tells", async || server.log().lines().any(told)).await;
    assert!(!server.log().contains("sport = :1"), "{}", server.log());
}

#[test]
fn o5_the_service_manager_is_told_when_the_settings_are_read_again() {
    let manager = Manager::new();
    let mut server = manager.start(&[]);
    manager.hear_of("READY=1");
    server.signal("HUP");
    let told = manager.hear_of("RELOADING=1");
    let since = told.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse::<u64>().ok());
    assert!(since.is_some_and(|since| since > 0), "{told:?}");
    let told = manager.hear_of("READY=1");
    assert!(told.contains(&String::from("STATUS=The settings were read again")), "{told:?}");
    assert!(server.stop().success());
}

/// What starts a server whose writes to the disk each take so many microseconds; `None` where nobody may trace.
fn on_a_disk(takes: u64, which: &str) -> Option<Vec<String>> {
    if !can_trace() {
        return None;
    }
    let (calls, inject) = ("trace=fsync,fdatasync", format!("inject=fsync,fdatasync:delay_enter={takes}:when={which}"));
    // As a grandchild, so that the server's process is the one that was started and is ended.
    let words = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", calls, "-e", &inject];
    Some(words.map(str::to_owned).to_vec())
}

#[test]
fn o5_while_the_start_goes_on_the_service_manager_is_asked_for_patience() {
    let Some(slow) = on_a_disk(1_000_000, "1+1") else { return };
    let manager = Manager::new();
    let run_by = manager.words().into_iter().chain(slow).collect();
    let mut server = TestServer::with(&Options { run_by, ..Options::default() });
    let mut told: Vec<String> = Vec::new();
    while !told.contains(&String::from("READY=1")) {
        told.extend(manager.hear(PATIENCE));
    }
    let asked = format!("EXTEND_TIMEOUT_USEC={}", supervisor::STEP.as_micros());
    assert!(told.iter().filter(|line| **line == asked).count() >= 2, "{told:?}");
    assert!(server.stop().success());
    while !manager.hear(WATCHDOG).is_empty() {}
}

#[test]
fn o5_for_a_start_that_hangs_nobody_is_asked_for_patience() {
    // In microseconds: longer than any test.
    let Some(hung) = on_a_disk(600_000_000, "1") else { return };
    let manager = Manager::new();
    let server = TestServer::prepare();
    server.configure(&Options::default());
    let mut words = manager.words().into_iter().chain(hung).chain([String::from(env!("CARGO_BIN_EXE_hearth"))]);
    let mut command = program(words.next().unwrap());
    command.args(words).args(["--config", server.config_file().to_str().unwrap()]);
    command.args(["--data-dir", server.data_dir().to_str().unwrap()]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut hanging = command.spawn().unwrap();
    manager.hear_of("STATUS=Opening the data");
    while held_up(hanging.id()).is_empty() {
        assert!(hanging.try_wait().unwrap().is_none(), "it ended before it came to the disk");
    }
    // What it did until then may still count.
    std::thread::sleep(LOOKS * 2);
    while !manager.hear(Duration::from_millis(1)).is_empty() {}
    let told = manager.hear(LOOKS * 3);
    let is_there = hanging.try_wait().unwrap().is_none();
    // Its end would wait for the tracer, which sleeps.
    let tracer = tracer_of(hanging.id()).unwrap();
    assert!(Command::new("kill").args(["-KILL", &tracer.to_string()]).status().unwrap().success());
    hanging.kill().unwrap();
    hanging.wait().unwrap();
    assert!(is_there && told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn o5_the_watchdog_is_told_as_long_as_the_program_runs() {
    let manager = Manager::new();
    let mut server = manager.start(&[watchdog()]);
    for _ in 0..3 {
        let told = manager.hear_of("WATCHDOG=1");
        assert!(told.iter().any(|line| line.starts_with("STATUS=https://localhost:")), "{told:?}");
    }
    server.signal("STOP");
    assert!(manager.hears_nothing(), "a program that stands still said that it is alive");
    server.signal("CONT");
    manager.hear_of("WATCHDOG=1");
    assert!(server.stop().success());
}

#[tokio::test]
async fn o5_the_watchdog_hears_nothing_when_the_writer_or_a_thread_of_the_relay_hangs_although_pages_are_served() {
    if !can_trace() {
        return;
    }
    let manager = Manager::new();
    let server = manager.start(&[watchdog()]);
    for thread in ["store-writer", "relay-0"] {
        manager.hear_of("WATCHDOG=1");
        let hung = Hung::hang(server.pid(), thread);
        assert!(manager.hears_nothing(), "{thread} hangs, and the watchdog was told that all is well");
        Person::guest(&server).get("/healthz").await.ok();
        drop(hung);
        manager.hear_of("WATCHDOG=1");
    }
}

/// A thread that a tracer holds at its next call into the system. It goes on when this is dropped.
struct Hung(Child);

impl Hung {
    fn hang(pid: u32, name: &str) -> Self {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path());
        let is_meant = |path: &std::path::PathBuf| fs::read_to_string(path.join("comm")).unwrap().trim() == name;
        let path = threads.into_iter().find(is_meant).unwrap_or_else(|| panic!("there is no thread {name}"));
        let thread = path.file_name().unwrap().to_str().unwrap().to_owned();
        // In microseconds: longer than any test.
        let inject = "inject=all:delay_enter=600000000";
        let mut strace = Command::new("strace");
        let strace = strace.args(["-qq", "-o", "/dev/null", "-e", inject, "-p", &thread]);
        let mut hung = Self(strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        while !held_up(pid).contains(&path) {
            assert!(hung.0.try_wait().unwrap().is_none(), "the tracer could not take hold of thread {name}");
        }
        hung
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        // It lets go of the thread when it ends, however that comes about.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn o5_a_secret_can_be_a_credential_of_the_service_manager() {
    const TOKEN: &str = "b4f5c0ffee00b4f5c0ffee00b4f5c0ff";
    let credentials = tempfile::tempdir().unwrap();
    let path = credentials.path().join("metrics-token");
    fs::File::options().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    fs::write(&path, TOKEN).unwrap();
    // As an access list reads that gives one user more than the file's owner, root, gave to others.
    fs::set_permissions(&path, fs::Permissions::from_mode(if is_root(&path) { 0o440 } else { 0o400 })).unwrap();
    let directory = format!("CREDENTIALS_DIRECTORY={}", credentials.path().display());
    let options = Options {
        config: String::from("[metrics]\ntoken_file = \"credential:metrics-token\""),
        run_by: vec![String::from("env"), directory],
        ..Options::default()
    };
    let mut server = TestServer::with(&options);
    let guest = Person::guest(&server);
    let elsewhere = ("x-forwarded-for", "203.0.113.7");
    let ask = async |token: &str| {
        let authorization = format!("Bearer {token}");
        guest.send(Method::GET, "/metrics", &[("authorization", &authorization), elsewhere], None).await.status
    };
    assert_eq!((ask(TOKEN).await, ask("nonsense").await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    server.kill();
    // Started by hand, without credentials.
    let mut by_hand = program(env!("CARGO_BIN_EXE_hearth"));
    by_hand.args(["--data-dir", server.data_dir().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    by_hand.env("HEARTH_METRICS_TOKEN_FILE", "credential:metrics-token").env("HEARTH_RELAY_ENABLED", "false");
    let output = by_hand.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("credential:metrics-token"), "{said}");
}

/// Whether root has the file.
fn is_root(path: &Path) -> bool {
    fs::metadata(path).unwrap().uid() == 0
}

#[tokio::test]
async fn f1_files_are_private_whatever_the_umask_at_the_start() {
    let run_by = ["sh", "-c", "umask 0; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    let server = TestServer::with(&Options { run_by, ..Options::default() });
    Person::admin(&server).await;
    for path in server.files() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn f5_a_server_that_root_started_has_no_power_of_root_but_low_ports() {
    const NET_BIND_SERVICE: u64 = 1 << 10;
    let server = TestServer::start();
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let is_root = field("Uid:").split_whitespace().nth(1) == Some("0");
    for set in ["CapEff:", "CapPrm:", "CapInh:"] {
        let held = u64::from_str_radix(&field(set), 16).unwrap();
        assert_eq!(held & !NET_BIND_SERVICE, 0, "{set} {held:x}");
    }
    if is_root {
        server.has_logged("started as root");
        assert_eq!(field("NoNewPrivs:"), "1");
    } else {
        assert!(!server.log().contains("started as root"), "{}", server.log());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn f10_a_crash_leaves_no_core() {
    let dir = tempfile::tempdir().unwrap();
    let unlimited = "cd \"$0\"; ulimit -c unlimited; exec \"$@\"";
    let directory = dir.path().to_str().unwrap();
    // What any other program would leave here.
    let crash = Command::new("sh").args(["-c", unlimited, directory, "sh", "-c", "kill -ABRT $$"]).status().unwrap();
    if !crash.core_dumped() {
        skip("this system keeps no cores");
        return;
    }
    let run_by = ["sh", "-c", unlimited, directory].map(str::to_owned).to_vec();
    let mut server = TestServer::with(&Options { run_by, ..Options::default() });
    server.signal("ABRT");
    let status = server.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}
