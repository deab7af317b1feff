//! Which certificate the server is to show, out of what the configuration says.

use std::time::Duration;

use anyhow::Result;

use crate::config::{Config, Problem, TlsMode};
use crate::tls::{AcmeSettings, ExternalAccount, Wanted, Wish, roots_from_file};

/// Which certificate the settings ask for.
///
/// # Errors
/// When a file that they name can't be read or is of no use.
pub(super) fn wish(config: &Config) -> Result<Wish, Problem> {
    let (tls, url) = (&config.tls, config.server.public_url.as_ref());
    let wanted = match (tls.chosen(&config.server), &tls.certificate_file, &tls.key_file, url) {
        (TlsMode::Files, Some(certificate), Some(key), _) => Wanted::Files { certificate: certificate.clone(), key: key.clone() },
        (TlsMode::Acme, _, _, Some(url)) => Wanted::Acme(Box::new(acme(config, url.host())?)),
        (TlsMode::Auto | TlsMode::Acme | TlsMode::Local | TlsMode::Files, _, _, _) => Wanted::Local,
    };
    Ok(Wish { wanted, host: url.map(|url| url.host().to_owned()) })
}

fn acme(config: &Config, host: &str) -> Result<AcmeSettings, Problem> {
    let tls = &config.tls;
    let roots = tls.acme_root_file.as_deref().map(roots_from_file).transpose().map_err(|error| {
        let mend = "name a file with the certificate of the authority's server, or leave the key out";
        Problem::new("tls.acme_root_file", error, mend)
    })?;
    Ok(AcmeSettings {
        directory: tls.acme_directory.as_str().to_owned(),
        name: host.to_owned(),
        contact: tls.acme_contact.clone(),
        profile: tls.acme_profile.clone(),
        external_account: tls.eab_key()?.zip(tls.acme_eab_key_id.clone()).map(|(key, key_id)| ExternalAccount { key_id, key }),
        roots,
        retry: Duration::from_secs(tls.acme_retry_seconds.into()),
    })
}
