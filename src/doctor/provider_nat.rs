//! Whether the provider translates addresses for many customers at once (CGNAT, RFC 6598; DS-Lite, RFC 6333): a guess from the
//! addresses that are seen.

use super::Settings;
use super::finding::{Check, Finding};
use super::machine::Machine;
use super::{is_ds_lite, is_private, is_shared};
use crate::turn::Outside;

const MEND: &str = "ask the provider for a public IPv4 address of your own (sometimes called dual stack), or use Hearth by IPv6, or \
                    on a rented server";

pub(super) fn judge(settings: &Settings, machine: &Machine, seen: Outside) -> Finding {
    const CHECK: Check = Check::ProviderNat;
    let relay = settings.relay.as_ref();
    let own = relay.and_then(|relay| relay.ipv4).or_else(|| machine.ipv4().first().copied());
    let external = relay.and_then(|relay| relay.external);
    let seen = match seen {
        Outside::Known(address) => Some(address),
        Outside::Unasked | Outside::Unknown => None,
    };
    if let Some(shared) = [seen, external].into_iter().flatten().find(|address| is_shared(*address)) {
        let sentence = format!("The address outside, {shared}, is one that the provider shares among customers (CGNAT).");
        return Finding::warning(CHECK, format!("{sentence} Nobody can begin a connection to it."), MEND);
    }
    match own {
        Some(own) if is_ds_lite(own) => Finding::warning(
            CHECK,
            format!("The address {own} is that of a DS-Lite tunnel: by IPv4 nobody outside can begin a connection."),
            MEND,
        ),
        Some(own) if is_shared(own) && seen.or(external).is_none() => Finding::warning(
            CHECK,
            format!("The address {own} is one that providers share among customers (CGNAT): likely nobody outside gets here."),
            MEND,
        ),
        None if machine.global_ipv6().next().is_some() => {
            Finding::warning(CHECK, "This machine has IPv6 only; people who have IPv4 only can't get here.", MEND)
        }
        None => Finding::skipped(CHECK, "This machine has no address that others reach."),
        Some(own) if is_private(own) && seen.or(external).is_none() => {
            Finding::skipped(CHECK, "Whether the provider shares addresses can't be told from behind a router.")
        }
        Some(_) => Finding::good(CHECK, "Nothing speaks for a provider that shares addresses."),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::{machine, settings};
    use super::*;

    #[rstest]
    #[case(&["203.0.113.7"], None, Outcome::Good)]
    #[case(&["192.168.1.5"], Some("203.0.113.7"), Outcome::Good)]
    #[case(&["192.168.1.5"], None, Outcome::Skipped)]
    #[case(&["192.168.1.5"], Some("100.64.3.3"), Outcome::Warning)]
    #[case(&["100.99.1.2"], None, Outcome::Warning)]
    #[case(&["100.99.1.2"], Some("203.0.113.7"), Outcome::Good)]
    #[case(&["192.0.0.2"], None, Outcome::Warning)]
    #[case(&["2001:db8::7"], None, Outcome::Warning)]
    #[case(&[], None, Outcome::Skipped)]
    fn o10_shared_addresses_are_guessed(#[case] own: &[&str], #[case] seen: Option<&str>, #[case] outcome: Outcome) {
        let mut settings = settings("meet.example.org");
        settings.relay.as_mut().unwrap().ipv4 = None;
        let seen = seen.map_or(Outside::Unasked, |address| Outside::Known(address.parse().unwrap()));
        let found = judge(&settings, &machine(own), seen);
        assert_eq!(found.outcome, outcome, "{found:?}");
        assert_eq!(found.mend.is_some(), outcome == Outcome::Warning);
    }
}
