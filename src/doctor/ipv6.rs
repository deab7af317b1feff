//! Whether IPv6 is there and used. Many phones have little else.

use super::Settings;
use super::dns;
use super::finding::{Check, Finding};
use super::machine::Machine;

pub(super) fn judge(settings: &Settings, machine: &Machine, dns: &dns::Facts) -> Finding {
    const CHECK: Check = Check::Ipv6;
    let Some((name, _)) = &settings.public else {
        return Finding::skipped(CHECK, "Without a public name, people of the local network are expected, who need no IPv6.");
    };
    let Some(address) = machine.global_ipv6().next() else {
        return Finding::warning(
            CHECK,
            "This machine has no public IPv6 address; some phones have IPv6 alone and come by detours or not at all.",
            "switch IPv6 on in the router or at the provider; if there is none to be had, leave it",
        );
    };
    if !settings.https.iter().any(|at| at.is_ipv6()) {
        let sentence = format!("This machine has {address}, but HTTPS listens for IPv4 alone.");
        return Finding::warning(CHECK, sentence, format!("add \"[::]:{}\" to server.listen", settings.https_port()));
    }
    if let Some(relay) = settings.relay.as_ref().filter(|relay| relay.ipv6.is_none()) {
        let line = if relay.wants_ipv6 { format!("address_ipv6 = \"{address}\"") } else { String::from("ipv6 = true") };
        let sentence = format!("This machine has {address}, but the relay serves IPv4 alone.");
        return Finding::warning(CHECK, sentence, format!("write {line} into [relay]"));
    }
    match dns {
        dns::Facts::Found(found) if !found.iter().any(std::net::IpAddr::is_ipv6) => Finding::warning(
            CHECK,
            format!("This machine has {address}, but the name {name} leads to IPv4 alone."),
            format!("where the domain is kept, add an AAAA record for {name} that says {address}"),
        ),
        dns::Facts::Found(_) | dns::Facts::NoName | dns::Facts::Address(_) | dns::Facts::Failed(_) => {
            Finding::good(CHECK, format!("IPv6 is there and used ({address})."))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::{machine, settings};
    use super::*;

    const OWN: &[&str] = &["203.0.113.7", "2001:db8::7"];

    #[rstest]
    #[case(OWN, "[::]:8443", Some("2001:db8::7"), true, &["2001:db8::7"], Outcome::Good, "")]
    #[case(&["203.0.113.7", "fd00::1", "fe80::1"], "[::]:8443", None, true, &[], Outcome::Warning, "switch IPv6 on")]
    #[case(OWN, "0.0.0.0:8443", Some("2001:db8::7"), true, &["2001:db8::7"], Outcome::Warning, "add \"[::]:8443\"")]
    #[case(OWN, "[::]:8443", None, false, &["2001:db8::7"], Outcome::Warning, "write ipv6 = true into [relay]")]
    #[case(OWN, "[::]:8443", None, true, &["2001:db8::7"], Outcome::Warning, "address_ipv6 = \"2001:db8::7\"")]
    #[case(OWN, "[::]:8443", Some("2001:db8::7"), true, &["203.0.113.7"], Outcome::Warning, "AAAA record")]
    fn o10_ipv6_has_to_be_there_for_the_page_the_relay_and_the_name(
        #[case] own: &[&str],
        #[case] listen: &str,
        #[case] relay: Option<&str>,
        #[case] wanted: bool,
        #[case] found: &[&str],
        #[case] outcome: Outcome,
        #[case] mend: &str,
    ) {
        let mut settings = settings("meet.example.org");
        settings.https = vec![listen.parse().unwrap()];
        let served = settings.relay.as_mut().unwrap();
        (served.ipv6, served.wants_ipv6) = (relay.map(|address| address.parse().unwrap()), wanted);
        let dns = dns::Facts::Found(found.iter().map(|address| address.parse().unwrap()).collect());
        let found = judge(&settings, &machine(own), &dns);
        assert_eq!(found.outcome, outcome);
        assert!(found.mend.unwrap_or_default().contains(mend));
    }
}
