//! The addresses of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::finding::{Check, Finding};
use super::is_private;
use crate::interfaces;

/// What this machine's interfaces say.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// Every address, loopback included; empty when they can't be listed.
    pub(super) addresses: Vec<IpAddr>,
    /// Why they can't be listed.
    pub(super) trouble: Option<String>,
}

impl Machine {
    pub(super) fn look() -> Self {
        match interfaces::addresses() {
            Ok(addresses) => Self { addresses, trouble: None },
            Err(error) => Self { addresses: Vec::new(), trouble: Some(error.to_string()) },
        }
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// IPv4 addresses that others may know, public ones first.
    pub(super) fn ipv4(&self) -> Vec<Ipv4Addr> {
        let others = |address: &Ipv4Addr| !address.is_loopback() && !address.is_link_local();
        let mut addresses: Vec<_> = self.addresses.iter().filter_map(|address| as_ipv4(*address)).filter(others).collect();
        addresses.sort_by_key(|address| is_private(*address));
        addresses
    }

    /// IPv6 addresses of the internet (2000::/3).
    pub(super) fn global_ipv6(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.addresses.iter().filter_map(|address| match address {
            IpAddr::V6(address) => (address.segments()[0] & 0xe000 == 0x2000).then_some(*address),
            IpAddr::V4(_) => None,
        })
    }

    /// The address to which a router has to send things.
    pub(super) fn inner(&self) -> IpAddr {
        self.ipv4().first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| IpAddr::V4(*address))
    }

    pub(super) fn judge(&self) -> Finding {
        match &self.trouble {
            None => Finding::good(Check::Interfaces, "The addresses of this machine can be listed."),
            Some(error) => Finding::bad(
                Check::Interfaces,
                format!(
                    "The addresses of this machine can't be listed ({error}), so the relay can't keep people away from them."
                ),
                "allow netlink in the unit: RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            ),
        }
    }
}

pub(super) const fn as_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
