//! The doors of the page: its listeners, and the certificate that is shown there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use rustls::ServerConfig;

use super::listeners::{Addresses, bind_all, bind_spare};
use super::settings::Settings;
use crate::authority::HTTPS_PORT;
use crate::clock::Now;
use crate::config::Config;
use crate::http::{Listener, Neighbour, Places, Plain};
use crate::lifecycle::sockets::Passed;
use crate::lifecycle::{Live, Tasks};
use crate::tls::{Authority, CertificateWatch, Keeper, LocalCa, Names, Wishes};

/// Everything that a browser meets before the page, bound and not yet serving.
pub(super) struct Front {
    https: Vec<Listener>,
    http: Vec<Listener>,
    plain: Plain,
    keeper: Keeper,
    /// What handshakes are held with, the relay's as well.
    pub tls: Arc<ServerConfig>,
    /// This server's own authority, which devices may trust.
    pub authority: Authority,
    /// Where people find this server.
    pub addresses: Addresses,
    /// The origin that is configured at present.
    pub public_origin: Live<Option<String>>,
}

impl Front {
    /// Binds the sockets, but those that were passed, and opens the certificate.
    ///
    /// # Errors
    /// When a socket or the certificate can't be had; each with its mend.
    pub(super) fn open(config: &Config, settings: &Settings, passed: &mut Passed) -> Result<Self> {
        let https = bind_all(&config.server.listen, "--listen or server.listen", passed)?;
        let http = bind_spare(&config.server.listen_http, "server.listen_http", passed)?;
        let bound = local_addrs(&https)?;
        let public_origin = Live::new(settings.public_origin.clone());
        let addresses = Addresses::of(public_origin.clone(), &bound);

        let (dir, now) = (config.server.data_dir.join("tls"), Now::read());
        let ca = LocalCa::open(&dir, now.wall)?;
        let authority = ca.authority().clone();
        // An authority comes by plain HTTP only where there really is somebody to answer.
        let keeper =
            Keeper::open(&dir, !http.is_empty(), settings.certificate.clone(), Arc::new(Names::of_this_machine), ca, now)?;
        let plain = Plain {
            challenges: keeper.challenges(),
            certificate: keeper.watch(),
            public_origin: public_origin.clone(),
            port: bound.first().map_or(HTTPS_PORT, SocketAddr::port),
            otherwise: addresses.own().into(),
        };
        Ok(Self { https, http, plain, tls: keeper.server_config(), keeper, authority, addresses, public_origin })
    }

    /// Where HTTPS and plain HTTP answer.
    pub(super) fn bound(&self) -> io::Result<(Vec<SocketAddr>, Vec<SocketAddr>)> {
        Ok((local_addrs(&self.https)?, local_addrs(&self.http)?))
    }

    /// Tells how the certificate stands.
    pub(super) fn certificate(&self) -> CertificateWatch {
        self.keeper.watch()
    }

    /// Takes other wishes for the certificate.
    pub(super) fn wishes(&self) -> Wishes {
        self.keeper.wishes()
    }

    /// Serves until the program stops. `neighbour` takes those on who come to the HTTPS port because nothing else is open to them.
    pub(super) fn serve(self, router: &Router, neighbour: Option<&Arc<dyn Neighbour>>, places: &Places, tasks: &Tasks) {
        for listener in self.https {
            let (router, tls, neighbour) = (router.clone(), Arc::clone(&self.tls), neighbour.cloned());
            tasks.spawn(listener.serve(router, tls, neighbour, places.clone(), tasks.clone()));
        }
        for listener in self.http {
            tasks.spawn(self.plain.clone().serve(listener, places.clone(), tasks.clone()));
        }
        tasks.spawn(self.keeper.keep(tasks.clone()));
    }
}

fn local_addrs(listeners: &[Listener]) -> io::Result<Vec<SocketAddr>> {
    listeners.iter().map(Listener::local_addr).collect()
}
