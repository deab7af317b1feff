//! Small worlds: a network and a mount namespace each, in which all is well until something is broken on purpose.
//!
//! The ones that need to be root somewhere use a user namespace where this user is not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{program, world};

/// How worlds are made here; `None` where this user may not make any.
pub static WAY: LazyLock<Option<Vec<String>>> =
    LazyLock::new(|| world(&["--net", "--mount"], &["ip", "link", "add", "eth0", "type", "veth"]));

/// What is so in a world where nothing is wrong: an address of either family that looks public, and a name that leads to both.
/// `hosts` changes where the name leads; the file stays the same, for a mount holds on to it.
const WELL: &str = r#"
ip link set lo up
ip link add eth0 type veth peer name far
ip link set far up
ip link set eth0 up
ip addr add 203.0.113.7/24 dev eth0
ip addr add 2a0e:beef::7/64 dev eth0 nodad
ip route add default via 203.0.113.1
ip -6 route add default via 2a0e:beef::1
printf '127.0.0.1 localhost\n203.0.113.7 meet.hearth.lan\n2a0e:beef::7 meet.hearth.lan\n' > "$WORLD/hosts"
mount --bind "$WORLD/hosts" /etc/hosts
printf 'hosts: files\n' > "$WORLD/nsswitch.conf"
mount --bind "$WORLD/nsswitch.conf" /etc/nsswitch.conf
printf '#!/bin/sh\necho yes\n' > "$WORLD/bin/timedatectl"
chmod +x "$WORLD/bin/timedatectl"
PATH="$WORLD/bin:$PATH"
ends=
inside=
trap '[ -z "$ends" ] || { kill -CONT $ends; kill $ends; wait; } 2> /dev/null' EXIT
hosts() { sed "$1" "$WORLD/hosts" > "$WORLD/changed"; cat "$WORLD/changed" > "$WORLD/hosts"; }
"#;

/// A configuration that fits it.
pub const CONFIG: &str = "[server]\nlisten = [\"0.0.0.0:8443\", \"[::]:8443\"]\nlisten_http = [\"0.0.0.0:8080\"]\npublic_url = \"https://meet.hearth.lan:8443\"\n\
                      [relay]\nself_test = false\n";

/// What the doctor found: the outcome and all the words of each check, and how it ended.
pub struct Examined {
    pub findings: BTreeMap<String, (String, String)>,
    pub status: Option<i32>,
}

impl Examined {
    pub fn read(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}\n{told}"));
        let of = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap().iter().map(|finding| {
            let words = format!("{} — {}", of(finding, "sentence"), of(finding, "mend"));
            (of(finding, "check"), (of(finding, "outcome"), words))
        });
        Self { findings: findings.collect(), status: output.status.code() }
    }

    /// Insists that exactly these checks found something, with these outcomes and, among their words, these.
    #[track_caller]
    pub fn found(&self, expected: &[(&str, &str, &str)]) {
        let wrong = self.findings.iter().filter(|(_, (outcome, _))| matches!(outcome.as_str(), "bad" | "warning"));
        let wrong: BTreeMap<&str, &(String, String)> = wrong.map(|(check, told)| (check.as_str(), told)).collect();
        let checks: Vec<&str> = wrong.keys().copied().collect();
        let mut wanted: Vec<&str> = expected.iter().map(|(check, ..)| *check).collect();
        wanted.sort_unstable();
        assert_eq!(checks, wanted, "{wrong:#?}");
        for (check, outcome, words) in expected {
            let (is, told) = wrong[check];
            assert_eq!(is, outcome, "{check}: {told}");
            assert!(told.contains(words), "{words:?} is missing in {told:?}");
        }
        let is_bad = expected.iter().any(|(_, outcome, _)| *outcome == "bad");
        assert_eq!(self.status, Some(i32::from(is_bad)), "{wrong:#?}");
    }
}

/// A world to be broken.
pub struct World {
    /// The configuration file.
    pub config: String,
    /// Before the server starts.
    pub before: String,
    /// While it runs, before the doctor comes.
    pub during: String,
    /// What the doctor is started with.
    pub doctor_by: &'static str,
    /// Whether there is one.
    pub server: bool,
}

impl World {
    pub fn well() -> Self {
        Self { config: CONFIG.into(), before: String::new(), during: String::new(), doctor_by: "", server: true }
    }

    /// `None` where no world can be made.
    pub fn examine(&self) -> Option<Examined> {
        let way = WAY.as_ref()?;
        let dir = TempDir::new().unwrap();
        for name in ["bin", "data"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("hearth.toml"), &self.config).unwrap();
        let script = dir.path().join("world.sh");
        std::fs::File::create(&script).unwrap().write_all(self.script().as_bytes()).unwrap();
        let mut command = program(&way[0]);
        command.args(&way[1..]).arg("sh").arg(&script).env("WORLD", dir.path()).env("PROGRAM", env!("CARGO_BIN_EXE_hearth"));
        Some(Examined::read(&command.output().unwrap()))
    }

    fn script(&self) -> String {
        let Self { before, during, doctor_by, server, .. } = self;
        let serve = if *server {
            r#"
"$PROGRAM" --config "$WORLD/hearth.toml" --data-dir "$WORLD/data" > "$WORLD/said" 2> "$WORLD/log" &
hearth=$!
ends="$ends $hearth"
until grep -q 'Press Ctrl-C' "$WORLD/said"; do
    kill -0 $hearth || { cat "$WORLD/log" >&2; exit 9; }
    sleep 0.05
done
"#
        } else {
            ""
        };
        format!(
            "set -e\nchmod 700 \"$WORLD/data\"\n{WELL}\n{before}\n{serve}\n{during}\n\
             {doctor_by} \"$PROGRAM\" --config \"$WORLD/hearth.toml\" --data-dir \"$WORLD/data\" doctor --json\n"
        )
    }
}

#[track_caller]
pub fn finds(world: &World, expected: &[(&str, &str, &str)]) {
    if let Some(examined) = world.examine() {
        examined.found(expected);
    }
}

pub fn configured(from: &str, to: &str) -> World {
    assert!(CONFIG.contains(from));
    World { config: CONFIG.replace(from, to), ..World::well() }
}

pub fn before(script: &str) -> World {
    World { before: script.to_owned(), ..World::well() }
}

pub fn during(script: &str) -> World {
    World { during: script.to_owned(), ..World::well() }
}

/// Starts a program in a world, or where `$inside` leads, that has a port and says nothing.
pub fn other_program_at(address: &str, port: u16) -> String {
    format!(
        "$inside perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => \"{address}:{port}\", Listen => 5); sleep 60' &\n\
         ends=\"$ends $!\"\nuntil $inside ss -ltn | grep -q ':{port} '; do sleep 0.05; done\n"
    )
}

/// The doctor from the command line.
pub fn doctor(config: &Path, data: &Path) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_hearth"));
    command.arg("--config").arg(config).arg("--data-dir").arg(data).arg("doctor");
    command
}
