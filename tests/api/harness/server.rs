//! The real binary, started for one test.

use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use hearth::ids::random_bytes;
use tempfile::TempDir;

use super::program;

/// What a test wants otherwise than usual.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines of TOML that follow the usual ones.
    pub config: String,
    /// Lines of TOML for the section of the server, each a key.
    pub server: String,
    /// Lines of TOML for the section of the relay, each a key.
    pub relay: String,
    /// Whether the relay tests itself, which those who count its packets would see.
    pub self_test: bool,
    /// Whether the relay finds the address to relay at by itself, instead of using 127.0.0.1.
    pub finds_relay_address: bool,
    /// Where the relay listens, when it is not 127.0.0.1.
    pub relay_address: Option<IpAddr>,
    /// Where it listens for TLS, when it is not 127.0.0.1.
    pub relay_tls_address: Option<IpAddr>,
    /// The secret that the relay's credentials are made from.
    pub relay_secret: Option<[u8; 32]>,
    /// A command that starts the program it is given as its last arguments, in place of itself.
    pub run_by: Vec<String>,
}

/// A running server and its data.
pub struct TestServer {
    child: Option<Child>,
    dir: TempDir,
    config: PathBuf,
    run_by: Vec<String>,
    /// Kept as long as the server, for it must have the same ports after a restart.
    port: Port,
    relay_port: Port,
    relay_tls_port: Port,
    /// `https://localhost:PORT`.
    pub address: String,
    /// The certificate's fingerprint, as printed.
    pub fingerprint: String,
    /// The fingerprint of the authority that signed it, as printed.
    pub authority: String,
    /// The secret part of the one-time link, until there is an admin.
    pub setup_token: Option<String>,
    /// The name that clients ask for when they shake hands.
    pub name: String,
    /// What clients trust in place of the server's own authority.
    certificate: Option<String>,
}

impl TestServer {
    /// Starts a server with nothing in it.
    pub fn start() -> Self {
        Self::with(&Options::default())
    }

    /// A server with nothing in it that has its ports, and is started when it has been configured.
    pub fn prepare() -> Self {
        Self::prepared(&Options::default())
    }

    /// The same, for a server that is started by these words.
    pub fn prepared(options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("hearth.toml");
        Self {
            child: None,
            dir,
            config,
            run_by: options.run_by.clone(),
            port: Port::reserve(),
            relay_port: Port::reserve(),
            relay_tls_port: Port::reserve(),
            address: String::new(),
            fingerprint: String::new(),
            authority: String::new(),
            setup_token: None,
            certificate: None,
            name: String::from("localhost"),
        }
    }

    /// Starts a server that is configured in some way.
    pub fn with(options: &Options) -> Self {
        let mut server = Self::prepared(options);
        // A program that is none of ours may have the port.
        for _ in 0..PORTS_TO_TRY {
            server.configure(options);
            if server.try_launch() {
                return server;
            }
            assert!(server.log().contains("listen"), "the server did not start:\n{}", server.log());
            (server.port, server.relay_port, server.relay_tls_port) = (Port::reserve(), Port::reserve(), Port::reserve());
        }
        panic!("{PORTS_TO_TRY} ports were taken:\n{}", server.log());
    }

    /// Writes another configuration file, which a running server learns of when it is told to read it.
    pub fn reconfigure(&self, options: &Options) {
        self.configure(options);
    }

    /// Writes its configuration, which the next start reads.
    pub fn configure(&self, options: &Options) {
        let (port, relay_port, tls_port) = (self.port.number, self.relay_port(), self.relay_tls_port());
        let at = |address: Option<IpAddr>, port| SocketAddr::new(address.unwrap_or(Ipv4Addr::LOCALHOST.into()), port);
        let (relay, relay_tls) = (at(options.relay_address, relay_port), at(options.relay_tls_address, tls_port));
        let usual = [
            format!("listen = [\"{relay}\"]"),
            format!("listen_tls = [\"{relay_tls}\"]"),
            String::from("address = \"127.0.0.1\""),
            String::from("ports = \"20000-29999\""),
            format!("self_test = {}", options.self_test),
        ];
        let key_of = |line: &str| line.split('=').next().unwrap().trim().to_owned();
        let is_said = |key: &str| options.relay.lines().any(|other| key_of(other) == key);
        let is_found = |key: &str| options.finds_relay_address && key == "address";
        let is_left = |line: &&String| !(is_said(&key_of(line)) || is_found(&key_of(line)));
        let usual: Vec<_> = usual.iter().filter(is_left).map(String::as_str).collect();
        let text = format!(
            "{}\n[server]\nlisten = [\"127.0.0.1:{port}\"]\n{}\n[relay]\n{}\n{}\n",
            options.config,
            options.server,
            usual.join("\n"),
            options.relay
        );
        std::fs::write(&self.config, text).unwrap();
        if let Some(secret) = options.relay_secret {
            let keys = self.data_dir().join("keys");
            DirBuilder::new().recursive(true).mode(0o700).create(&keys).unwrap();
            let key = File::options().write(true).create(true).truncate(true).mode(0o600).open(keys.join("relay"));
            key.unwrap().write_all(&secret).unwrap();
        }
    }

    /// A command that would start another server on the same data.
    pub fn command(&self) -> Command {
        let own = String::from(env!("CARGO_BIN_EXE_hearth"));
        let mut words = self.run_by.iter().chain([&own]);
        let mut command = program(words.next().unwrap());
        command.args(words);
        command.arg("--config").arg(&self.config).arg("--data-dir").arg(self.data_dir()).stdin(Stdio::null());
        command
    }

    /// Where its configuration lies.
    pub fn config_file(&self) -> &Path {
        &self.config
    }

    /// Where its data lie.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the server that was stopped or killed before.
    pub fn launch(&mut self) {
        assert!(self.try_launch(), "the server did not start:\n{}", self.log());
    }

    fn try_launch(&mut self) -> bool {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut child = self.command().stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.setup_token = None;
        let mut is_ready = false;
        // The last line says that everything before it has been said.
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(address) = line.strip_prefix("address: ") {
                self.address = address.to_owned();
            } else if let Some(fingerprint) = line.strip_prefix("fingerprint: ") {
                self.fingerprint = fingerprint.to_owned();
            } else if let Some(fingerprint) = line.strip_prefix("authority: ") {
                self.authority = fingerprint.to_owned();
            } else if let Some(link) = line.strip_prefix("setup: ") {
                self.setup_token = link.split_once('#').map(|(_, token)| token.to_owned());
            } else if line == "Press Ctrl-C to stop." {
                is_ready = true;
                break;
            }
        }
        if is_ready {
            self.child = Some(child);
        } else {
            child.wait().unwrap();
        }
        is_ready
    }

    /// Its name and port, as requests name them.
    pub fn host(&self) -> &str {
        self.address.strip_prefix("https://").unwrap()
    }

    /// Its HTTPS socket.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number))
    }

    /// The port of its HTTPS socket, before it was ever started too.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The port of its relay for TLS.
    pub fn relay_tls_port(&self) -> u16 {
        self.relay_tls_port.number
    }

    /// The port of its relay.
    pub fn relay_port(&self) -> u16 {
        self.relay_port.number
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends it as a crash or a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, as systemd does, and waits.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    /// Waits until it has ended, but no longer than this.
    pub async fn wait_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = tokio::time::timeout(patience, async {
            while self.is_running() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        ended.await.ok().map(|()| self.wait())
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Insists that this stands in the log, which is written by a thread of its own and may be a little behind with what is told.
    #[track_caller]
    pub fn has_logged(&self, words: &str) {
        for _ in 0..500 {
            if self.log().contains(words) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{words:?} is not in the log:\n{}", self.log());
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The certificate of its own authority, which vouches for the one that it serves with.
    pub fn certificate(&self) -> String {
        let own = || std::fs::read_to_string(self.data_dir().join("tls/ca.pem")).unwrap();
        self.certificate.clone().unwrap_or_else(own)
    }

    /// From now on clients ask for this name, and trust this authority, which is none of the server's own.
    pub fn is_known_as(&mut self, name: &str, authority: String) {
        (self.name, self.certificate) = (name.to_owned(), Some(authority));
    }

    /// Every file below its data directory.
    pub fn files(&self) -> Vec<PathBuf> {
        fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, into);
                }
                into.push(path);
            }
        }
        let mut files = vec![self.data_dir()];
        collect(&self.data_dir(), &mut files);
        files
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

/// How many ports a server tries before its test gives up.
const PORTS_TO_TRY: usize = 20;

/// A port number, of TCP and of UDP, that no other test uses for as long as this lives. It is below those that systems give out by
/// themselves, so that no connection of another test has it while its server is down.
pub struct Port {
    pub number: u16,
    /// Locked; the lock ends with the process at the latest.
    _claim: File,
}

impl Port {
    pub fn reserve() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
        std::fs::create_dir_all(&dir).unwrap();
        loop {
            let number = 10_000 + u16::from_le_bytes(random_bytes()) % 10_000;
            let claim = File::create(dir.join(number.to_string())).unwrap();
            if claim.try_lock().is_ok() {
                return Self { number, _claim: claim };
            }
        }
    }
}

/// Asks again and again until `condition` holds; fails after ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl FnMut() -> F) {
    try_often(200, what, condition).await;
}

/// The same for what the server looks at only every few seconds, or what takes it as long; fails after half a minute.
pub async fn sooner_or_later<F: Future<Output = bool>>(what: &str, condition: impl FnMut() -> F) {
    try_often(600, what, condition).await;
}

async fn try_often<F: Future<Output = bool>>(times: usize, what: &str, mut condition: impl FnMut() -> F) {
    for _ in 0..times {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("this did not come about: {what}");
}
