//! Whether the public name leads to this machine.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::finding::{Check, Finding};
use super::machine::{Machine, as_ipv4};
use super::{Settings, is_private};

/// How long a name server may think.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the public name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    /// There is none.
    NoName,
    /// It is an address itself.
    Address(IpAddr),
    /// To these, or nowhere.
    Found(Vec<IpAddr>),
    /// Nobody could say.
    Failed(String),
}

impl Facts {
    pub(super) fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Found(addresses) => addresses,
            Self::Address(address) => std::slice::from_ref(address),
            Self::NoName | Self::Failed(_) => &[],
        }
    }

    /// The IPv4 address of the internet that it leads to.
    pub(super) fn public_ipv4(&self) -> Option<Ipv4Addr> {
        self.addresses().iter().filter_map(|address| as_ipv4(*address)).find(|address| !is_private(*address))
    }
}

pub(super) async fn look_up(settings: &Settings) -> Facts {
    let Some((name, port)) = &settings.public else { return Facts::NoName };
    if let Ok(address) = name.parse() {
        return Facts::Address(address);
    }
    match timeout(PATIENCE, lookup_host((name.as_str(), *port))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            Facts::Found(addresses)
        }
        Ok(Err(error)) => Facts::Failed(error.to_string()),
        Err(_) => Facts::Failed(String::from("the name server does not answer")),
    }
}

/// `outside` is the address of this machine outside, where somebody else than the name itself tells it.
pub(super) fn judge(settings: &Settings, machine: &Machine, outside: Option<Ipv4Addr>, facts: &Facts) -> Finding {
    const CHECK: Check = Check::Dns;
    let name = settings.public.as_ref().map_or("", |(name, _)| name.as_str());
    let ours = outside.map(IpAddr::V4);
    let should = ours.or_else(|| machine.ipv4().first().map(|address| IpAddr::V4(*address)));
    let record = |should: Option<IpAddr>| match should {
        Some(address) => format!("where the domain is kept, let the A record of {name} say {address}"),
        None => format!("where the domain is kept, let the A record of {name} say this machine's address"),
    };
    let found = match facts {
        Facts::NoName => return Finding::skipped(CHECK, "No public name is configured (server.public_url)."),
        Facts::Failed(error) => {
            return Finding::bad(CHECK, format!("The name {name} leads nowhere ({error})."), record(should));
        }
        Facts::Found(found) if found.is_empty() => {
            return Finding::bad(CHECK, format!("The name {name} leads nowhere."), record(should));
        }
        Facts::Found(_) | Facts::Address(_) => facts.addresses(),
    };
    let is_ours = |address: &&IpAddr| machine.has(**address) || ours == Some(**address);
    if name != "localhost" && found.iter().all(IpAddr::is_loopback) && !matches!(facts, Facts::Address(_)) {
        return Finding::warning(
            CHECK,
            format!("Here the name {name} leads to {}, this machine alone, so what others find can't be told.", list(found)),
            format!("take the line with {name} out of /etc/hosts, and run this again"),
        );
    }
    let wrong: Vec<IpAddr> = found.iter().filter(|address| !is_ours(address)).copied().collect();
    if wrong.is_empty() {
        return Finding::good(CHECK, format!("The name {name} leads here ({}).", list(found)));
    }
    judge_wrong(settings, machine, ours, facts, &wrong)
}

/// Some of what the name leads to is not this machine's.
fn judge_wrong(settings: &Settings, machine: &Machine, ours: Option<IpAddr>, facts: &Facts, wrong: &[IpAddr]) -> Finding {
    let name = settings.public.as_ref().map_or("", |(name, _)| name.as_str());
    let own = machine.ipv4();
    let has_public = own.first().is_some_and(|address| !is_private(*address));
    if wrong.iter().all(IpAddr::is_ipv6) {
        let mend = match machine.global_ipv6().next() {
            Some(address) => format!("where the domain is kept, let the AAAA record of {name} say {address}"),
            None => format!("where the domain is kept, take the AAAA record of {name} away"),
        };
        let sentence = format!("For IPv6 the name {name} leads to {}, which is not this machine.", list(wrong));
        return Finding::bad(Check::Dns, sentence, mend);
    }
    if ours.is_none() && !has_public && facts.public_ipv4().is_some() {
        return Finding::warning(
            Check::Dns,
            format!(
                "The name {name} leads to {}; whether that is the router of this network can't be told from here.",
                list(wrong)
            ),
            "make the outside test on the page Administration, Doctor; or name a STUN server in ice.servers and run this again",
        );
    }
    let should = ours.or_else(|| own.first().map(|address| IpAddr::V4(*address)));
    let here = should.map(|address| format!(" ({address})")).unwrap_or_default();
    let mend = match should {
        Some(address) => format!("where the domain is kept, let the A record of {name} say {address}"),
        None => format!("where the domain is kept, let the A record of {name} say this machine's address"),
    };
    Finding::bad(Check::Dns, format!("The name {name} leads to {}, which is not this machine{here}.", list(wrong)), mend)
}

pub(super) fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
