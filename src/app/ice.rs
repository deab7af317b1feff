//! What the configuration says about servers of others, as [`signaling`](crate::signaling) takes it.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::config::{self, Ice, IceAccess, IceServer, IceUrl, Problem, Scheme};
use crate::signaling::{Access, OtherServer};
use crate::turn::credentials::SharedSecret;
use crate::turn::{self, RelayAddresses, StunServer};

/// The servers to hand out beside or instead of our own, their secrets read.
pub(super) fn others(config: &Ice) -> Result<Vec<OtherServer>, Problem> {
    config.servers.0.iter().map(other).collect()
}

/// The STUN servers of others, of which one can ask for one's own address.
pub(super) fn stun_servers(config: &Ice) -> Vec<StunServer> {
    let urls = config.servers.0.iter().flat_map(|server| &server.urls).filter(|url| url.scheme == Scheme::Stun);
    let host = |url: &IceUrl| url.host.trim_matches(['[', ']']).to_owned();
    urls.map(|url| StunServer { host: host(url), port: url.port }).collect()
}

/// The addresses to relay at: those of the configuration, and those of this machine where it names none.
pub(super) fn relay_addresses(config: &config::Relay) -> RelayAddresses {
    let ipv4 = config.address.or_else(|| turn::default_relay_ipv4(&config.listen));
    (ipv4, config.address_ipv6.or_else(|| turn::default_relay_ipv6().filter(|_| config.ipv6)))
}

/// The secret from which other software may make credentials for our own relay.
pub(super) fn shared_secret(config: &config::Relay) -> Result<Option<SharedSecret>> {
    let secret = config.shared_secret().context("the secret that other software shares with the relay is missing")?;
    Ok(secret.map(|secret| SharedSecret::new(&secret)))
}

fn other(server: &IceServer) -> Result<OtherServer, Problem> {
    let access = match &server.access {
        IceAccess::Open => Access::Open,
        IceAccess::Password { username, password } => {
            Access::Password { username: username.clone(), password: password.reveal()? }
        }
        IceAccess::SharedSecret { secret, ttl_seconds } => {
            Access::SharedSecret { secret: SharedSecret::new(&secret.reveal()?), ttl: Duration::from_secs((*ttl_seconds).into()) }
        }
    };
    Ok(OtherServer { urls: server.urls.iter().map(ToString::to_string).collect(), access })
}
