//! The certificate that the server shows, out of what the configuration says.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::clock::Now;
use crate::config::{Config, TlsMode};
use crate::http::{Listener, Plain, Target};
use crate::tls::{AcmeSettings, Authority, ExternalAccount, Keeper, KeeperSettings, LocalCa, Names, Wanted, roots_from_file};

/// The keeper of the certificate, and the authority of this server's own, which devices may trust.
pub(super) fn keeper(config: &Config, data_dir: &Path, now: Now) -> Result<(Keeper, Authority)> {
    let dir = data_dir.join("tls");
    let ca = LocalCa::open(&dir, now.wall)?;
    let authority = ca.authority().clone();
    let host = config.server.public_url.as_ref().map(|url| url.host().to_owned());
    let names = {
        let host = host.clone();
        Box::new(move || {
            let mut names = Names::of_this_machine();
            if let Some(host) = &host {
                names.add(host);
            }
            names
        })
    };
    let settings = KeeperSettings { dir, wanted: wanted(config)?, host, names };
    Ok((Keeper::open(settings, ca, now)?, authority))
}

/// What is answered over plain HTTP: `address` is that of the page, `port` the one it is served on.
pub(super) fn plain(config: &Config, keeper: &Keeper, address: &str, https: &[Listener]) -> Plain {
    let port = https.first().and_then(|listener| listener.local_addr().ok()).map_or(443, |address| address.port());
    let target = match &config.server.public_url {
        Some(url) => Target::Origin(url.origin().into()),
        None => Target::OwnName { port, otherwise: address.into() },
    };
    Plain { challenges: keeper.challenges(), certificate: keeper.watch(), target }
}

fn wanted(config: &Config) -> Result<Wanted> {
    let tls = &config.tls;
    match (tls.chosen(&config.server), &tls.certificate_file, &tls.key_file, &config.server.public_url) {
        (TlsMode::Files, Some(certificate), Some(key), _) => {
            Ok(Wanted::Files { certificate: certificate.clone(), key: key.clone() })
        }
        (TlsMode::Acme, _, _, Some(url)) => Ok(Wanted::Acme(Box::new(acme(config, url.host())?))),
        (TlsMode::Auto | TlsMode::Acme | TlsMode::Local | TlsMode::Files, _, _, _) => Ok(Wanted::Local),
    }
}

fn acme(config: &Config, host: &str) -> Result<AcmeSettings> {
    let tls = &config.tls;
    let key = tls.eab_key().context("the account with the certificate authority is missing")?;
    let roots = tls.acme_root_file.as_deref().map(roots_from_file).transpose();
    Ok(AcmeSettings {
        directory: tls.acme_directory.as_str().to_owned(),
        name: host.to_owned(),
        contact: tls.acme_contact.clone(),
        profile: tls.acme_profile.clone(),
        external_account: key.zip(tls.acme_eab_key_id.clone()).map(|(key, key_id)| ExternalAccount { key_id, key }),
        roots: roots.map_err(|error| anyhow!("tls.acme_root_file can't be used: {error}"))?,
        by_http: !config.server.listen_http.is_empty(),
        retry: Duration::from_secs(tls.acme_retry_seconds.into()),
    })
}
