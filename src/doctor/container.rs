//! Whether the program runs in a container that keeps its ports to itself.

use std::fs;
use std::path::Path;

use super::Settings;
use super::finding::{Check, Finding};
use super::is_private;
use super::machine::Machine;

/// Files that say what kind of container it is by being there.
const MARKERS: [(&str, &str); 2] = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
/// Words in the first process's control groups that say the same.
const GROUPS: [&str; 5] = ["docker", "libpod", "kubepods", "containerd", "lxc"];

/// The kind of container, if it is one.
pub(super) fn look() -> Option<&'static str> {
    let marked = MARKERS.iter().find(|(path, _)| Path::new(path).exists()).map(|(_, kind)| *kind);
    let groups = || fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    marked.or_else(|| GROUPS.into_iter().find(|kind| groups().contains(kind)))
}

pub(super) fn judge(settings: &Settings, machine: &Machine, kind: Option<&str>) -> Finding {
    const CHECK: Check = Check::Container;
    let Some(kind) = kind else { return Finding::good(CHECK, "No container stands between.") };
    let own = machine.ipv4();
    let Some(inner) = own.first().filter(|first| is_private(**first)) else {
        return Finding::good(CHECK, format!("The container ({kind}) uses the network of its host."));
    };
    let Some(relay) = &settings.relay else {
        return Finding::good(CHECK, format!("The container ({kind}) has a network of its own, and needs no relay ports."));
    };
    if relay.external.is_some() {
        return Finding::good(
            CHECK,
            format!("The container ({kind}) has a network of its own, and the relay tells the address outside."),
        );
    }
    let (https, port, range) = (settings.https_port(), relay.port(), relay.range());
    Finding::warning(
        CHECK,
        format!("The container ({kind}) has a network of its own ({inner}): a port that isn't published reaches nobody."),
        format!(
            "start it with --network host; or with -p {https}:{https} -p {port}:{port} -p {port}:{port}/udp -p {range}:{range}/udp \
             and relay.external_address"
        ),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::{machine, settings};
    use super::*;

    #[rstest]
    #[case(None, "172.17.0.2", None, Outcome::Good)]
    #[case(Some("docker"), "203.0.113.7", None, Outcome::Good)]
    #[case(Some("docker"), "172.17.0.2", None, Outcome::Warning)]
    #[case(Some("podman"), "10.88.0.4", Some("203.0.113.7"), Outcome::Good)]
    fn o10_a_container_with_a_network_of_its_own_has_to_publish_the_relays_ports(
        #[case] kind: Option<&str>,
        #[case] own: &str,
        #[case] external: Option<&str>,
        #[case] outcome: Outcome,
    ) {
        let mut settings = settings("meet.example.org");
        settings.relay.as_mut().unwrap().external = external.map(|address| address.parse().unwrap());
        let found = judge(&settings, &machine(&[own]), kind);
        assert_eq!(found.outcome, outcome);
        let published = found.mend.is_some_and(|mend| mend.contains("-p 49152-65535:49152-65535/udp"));
        assert_eq!(published, outcome == Outcome::Warning);
    }
}
