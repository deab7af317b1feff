//! The sockets of the page, and the address under which people find it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::authority::{self, HTTPS_PORT};
use crate::http::Listener;
use crate::ids::Secret;
use crate::lifecycle::Live;
use crate::lifecycle::sockets::{self, Passed};
use crate::turn;

/// Those below are for programs with a privilege.
const FIRST_FREE_PORT: u16 = 1024;

/// Takes those of `passed` and binds the others; `key` is the setting to change where one can't be had.
pub(super) fn bind_all(addresses: &[SocketAddr], key: &str, passed: &mut Passed) -> Result<Vec<Listener>> {
    bind_each(addresses, key, passed, |address, error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            bail!("another program listens on {address}; stop it, or choose another address with {key}");
        }
        if error.kind() == io::ErrorKind::PermissionDenied && address.port() < FIRST_FREE_PORT {
            bail!(
                "this user may not listen on {address}: start it by systemd with hearth.socket (if that has failed, one of its ports \
                 is taken: systemctl status hearth.socket tells which), give it the capability CAP_NET_BIND_SERVICE, or choose a port \
                 from 1024 on with {key}"
            );
        }
        Err(error).with_context(|| format!("{address} can't be listened on; check {key}"))
    })
}

/// The same for something that the server can do without: what another program has is passed over, and told in the log.
pub(super) fn bind_spare(addresses: &[SocketAddr], key: &str, passed: &mut Passed) -> Result<Vec<Listener>> {
    bind_each(addresses, key, passed, |address, error| {
        if !sockets::is_taken(&error) {
            return Err(error).with_context(|| format!("{address} can't be listened on; check {key}"));
        }
        sockets::warn_of_taken(address, key, &error);
        Ok(())
    })
}

/// Binds as many as can be had. What `missed` makes of one that can't decides whether the others are of use.
fn bind_each(
    addresses: &[SocketAddr],
    key: &str,
    passed: &mut Passed,
    missed: impl Fn(SocketAddr, io::Error) -> Result<()>,
) -> Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        match passed.stream_at(address).map_or_else(|| Listener::bind(address), Listener::of) {
            Ok(listener) => listeners.push(listener),
            Err(error) if address.is_ipv6() && addresses.len() > 1 && turn::is_without_family(&error) => {
                tracing::info!(%address, key, "this machine has no IPv6; Hearth goes on without this address");
            }
            Err(error) => missed(address, error)?,
        }
    }
    Ok(listeners)
}

/// The addresses that were `wanted` for something and are not `bound`, each once.
pub(super) fn missing(wanted: &[SocketAddr], bound: &[SocketAddr]) -> Vec<SocketAddr> {
    // The system chooses another port in place of 0.
    wanted.iter().copied().filter(|address| address.port() != 0 && !bound.contains(address)).collect()
}

/// Where people find this server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// The origin that is configured at present.
    configured: Live<Option<String>>,
    /// Where HTTPS answers.
    bound: Arc<[SocketAddr]>,
}

impl Addresses {
    pub(super) fn of(configured: Live<Option<String>>, bound: &[SocketAddr]) -> Self {
        Self { configured, bound: bound.into() }
    }

    /// The address that people are told: the configured one, or this machine's own.
    pub(super) fn public(&self) -> String {
        (*self.configured.get()).clone().unwrap_or_else(|| self.own())
    }

    /// The address of this machine, whatever is configured.
    pub(super) fn own(&self) -> String {
        let local = |address: &SocketAddr| address.ip().is_unspecified() || address.ip().is_loopback();
        let first = self.bound.first().copied().unwrap_or_else(|| SocketAddr::from(([0; 4], HTTPS_PORT)));
        origin(if local(&first) { None } else { Some(first.ip()) }, first.port())
    }

    /// Every address by which a browser may get here: the configured one, which may be wrong or not lead here yet, those for other
    /// machines, and the one for this machine. Asked of the system each time.
    pub(super) fn all(&self) -> Vec<String> {
        let mut all: Vec<String> = (*self.configured.get()).clone().into_iter().collect();
        for bound in &*self.bound {
            all.extend(from_elsewhere(bound.ip()).map(|ip| origin(Some(ip), bound.port())));
        }
        let own = self.own();
        if !all.contains(&own) {
            all.push(own);
        }
        all
    }

    /// The link that makes the first admin, under each of them.
    pub(super) fn setup_links(&self, token: &Secret<String>) -> Vec<String> {
        self.all().iter().map(|address| format!("{address}/setup#{}", token.expose())).collect()
    }
}

/// The address at which other machines reach what listens at `bound`.
fn from_elsewhere(bound: IpAddr) -> Option<IpAddr> {
    match bound {
        bound if bound.is_loopback() => None,
        bound if !bound.is_unspecified() => Some(bound),
        // By the way that packets would take to the internet, which people's packets take back.
        IpAddr::V4(any) => turn::default_relay_ipv4(&[SocketAddr::from((any, 0))]).map(IpAddr::V4),
        IpAddr::V6(_) => turn::default_relay_ipv6().map(IpAddr::V6),
    }
}

/// As browsers write it.
fn origin(ip: Option<IpAddr>, port: u16) -> String {
    let host = ip.map_or_else(|| String::from("localhost"), |ip| ip.to_string());
    format!("https://{}", authority::written(&host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(configured: Option<&str>, bound: &[&str]) -> Vec<String> {
        let bound: Vec<_> = bound.iter().map(|at| at.parse().unwrap()).collect();
        Addresses::of(Live::new(configured.map(str::to_owned)), &bound).all()
    }

    #[test]
    fn people_are_told_addresses_that_lead_here() {
        assert_eq!(all(None, &["127.0.0.1:8443", "[::1]:8443"]), ["https://localhost:8443"]);
        assert_eq!(all(None, &["192.0.2.7:443"]), ["https://192.0.2.7"], "nothing answers at localhost there");
        assert_eq!(all(None, &["[2001:db8::7]:8443"]), ["https://[2001:db8::7]:8443"]);
        let everywhere = all(None, &["0.0.0.0:443"]);
        assert_eq!(everywhere.last().map(String::as_str), Some("https://localhost"));
        let named = all(Some("https://meet.hearth-club.net"), &["192.0.2.7:443"]);
        assert_eq!(named, ["https://meet.hearth-club.net", "https://192.0.2.7"], "a name may be misspelt, or lead nowhere yet");
    }
}
