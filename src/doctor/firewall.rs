//! What the firewall of this machine lets in, where it is ufw, whose rules can be read. Others are only tried, by
//! [`ports`](super::ports) and [`relay`](super::relay).

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use super::Settings;
use super::finding::{Check, Finding};

/// What ufw says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    /// It is not there or switched off, or lets in whatever no rule forbids.
    Open,
    /// It is on, and this user may not read its rules.
    Unreadable,
    /// It is on and lets in what these rules say.
    Rules(Vec<Rule>),
}

/// Ports that are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// `tcp`, `udp` or `any`.
    protocol: String,
    ports: Vec<RangeInclusive<u16>>,
}

pub(super) fn look() -> Facts {
    look_in(Path::new("/etc"))
}

fn look_in(etc: &Path) -> Facts {
    let says = |path: &str, line: &str| {
        let text = fs::read_to_string(etc.join(path)).unwrap_or_default();
        text.lines().any(|found| found.trim().eq_ignore_ascii_case(line))
    };
    if !says("ufw/ufw.conf", "ENABLED=yes") || says("default/ufw", "DEFAULT_INPUT_POLICY=\"ACCEPT\"") {
        return Facts::Open;
    }
    match fs::read_to_string(etc.join("ufw/user.rules")) {
        Ok(text) => Facts::Rules(text.lines().filter_map(rule).collect()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Facts::Unreadable,
        Err(_) => Facts::Rules(Vec::new()),
    }
}

/// `### tuple ### allow udp 3478 0.0.0.0/0 any 0.0.0.0/0 in`, which ufw writes above each rule. Rules for some sources only, or to
/// some addresses only, let nobody else in and are left out.
fn rule(line: &str) -> Option<Rule> {
    let mut words = line.strip_prefix("### tuple ### ")?.split_whitespace();
    let (action, protocol, ports) = (words.next()?, words.next()?, words.next()?);
    let (to, _, from) = (words.next()?, words.next()?, words.next()?);
    let is_everybody = |network: &str| matches!(network, "0.0.0.0/0" | "::/0");
    let direction = words.next_back().unwrap_or("in");
    let counts = matches!(action, "allow" | "limit") && is_everybody(to) && is_everybody(from) && direction == "in";
    let range = |text: &str| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    let ports = if ports == "any" { vec![0..=u16::MAX] } else { ports.split(',').filter_map(range).collect() };
    counts.then(|| Rule { protocol: protocol.to_owned(), ports })
}

impl Rule {
    fn lets_in(&self, protocol: &str, ports: &RangeInclusive<u16>) -> bool {
        let all = |range: &RangeInclusive<u16>| range.contains(ports.start()) && range.contains(ports.end());
        (self.protocol == "any" || self.protocol == protocol) && self.ports.iter().any(all)
    }
}

/// What people need, as ufw names it.
fn wanted(settings: &Settings) -> Vec<(&'static str, RangeInclusive<u16>)> {
    let others = |at: &&std::net::SocketAddr| !at.ip().is_loopback();
    let mut wanted: Vec<_> =
        settings.https.iter().chain(&settings.http).filter(others).map(|at| ("tcp", at.port()..=at.port())).collect();
    if let Some(relay) = &settings.relay {
        let plain =
            relay.listen.iter().filter(others).flat_map(|at| ["udp", "tcp"].map(|protocol| (protocol, at.port()..=at.port())));
        wanted.extend(plain);
        if relay.listen.iter().any(|at| !at.ip().is_loopback()) {
            wanted.push(("udp", relay.ports.clone()));
        }
        wanted.extend(relay.listen_tls.iter().filter(others).map(|at| ("tcp", at.port()..=at.port())));
    }
    let mut once = Vec::new();
    for door in wanted {
        if !once.contains(&door) {
            once.push(door);
        }
    }
    once
}

pub(super) fn judge(settings: &Settings, facts: &Facts) -> Finding {
    const CHECK: Check = Check::Firewall;
    let rules = match facts {
        Facts::Open => return Finding::good(CHECK, "ufw doesn't stand in the way."),
        Facts::Unreadable => {
            return Finding::skipped(CHECK, "ufw is on, and only root may read its rules; run this with sudo to have them read.");
        }
        Facts::Rules(rules) => rules,
    };
    let shut: Vec<_> = wanted(settings)
        .into_iter()
        .filter(|(protocol, ports)| !rules.iter().any(|rule| rule.lets_in(protocol, ports)))
        .map(|(protocol, ports)| {
            let (first, last) = (ports.start(), ports.end());
            if first == last { format!("{first}/{protocol}") } else { format!("{first}:{last}/{protocol}") }
        })
        .collect();
    if shut.is_empty() {
        return Finding::good(CHECK, "ufw lets in everything that people need.");
    }
    let commands: Vec<_> = shut.iter().map(|door| format!("sudo ufw allow {door}")).collect();
    Finding::bad(CHECK, format!("ufw is on and stops {}.", shut.join(", ")), commands.join(" && "))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::super::tests::settings;
    use super::*;

    const ALL: &str = "### tuple ### allow tcp 8443 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow any 3478 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 80,5349 0.0.0.0/0 any 0.0.0.0/0 Hearth - in
-A ufw-user-input -p tcp --dport 3478 -j ACCEPT
### tuple ### limit udp 40000:65535 0.0.0.0/0 any 0.0.0.0/0 in
";

    fn judged(rules: &str) -> Finding {
        let etc = tempfile::tempdir().unwrap();
        for dir in ["ufw", "default"] {
            fs::create_dir(etc.path().join(dir)).unwrap();
        }
        fs::write(etc.path().join("ufw/ufw.conf"), "# on\nENABLED=yes\n").unwrap();
        fs::write(etc.path().join("default/ufw"), "DEFAULT_INPUT_POLICY=\"DROP\"\n").unwrap();
        fs::write(etc.path().join("ufw/user.rules"), rules).unwrap();
        judge(&settings("meet.example.org"), &look_in(etc.path()))
    }

    #[test]
    fn o10_what_ufw_stops_is_told_with_the_commands_that_let_it_in() {
        assert_eq!(judged(ALL).outcome, Outcome::Good);
        let without = |port: &str| {
            let found = judged(&ALL.lines().filter(|line| !line.contains(port)).collect::<Vec<_>>().join("\n"));
            assert_eq!(found.outcome, Outcome::Bad);
            found.mend.unwrap()
        };
        assert_eq!(without("8443"), "sudo ufw allow 8443/tcp");
        assert_eq!(without(" any 3478"), "sudo ufw allow 3478/udp && sudo ufw allow 3478/tcp");
        assert_eq!(without("40000"), "sudo ufw allow 49152:65535/udp");
    }

    #[test]
    fn o10_rules_for_some_people_only_let_nobody_else_in() {
        for line in [
            "### tuple ### allow tcp 8443 0.0.0.0/0 any 192.168.0.0/16 in",
            "### tuple ### allow tcp 8443 192.168.1.5 any 0.0.0.0/0 in",
            "### tuple ### deny tcp 8443 0.0.0.0/0 any 0.0.0.0/0 in",
            "### tuple ### allow tcp 8443 0.0.0.0/0 any 0.0.0.0/0 out",
            "### tuple ### allow tcp",
        ] {
            assert_eq!(rule(line), None, "{line}");
        }
    }

    #[test]
    fn o10_a_firewall_that_is_off_stops_nothing() {
        assert_eq!(look_in(tempfile::tempdir().unwrap().path()), Facts::Open);
        assert_eq!(judge(&settings("meet.example.org"), &Facts::Open).outcome, Outcome::Good);
        assert_eq!(judge(&settings("meet.example.org"), &Facts::Unreadable).outcome, Outcome::Skipped);
    }
}
