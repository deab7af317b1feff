//! What whoever started the server needs to know.

use std::io::{self, Write};

use super::front::Front;
use super::listeners::Addresses;
use crate::config::{Config, Registration};
use crate::ids::Secret;
use crate::tls::Source;

/// It in lines for people and for programs: `name: value`.
pub(super) struct Announcement {
    /// Where browsers of this and other machines find the server.
    reached: Addresses,
    /// The fingerprint of its certificate.
    fingerprint: String,
    /// The fingerprint of its own authority, where that vouches for the certificate.
    authority: Option<String>,
    /// What makes the first admin, where there is none.
    setup_token: Option<Secret<String>>,
    /// Whether everybody may make an account.
    open_registration: bool,
}

impl Announcement {
    pub(super) fn of(config: &Config, front: &Front, setup_token: Option<Secret<String>>) -> Self {
        let certificate = front.certificate().status();
        Self {
            reached: front.addresses.clone(),
            authority: (certificate.source == Source::LocalCa).then(|| front.authority.fingerprint()),
            fingerprint: certificate.fingerprint,
            setup_token,
            open_registration: config.accounts.registration == Registration::Open,
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let address = self.reached.public();
        writeln!(out, "Hearth {} is ready.", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "address: {address}")?;
        writeln!(out, "fingerprint: {}", self.fingerprint)?;
        if let Some(authority) = &self.authority {
            writeln!(out, "authority: {authority}")?;
            writeln!(out, "trust: {}/trust", self.reached.all().first().unwrap_or(&address))?;
        }
        if let Some(token) = &self.setup_token {
            for link in self.reached.setup_links(token) {
                writeln!(out, "setup: {link}")?;
            }
            writeln!(
                out,
                "Open the setup link to make the first admin. It works once, within 24 hours; `hearth setup-link` makes another."
            )?;
        }
        if self.open_registration {
            writeln!(
                out,
                "Everybody who reaches this address may register. To change that, set accounts.registration = \"closed\"."
            )?;
        }
        writeln!(out, "Press Ctrl-C to stop.")?;
        out.flush()
    }
}
