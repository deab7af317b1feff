//! The sockets of the page, and the address under which people find it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};

use crate::http::Listener;
use crate::lifecycle::sockets::Passed;
use crate::turn;

/// Those below are for programs with a privilege.
const FIRST_FREE_PORT: u16 = 1024;

/// Takes those of `passed` and binds the others; `key` is the setting to change where one can't be had.
pub(super) fn bind_all(addresses: &[SocketAddr], key: &str, passed: &mut Passed) -> Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        match passed.stream_at(address).map_or_else(|| Listener::bind(address), Listener::of) {
            Ok(listener) => listeners.push(listener),
            Err(error) if address.is_ipv6() && addresses.len() > 1 && turn::is_without_family(&error) => {
                tracing::debug!(%address, "this machine has no IPv6; passed over");
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                bail!("another program listens on {address}; stop it, or choose another address with {key}")
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && address.port() < FIRST_FREE_PORT => bail!(
                "this user may not listen on {address}: start it by systemd with hearth.socket (if that has failed, one of \
                 its ports is taken: systemctl status hearth.socket tells which), give it the capability \
                 CAP_NET_BIND_SERVICE, or choose a port from 1024 on with {key}"
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("{address} can't be listened on; check {key}"));
            }
        }
    }
    Ok(listeners)
}

/// The address of this machine that people are told where none is configured.
pub(super) fn own_address(bound: &[SocketAddr]) -> String {
    let local = |address: &SocketAddr| address.ip().is_unspecified() || address.ip().is_loopback();
    match bound.first() {
        Some(address) => {
            let host = if local(address) { String::from("localhost") } else { host_of(address.ip()) };
            // As browsers write it.
            if address.port() == 443 { format!("https://{host}") } else { format!("https://{host}:{}", address.port()) }
        }
        None => String::from("https://localhost"),
    }
}

fn host_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
