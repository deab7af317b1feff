//! The names and addresses that a certificate is good for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustls::pki_types::ServerName;

use crate::interfaces;

/// Names and addresses under which the server is reached: valid ones, in lower case, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

/// Whether one of the names or addresses of a certificate stands for `wanted`. An asterisk takes the place of one label (RFC 9525 §6.3).
pub(super) fn stand_for(names: &[String], wanted: &str) -> bool {
    let stands = |name: &String| match name.strip_prefix("*.") {
        Some(parent) => wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(wanted),
    };
    names.iter().any(stands)
}

impl Names {
    /// No names yet.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// The loopback names, under which every server is reached.
    pub fn loopback() -> Self {
        Self(["localhost", "127.0.0.1", "::1"].into_iter().map(String::from).collect())
    }

    /// The loopback names, the host's name, and its IPv4 addresses.
    ///
    /// IPv6 addresses are left out: many change every day, and each change would make a new certificate that browsers ask about.
    pub fn of_this_machine() -> Self {
        let mut names = Self::loopback();
        if let Some(name) = host_name() {
            names.add(&name);
            names.add(&format!("{name}.local"));
        }
        for address in interface_addresses().into_iter().filter(|address| address.is_ipv4()) {
            names.add(&address.to_string());
        }
        names
    }

    /// Adds a name or an address. False when it is neither.
    pub fn add(&mut self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let valid = ServerName::try_from(name.as_str()).is_ok();
        if valid {
            self.0.insert(name);
        }
        valid
    }

    /// Whether every name of `other` is among these.
    pub fn cover(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn interface_addresses() -> Vec<IpAddr> {
    interfaces::addresses().unwrap_or_else(|error| {
        tracing::warn!(%error, "this machine's addresses can't be listed; the certificate goes without them");
        Vec::new()
    })
}

/// The first label of the host's name, where the system tells it by file.
pub(super) fn host_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname")).ok()?;
    text.trim().split('.').next().filter(|name| !name.is_empty()).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_one_label() {
        let stands = |name: &str| stand_for(&[name.to_owned()], "meet.club.net");
        assert!(stands("meet.club.net") && stands("*.club.net"));
        for other in ["club.net", "*.net", "*.meet.club.net", "*", "eet.club.net"] {
            assert!(!stands(other), "{other}");
        }
    }

    #[test]
    fn names_are_taken_in_lower_case_and_only_when_valid() {
        let mut names = Names::loopback();
        assert!(names.add("Meet.Example.ORG") && names.add("192.0.2.1") && names.add("2001:db8::1"));
        assert!(!names.add("") && !names.add("a b") && !names.add("https://a.org") && !names.add("[::1]"));
        assert!(names.iter().any(|name| name == "meet.example.org"));
        assert!(names.cover(&Names::loopback()) && !Names::loopback().cover(&names));
    }

    #[test]
    fn this_machine_is_reached_by_the_loopback_names_at_least() {
        assert!(Names::of_this_machine().cover(&Names::loopback()));
    }
}
