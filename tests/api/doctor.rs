//! `hearth doctor`: in a small world in which all is well it says so, and when exactly one thing is broken, it finds exactly that.
//!
//! Each world is a network and a mount namespace of its own. The ones that need to be root somewhere use a user namespace where
//! this user is not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::world;

/// How worlds are made here; `None` where this user may not make any.
static WAY: LazyLock<Option<Vec<String>>> =
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
hosts() { sed "$1" "$WORLD/hosts" > "$WORLD/changed"; cat "$WORLD/changed" > "$WORLD/hosts"; }
"#;

/// A configuration that fits it.
const CONFIG: &str = "[server]\nlisten = [\"0.0.0.0:8443\", \"[::]:8443\"]\nlisten_http = [\"0.0.0.0:8080\"]\npublic_url = \"https://meet.hearth.lan:8443\"\n\
                      [relay]\nself_test = false\n";

/// What the doctor found: the outcome and all the words of each check, and how it ended.
struct Examined {
    findings: BTreeMap<String, (String, String)>,
    status: Option<i32>,
}

impl Examined {
    fn read(output: &Output) -> Self {
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
    fn found(&self, expected: &[(&str, &str, &str)]) {
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
struct World {
    config: String,
    /// Before the server starts.
    before: String,
    /// While it runs, before the doctor comes.
    during: String,
    /// What the doctor is started with.
    doctor_by: &'static str,
    server: bool,
}

impl World {
    fn well() -> Self {
        Self { config: CONFIG.into(), before: String::new(), during: String::new(), doctor_by: "", server: true }
    }

    /// `None` where no world can be made.
    fn examine(&self) -> Option<Examined> {
        let way = WAY.as_ref()?;
        let dir = TempDir::new().unwrap();
        for name in ["bin", "data"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("hearth.toml"), &self.config).unwrap();
        let script = dir.path().join("world.sh");
        std::fs::File::create(&script).unwrap().write_all(self.script().as_bytes()).unwrap();
        let mut command = Command::new(&way[0]);
        forget_settings(&mut command);
        command.args(&way[1..]).arg("sh").arg(&script).env("WORLD", dir.path()).env("PROGRAM", env!("CARGO_BIN_EXE_hearth"));
        Some(Examined::read(&command.output().unwrap()))
    }

    fn script(&self) -> String {
        let Self { before, during, doctor_by, server, .. } = self;
        let serve = if *server {
            r#"
"$PROGRAM" --config "$WORLD/hearth.toml" --data-dir "$WORLD/data" > "$WORLD/said" 2> "$WORLD/log" &
hearth=$!
trap 'kill $hearth; wait $hearth' EXIT
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
fn finds(world: &World, expected: &[(&str, &str, &str)]) {
    if let Some(examined) = world.examine() {
        examined.found(expected);
    }
}

fn configured(from: &str, to: &str) -> World {
    assert!(CONFIG.contains(from));
    World { config: CONFIG.replace(from, to), ..World::well() }
}

fn before(script: &str) -> World {
    World { before: script.to_owned(), ..World::well() }
}

fn during(script: &str) -> World {
    World { during: script.to_owned(), ..World::well() }
}

#[test]
fn o10_where_nothing_is_wrong_nothing_is_found() {
    let Some(examined) = World::well().examine() else { return };
    examined.found(&[]);
    for check in [
        "server",
        "dns",
        "https_port",
        "http_port",
        "relay_udp_port",
        "relay_tcp_port",
        "relay_tls_port",
        "relay",
        "hairpin",
        "ipv6",
    ] {
        assert_eq!(examined.findings[check].0, "good", "{check}: {}", examined.findings[check].1);
    }
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DOCTOR.md")).unwrap();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(check, _)| check));
    let (told, explained): (BTreeSet<&str>, BTreeSet<&str>) =
        (examined.findings.keys().map(String::as_str).collect(), rows.collect());
    assert_eq!(told, explained, "docs/DOCTOR.md explains each check and no other");
}

#[test]
fn o10_without_a_server_the_ports_are_tried_by_opening_them() {
    let Some(examined) = (World { server: false, ..World::well() }).examine() else { return };
    examined.found(&[]);
    assert_eq!(examined.findings["server"].0, "skipped");
    assert!(examined.findings["https_port"].1.contains("is free"));
    assert_eq!(examined.findings["relay"].0, "skipped");
}

#[test]
fn o10_a_name_that_leads_elsewhere_is_found() {
    let hosts = "hosts 's/^203.0.113.7 .*/198.51.100.9 meet.hearth.lan/'";
    finds(&before(hosts), &[("dns", "bad", "let the A record of meet.hearth.lan say 203.0.113.7")]);
}

#[test]
fn o10_a_name_that_leads_nowhere_is_found() {
    let world = World { config: CONFIG.replace("meet.hearth.lan", "other.hearth.lan"), ..World::well() };
    finds(&world, &[("dns", "bad", "let the A record of other.hearth.lan say 203.0.113.7")]);
}

#[test]
fn o10_a_port_that_another_program_has_is_found() {
    let other = TcpStandIn::script("127.0.0.1", 8443);
    let world = World { server: false, ..before(&other) };
    finds(&world, &[("https_port", "bad", "sudo ss -lptn 'sport = :8443'")]);
}

#[test]
fn o10_a_port_for_plain_http_that_another_program_has_is_found() {
    let other = World { server: false, ..before(&TcpStandIn::script("127.0.0.1", 8080)) };
    finds(&other, &[("http_port", "bad", "choose another port in server.listen_http")]);
}

#[test]
fn o10_a_port_that_the_firewall_stops_is_found() {
    let drop = "nft add table inet t\nnft 'add chain inet t in { type filter hook input priority 0; }'\n\
                nft add rule inet t in udp dport 3478 drop";
    let expected = [("relay_udp_port", "bad", "sudo ufw allow 3478/udp"), ("relay", "bad", "sudo ufw allow 3478")];
    if Command::new("nft").arg("--version").output().is_ok_and(|output| output.status.success()) {
        finds(&during(drop), &expected);
    } else {
        eprintln!("skipped: nft is not there");
    }
}

#[test]
fn o10_what_ufw_stops_is_found_with_the_commands_that_let_it_in() {
    let etc = "cp -a /etc \"$WORLD/etc\" 2>/dev/null || true\nmkdir -p \"$WORLD/etc/ufw\"\necho ENABLED=yes > \"$WORLD/etc/ufw/ufw.conf\"\n\
               for port in 'tcp 8443,8080' 'any 3478' 'tcp 5349'; do\n\
               echo \"### tuple ### allow $port 0.0.0.0/0 any 0.0.0.0/0 in\" >> \"$WORLD/etc/ufw/user.rules\"\ndone\n\
               cp \"$WORLD/hosts\" \"$WORLD/nsswitch.conf\" \"$WORLD/etc\"\nmount --bind \"$WORLD/etc\" /etc";
    finds(&during(etc), &[("firewall", "bad", "sudo ufw allow 49152:65535/udp")]);
}

#[test]
fn o10_a_clock_that_nothing_keeps_is_found() {
    let no = "printf '#!/bin/sh\\necho no\\n' > \"$WORLD/bin/timedatectl\"";
    finds(&before(no), &[("clock", "warning", "sudo timedatectl set-ntp true")]);
}

#[test]
fn o10_a_clock_that_stands_behind_what_the_server_wrote_is_found() {
    let later = "touch -d '+3 days' \"$WORLD/data/keys/relay\"";
    finds(&during(later), &[("clock", "bad", "sudo timedatectl set-ntp true")]);
}

#[test]
fn o10_an_external_address_that_is_not_the_one_outside_is_found() {
    // The server of the test's own is Hearth's own STUN listener: what it sees is the address of the only interface.
    let stun = "[[ice.servers]]\nurls = [\"stun:203.0.113.7:3478\"]\n";
    let world = |relay: &str| World { config: format!("{CONFIG}{relay}\n{stun}"), ..World::well() };
    finds(&world(""), &[]);
    let wrong = world("external_address = \"198.51.100.9\"");
    finds(&wrong, &[("relay_address", "bad", "write external_address = \"203.0.113.7\" into [relay]")]);
}

#[test]
fn o10_an_address_outside_that_does_not_lead_here_is_found() {
    let world = configured("[relay]", "[relay]\nexternal_address = \"198.51.100.9\"");
    let away = "hosts 's/^203.0.113.7 .*/198.51.100.9 meet.hearth.lan/'";
    let rule = "in the router, forward TCP 8443, UDP 3478, TCP 3478 and UDP 49152-65535 to 203.0.113.7";
    finds(&World { before: away.into(), ..world }, &[("hairpin", "warning", rule)]);
}

#[test]
fn o10_an_address_that_the_provider_shares_is_found() {
    let shared = "ip addr del 203.0.113.7/24 dev eth0\nip addr add 100.64.3.7/24 dev eth0\nip route add default via 100.64.3.1\n\
                  hosts 's/^203.0.113.7 /100.64.3.7 /'";
    let expected = [("provider_nat", "warning", "public IPv4 address"), ("relay_address", "warning", "external_address")];
    let Some(examined) = before(shared).examine() else { return };
    // Such an address says the same of a container as any other that is not public.
    let mut found = examined;
    found.findings.remove("container");
    found.found(&expected);
}

#[test]
fn o10_too_few_open_files_are_found() {
    let few = |by| World { doctor_by: by, ..World::well() };
    finds(&few("prlimit --nofile=256:256"), &[("open_files", "bad", "LimitNOFILE=65536")]);
    finds(&few("prlimit --nofile=1024:1024"), &[("open_files", "warning", "LimitNOFILE=65536")]);
}

#[test]
fn o10_a_disk_that_is_nearly_full_is_found() {
    let small = "mount -t tmpfs -o size=100m,mode=700 none \"$WORLD/data\"\n";
    finds(&before(small), &[("disk", "warning", "du -xh")]);
    let full = World { during: "head -c 60m /dev/zero > \"$WORLD/data/large\"".into(), ..before(small) };
    finds(&full, &[("disk", "bad", "below 64 MiB nothing is stored")]);
}

#[test]
fn o10_a_machine_without_ipv6_is_found() {
    let none = "ip -6 addr flush dev eth0\necho 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\n\
                hosts '/^2a0e/d'";
    finds(&before(none), &[("ipv6", "warning", "switch IPv6 on")]);
}

#[test]
fn o10_a_relay_that_leaves_ipv6_out_is_found() {
    finds(&configured("[relay]", "[relay]\nipv6 = false"), &[("ipv6", "warning", "write ipv6 = true into [relay]")]);
}

#[test]
fn o10_a_container_that_keeps_its_ports_to_itself_is_found() {
    let inner = "ip addr del 203.0.113.7/24 dev eth0\nip addr add 172.17.0.2/24 dev eth0\nip route add default via 172.17.0.1\n\
                 hosts 's/^203.0.113.7 /172.17.0.2 /'\n\
                 mount -t tmpfs none /run\ntouch /run/.containerenv";
    let expected = [("container", "warning", "-p 49152-65535:49152-65535/udp"), ("relay_address", "warning", "external_address")];
    finds(&before(inner), &expected);
}

#[test]
fn o10_data_that_can_not_be_written_are_found() {
    let read_only = "mount --bind \"$WORLD/data\" \"$WORLD/data\"\nmount -o remount,bind,ro \"$WORLD/data\"";
    finds(&during(read_only), &[("data_dir", "bad", "ReadWritePaths=")]);
}

#[test]
fn o10_data_that_others_may_read_are_found() {
    finds(&during("chmod 755 \"$WORLD/data\""), &[("data_dir", "warning", "sudo chmod 700")]);
}

#[test]
fn o10_a_sandbox_that_hides_the_addresses_is_found() {
    let can_trace = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !can_trace.is_ok_and(|status| status.success()) {
        eprintln!("skipped: strace is not there, or may not trace");
        return;
    }
    // As under RestrictAddressFamilies= without netlink. With both addresses configured, no socket is bound before that one.
    let by = "strace -f -qq -o /dev/null -e inject=bind:error=EAFNOSUPPORT:when=1 -e trace=bind";
    let world = configured("[relay]", "[relay]\naddress = \"203.0.113.7\"\naddress_ipv6 = \"2a0e:beef::7\"");
    let Some(examined) = (World { doctor_by: by, ..world }).examine() else { return };
    assert_eq!(examined.findings["interfaces"].0, "bad", "{:?}", examined.findings["interfaces"]);
    assert!(examined.findings["interfaces"].1.contains("AF_NETLINK"));
    assert_eq!(examined.status, Some(1));
}

/// A program that has a port and says nothing.
struct TcpStandIn;

impl TcpStandIn {
    /// Started in a world, and gone with it.
    fn script(address: &str, port: u16) -> String {
        format!(
            "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => \"{address}:{port}\", Listen => 5); sleep 60' &\n\
             other=$!\ntrap 'kill $other' EXIT\nuntil ss -ltn | grep -q ':{port} '; do sleep 0.05; done\n"
        )
    }
}

// What is wrong with a certificate is looked at over loopback, with a server of the test's own that shows it.

/// Answers as Hearth does to the doctor's question, with a certificate like this. Tells the port.
async fn show(names: &[&str], first_day: i64, last_day: i64) -> u16 {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let now = i64::try_from(hearth::clock::Timestamp::now().as_secs()).unwrap();
    let day = |day: i64| time::OffsetDateTime::from_unix_timestamp(now + day * 86_400).unwrap();
    (parameters.not_before, parameters.not_after) = (day(first_day), day(last_day));
    let certificate = parameters.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"needsSetup\":false}").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    port
}

/// What the doctor says of the certificate that is shown at this port, for this public name.
async fn judged(name: &str, port: u16) -> BTreeMap<String, (String, String)> {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("hearth.toml");
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    std::fs::write(
        &config,
        format!("[server]\nlisten = [\"{at}\"]\npublic_url = \"https://{name}:{port}\"\n[relay]\nenabled = false\n"),
    )
    .unwrap();
    let data = dir.path().join("data");
    let examined = tokio::task::spawn_blocking(move || Examined::read(&doctor(&config, &data).arg("--json").output().unwrap()))
        .await
        .unwrap();
    examined.findings.into_iter().filter(|(check, _)| check.starts_with("certificate_")).collect()
}

fn doctor(config: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
    forget_settings(&mut command);
    command.arg("--config").arg(config).arg("--data-dir").arg(data).arg("doctor");
    command
}

/// Variables that are meant for the tests, or for somebody's own server, must not configure this one.
fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"HEARTH_")) {
        command.env_remove(name);
    }
}

#[tokio::test]
async fn o10_what_is_wrong_with_a_certificate_is_found_and_nothing_else_is() {
    let outcomes = async |name: &str, names: &[&str], first: i64, last: i64| {
        let judged = judged(name, show(names, first, last).await).await;
        ["certificate_dates", "certificate_names", "certificate_chain"].map(|check| judged[check].0.clone())
    };
    assert_eq!(outcomes("hearth.localhost", &["hearth.localhost"], -1, 80).await, ["good", "good", "good"]);
    assert_eq!(outcomes("hearth.localhost", &["hearth.localhost"], -90, -1).await, ["bad", "good", "good"]);
    assert_eq!(outcomes("hearth.localhost", &["hearth.localhost"], -80, 10).await, ["warning", "good", "good"]);
    assert_eq!(outcomes("hearth.localhost", &["hearth.localhost"], 2, 90).await, ["bad", "good", "good"]);
    assert_eq!(outcomes("hearth.localhost", &["other.localhost"], -1, 80).await, ["good", "bad", "good"]);
    assert_eq!(outcomes("203.0.113.7", &["203.0.113.7"], -1, 80).await, ["good", "good", "warning"]);
}

#[tokio::test]
async fn o10_people_read_a_line_for_each_finding_and_scripts_the_exit_status() {
    let port = show(&["hearth.localhost"], -1, 80).await;
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("hearth.toml");
    std::fs::write(&config, format!("[server]\nlisten = [\"127.0.0.1:{port}\"]\n[relay]\nenabled = false\n")).unwrap();
    let run = move || doctor(&config, &config.with_file_name("data")).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("good     Hearth runs here.\n"), "{told}");
    assert!(told.lines().all(|line| line.len() > 9), "{told}");
    assert!(output.stderr.is_empty());
}
