//! What the tables of the checks begin with, and the table of names.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use rstest::rstest;

use super::*;

/// A server behind `https://NAME` that listens everywhere and is well.
pub(super) fn settings(name: &str) -> Settings {
    let everywhere = |port: u16| vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0_u16; 8], port))];
    Settings {
        public: Some((name.to_owned(), 443)),
        of_the_internet: true,
        https: everywhere(8443),
        http: Vec::new(),
        data_dir: PathBuf::from("/var/lib/hearth"),
        relay: Some(RelaySettings {
            listen: everywhere(3478),
            listen_tls: everywhere(5349),
            ipv4: Some(Ipv4Addr::new(192, 168, 1, 5)),
            ipv6: None,
            wants_ipv6: true,
            external: None,
            ports: 49_152..=65_535,
            test: Err(NoKey::NotMade),
        }),
        stun_servers: Vec::new(),
        inside: false,
        missing: Vec::new(),
    }
}

/// A machine with these addresses, and loopback.
pub(super) fn machine(addresses: &[&str]) -> Machine {
    let addresses = ["127.0.0.1", "::1"].iter().chain(addresses).map(|address| address.parse().unwrap()).collect();
    Machine { addresses, trouble: None }
}

const LAN: &[&str] = &["192.168.1.5"];
const VPS: &[&str] = &["203.0.113.7", "2001:db8::7"];

#[rstest]
#[case(VPS, None, &["203.0.113.7"], Outcome::Good, "")]
#[case(VPS, None, &["203.0.113.7", "2001:db8::7"], Outcome::Good, "")]
#[case(LAN, Some("203.0.113.7"), &["203.0.113.7"], Outcome::Good, "")]
#[case(LAN, None, &["192.168.1.5"], Outcome::Good, "")]
#[case(LAN, None, &["203.0.113.7"], Outcome::Warning, "outside test")]
#[case(VPS, None, &["127.0.1.1"], Outcome::Warning, "/etc/hosts")]
#[case(VPS, None, &["198.51.100.9"], Outcome::Bad, "let the A record of meet.example.org say 203.0.113.7")]
#[case(VPS, None, &["203.0.113.7", "198.51.100.9"], Outcome::Bad, "say 203.0.113.7")]
#[case(LAN, Some("203.0.113.7"), &["198.51.100.9"], Outcome::Bad, "say 203.0.113.7")]
#[case(VPS, None, &["203.0.113.7", "2001:db8::9"], Outcome::Bad, "let the AAAA record of meet.example.org say 2001:db8::7")]
#[case(LAN, Some("203.0.113.7"), &["203.0.113.7", "2001:db8::9"], Outcome::Bad, "take the AAAA record of meet.example.org away")]
#[case(VPS, None, &[], Outcome::Bad, "say 203.0.113.7")]
fn o10_the_public_name_has_to_lead_here(
    #[case] own: &[&str],
    #[case] outside: Option<&str>,
    #[case] found: &[&str],
    #[case] outcome: Outcome,
    #[case] mend: &str,
) {
    let facts = dns::Facts::Found(found.iter().map(|address| address.parse().unwrap()).collect());
    let outside = outside.map(|address| address.parse().unwrap());
    let found = dns::judge(&settings("meet.example.org"), &machine(own), outside, &facts);
    assert_eq!(found.outcome, outcome, "{found:?}");
    assert!(found.mend.unwrap_or_default().contains(mend));
}

#[test]
fn o10_a_name_that_is_an_address_or_missing_needs_no_name_server() {
    let own: IpAddr = "203.0.113.7".parse().unwrap();
    let judged = |facts| dns::judge(&settings("203.0.113.7"), &machine(VPS), None, &facts).outcome;
    assert_eq!(judged(dns::Facts::Address(own)), Outcome::Good);
    assert_eq!(judged(dns::Facts::Address("198.51.100.9".parse().unwrap())), Outcome::Bad);
    assert_eq!(judged(dns::Facts::NoName), Outcome::Skipped);
    assert_eq!(judged(dns::Facts::Failed(String::from("no such name"))), Outcome::Bad);
}

#[test]
fn o10_addresses_that_can_not_be_listed_are_told_with_the_line_for_the_unit() {
    let found = Machine { addresses: Vec::new(), trouble: Some(String::from("not supported")) }.judge();
    assert_eq!(found.outcome, Outcome::Bad);
    assert!(found.mend.unwrap().contains("AF_NETLINK"));
    assert_eq!(machine(LAN).judge().outcome, Outcome::Good);
}
