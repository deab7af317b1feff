//! The relay inside this program, out of what the configuration says.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use super::ice;
use super::settings::Settings;
use crate::auth;
use crate::config::Config;
use crate::http::Neighbour;
use crate::lifecycle::Tasks;
use crate::lifecycle::sockets::Passed;
use crate::signaling::IceDirectory;
use crate::turn::credentials::CredentialIssuer;
use crate::turn::{self, Relay};

/// The realm of relay credentials. Short, because it is part of every challenge, and telling nothing about the site.
pub(super) const REALM: &str = "hearth";

/// Starts the relay, where it is wanted, and makes the list of servers that it begins.
pub(super) async fn start(
    config: &Config,
    settings: &Settings,
    tls: &Arc<ServerConfig>,
    passed: &mut Passed,
    tasks: &Tasks,
) -> Result<(Option<Relay>, IceDirectory)> {
    let (data_dir, stun_servers) = (&config.server.data_dir, ice::stun_servers(&config.ice));
    let config = &config.relay;
    if !config.enabled {
        return Ok((None, IceDirectory::empty()));
    }
    let secret = auth::load_or_create(&data_dir.join("keys").join("relay"))?;
    let credentials = CredentialIssuer::new(secret.clone(), settings.credential_ttl);
    let (relay_ipv4, relay_ipv6) = ice::relay_addresses(config);
    let settings = turn::Settings {
        listen: config.listen.clone(),
        tls: Some(turn::Tls { listen: config.listen_tls.clone(), config: Arc::clone(tls) }),
        relay_ipv4,
        relay_ipv6,
        external_ipv4: config.external_address,
        ports: config.ports.first..=config.ports.last,
        allow_peers: config.allow_peers.iter().map(|range| (range.address, range.prefix)).collect(),
        realm: REALM.to_owned(),
        secret,
        shared_secret: ice::shared_secret(config)?,
        limits: settings.relay.clone(),
        threads: config.threads.map(|threads| threads as usize),
    };
    let relay = Relay::start_on(settings, passed, tasks)
        .await
        .context("the relay can't listen; check relay.listen and relay.listen_tls, or set relay.enabled = false")?;
    let followed = config.clone();
    relay.follow(move || ice::relay_addresses(&followed), tasks);
    if config.self_test {
        relay.keep_testing(stun_servers, tasks);
    }
    let port = relay.local_addrs().first().map_or(3478, SocketAddr::port);
    Ok((Some(relay), IceDirectory::own_relay(port, credentials)))
}

impl Neighbour for Relay {
    fn alpn(&self) -> &[u8] {
        turn::ALPN
    }

    fn knows(&self, first: u8) -> bool {
        Self::knows(first)
    }

    fn take_over(&self, socket: TcpStream, connection: ServerConnection) {
        self.adopt(socket, connection);
    }
}
