//! The server's own certificate authority, for networks that no public one vouches for, and the certificates that it signs.
//!
//! People trust the authority once, on each of their devices. So it outlives everything else: new names, new certificates and
//! clocks that are set wrong. Below `dir` lie `ca.pem` and `ca-key.pem`, and `cert.pem` and `key.pem` of the server itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::identity::{fingerprint, parse, timestamp};
use super::names::host_name;
use super::{Identity, Names, TlsError, acceptor, files};
use crate::clock::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the server's certificates are good.
const LIFETIME: Duration = DAY.saturating_mul(90);
/// A certificate is good before it was made, for devices whose clock is behind.
const BACKDATED: Duration = DAY;
/// Apple's devices take no certificate that is good for longer than 825 days, whoever signed it.
const LONGEST: Duration = DAY.saturating_mul(800);
/// How long the authority is good: some days less than ten years, so that a clock that jumps ahead by ten is seen to be wrong.
const CA_LIFETIME: Duration = DAY.saturating_mul(3640);
/// 2020-01-01: since when the authority is good, so that it is good everywhere even if it was made while the clock was ahead.
const CA_NOT_BEFORE: Timestamp = Timestamp::from_millis(1_577_836_800_000);
/// 2026-01-01: a clock that shows less is wrong, as it is on small computers that have none of their own.
const PAST: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// An authority that signs this server's certificates and no others.
#[derive(Debug)]
pub struct LocalCa {
    dir: PathBuf,
    authority: Authority,
    issuer: Issuer<'static, KeyPair>,
    not_before: Timestamp,
}

/// What devices are given of an authority so that they trust it: all but its key.
#[derive(Clone, Debug)]
pub struct Authority {
    /// What it is called in lists of those that a device trusts.
    pub name: String,
    /// Its own certificate (X.509, DER).
    pub certificate: CertificateDer<'static>,
    /// The last moment at which it is good.
    pub not_after: Timestamp,
}

impl Authority {
    /// The SHA-256 hash of its certificate as browsers show it: `AB:CD:…`, 32 pairs.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.certificate)
    }

    /// Its certificate as text (RFC 7468).
    pub fn pem(&self) -> String {
        let text = BASE64.encode(&self.certificate);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }
}

/// Why what is on disk is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("there is none yet")]
    Absent,
    #[error("other users of this machine may read its key")]
    Exposed,
    #[error("a file is damaged: {0}")]
    Damaged(String),
    #[error("it was not signed by this server's own authority")]
    OtherIssuer,
    #[error("it is not good for every name and address of this server")]
    OtherNames,
    /// It would serve, by another clock than the present one.
    #[error("by this machine's clock it is not valid")]
    OutOfTime(Identity),
    #[error("it expires soon")]
    Expiring,
}

impl Unusable {
    fn damaged(error: impl std::fmt::Display) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl LocalCa {
    /// The authority kept in `dir`, or a new one when there is none, or when it is damaged or open to others. Blocks on the disk.
    ///
    /// Whatever the clock says, it is not made anew: people would have to trust it anew.
    ///
    /// # Errors
    ///
    /// When a new one is needed and can't be made or written.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, TlsError> {
        match load_ca(dir) {
            Ok(ca) => {
                ca.warn_about_time(now);
                return Ok(ca);
            }
            Err(Unusable::Absent) => {}
            Err(reason) => {
                set_aside(dir, &["ca.pem", "ca-key.pem"]);
                tracing::warn!(
                    %reason,
                    "this server's own certificate authority can't be used and is made anew; everybody who trusted the old one has to \
                     remove it and trust the new one, as /trust tells. The old files lie beside it as ca.pem.unusable and \
                     ca-key.pem.unusable"
                );
            }
        }
        create_ca(dir, now)
    }

    /// The server's certificate for these names: the one on disk, or a new one when there is none, when other names are needed, when
    /// two thirds of its life are over, or when it is damaged, open to others or not ours. Blocks on the disk.
    ///
    /// One that can't be written serves all the same, until the next start.
    ///
    /// # Errors
    ///
    /// When a new one is needed and can't be made.
    pub fn identity(&self, names: &Names, now: Timestamp) -> Result<Identity, TlsError> {
        let mut span = (backdated(now), backdated(now).plus(LIFETIME));
        match self.load(names, now) {
            Ok(identity) => return Ok(identity),
            Err(Unusable::Absent) => {}
            Err(Unusable::OutOfTime(kept)) if !self.is_valid_at(now) => {
                tracing::warn!(
                    valid_from = %self.not_before, valid_to = %self.authority.not_after, %now,
                    "this machine's clock must be wrong; the certificate serves on as it is"
                );
                return Ok(kept);
            }
            Err(Unusable::OutOfTime(kept)) => {
                tracing::warn!(
                    valid_from = %kept.not_before(), valid_to = %kept.not_after(), %now,
                    "by this machine's clock the certificate is not valid; it is made anew"
                );
                span = spanning(span, &kept);
            }
            Err(reason @ (Unusable::OtherNames | Unusable::Expiring | Unusable::OtherIssuer)) => {
                tracing::info!(%reason, "the server's certificate is made anew; those who trust its authority need do nothing");
            }
            Err(reason @ (Unusable::Exposed | Unusable::Damaged(_))) => {
                tracing::warn!(
                    %reason,
                    "the server's certificate can't be used and is made anew; those who trust its authority need do nothing"
                );
            }
        }
        self.create(names, span)
    }

    /// What devices that are to trust this authority are given.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.authority.not_after
    }

    fn warn_about_time(&self, now: Timestamp) {
        if now < self.not_before {
            tracing::warn!(%now, "this machine's clock is far behind; certificates are not renewed before it is set");
        } else if now.plus(DAY.saturating_mul(365)) > self.authority.not_after {
            tracing::warn!(
                ends = %self.authority.not_after,
                "this server's own certificate authority ends within a year, if this machine's clock is right. For a new one, which \
                 everybody has to trust anew, remove tls/ca.pem and tls/ca-key.pem from the data directory and start again"
            );
        }
    }

    fn load(&self, names: &Names, now: Timestamp) -> Result<Identity, Unusable> {
        let (certificate, key) = (self.dir.join("cert.pem"), self.dir.join("key.pem"));
        if !certificate.exists() && !key.exists() {
            return Err(Unusable::Absent);
        }
        if files::is_open_to_others(&key).map_err(Unusable::damaged)? {
            return Err(Unusable::Exposed);
        }
        let chain = fs::read(&certificate).map_err(Unusable::damaged)?;
        let key = fs::read(&key).map_err(Unusable::damaged)?;
        let identity = Identity::from_pem(&chain, &key).map_err(Unusable::damaged)?;
        if !self.has_signed(&identity) {
            return Err(Unusable::OtherIssuer);
        }
        if !names.iter().all(|name| identity.is_good_for(name)) {
            return Err(Unusable::OtherNames);
        }
        if !identity.is_valid_at(now) {
            return Err(Unusable::OutOfTime(identity));
        }
        if identity.renews_at() <= now { Err(Unusable::Expiring) } else { Ok(identity) }
    }

    /// Whether a client that trusts this authority would take the certificate, at some time of its life.
    fn has_signed(&self, identity: &Identity) -> bool {
        let mut roots = RootCertStore::empty();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(identity.not_before().as_secs()));
        let algorithms = acceptor::provider().signature_verification_algorithms;
        roots.add(self.authority.certificate.clone()).is_ok()
            && ParsedCertificate::try_from(identity.certificate()).is_ok_and(|certificate| {
                verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &[], time, algorithms.all).is_ok()
            })
    }

    fn create(&self, names: &Names, span: (Timestamp, Timestamp)) -> Result<Identity, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = server_parameters(names, span)?.signed_by(&key, &self.issuer)?;
        // The authority goes along, so that whoever looks at an untrusted connection can compare its fingerprint.
        let chain = vec![certificate.der().clone(), self.authority.certificate.clone()];
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes a key as PKCS #8");
        let identity = Identity::from_der(chain, private)?;
        let text = format!("{}{}", certificate.pem(), self.authority.pem());
        if let Err(error) = self.keep(&text, &key.serialize_pem()) {
            tracing::warn!(%error, "the new certificate can't be kept on the disk; the next start makes another");
        }
        Ok(identity)
    }

    fn keep(&self, chain: &str, key: &str) -> Result<(), TlsError> {
        files::make_private_dir(&self.dir)?;
        files::write_private(&self.dir.join("key.pem"), key.as_bytes())?;
        files::write_private(&self.dir.join("cert.pem"), chain.as_bytes())?;
        // Earlier versions kept a note beside the certificate. Nobody misses it, and nothing depends on its being gone.
        let _ = fs::remove_file(self.dir.join("meta.json"));
        Ok(())
    }
}

/// A life that holds both what the present clock and what an earlier one took for now, as far as a certificate's life may reach:
/// one of the two clocks is wrong, and clients may go by either.
fn spanning(now: (Timestamp, Timestamp), kept: &Identity) -> (Timestamp, Timestamp) {
    let both = (now.0.min(kept.not_before()), now.1.max(kept.not_after()));
    if both.1.since(both.0) <= LONGEST { both } else { now }
}

fn load_ca(dir: &Path) -> Result<LocalCa, Unusable> {
    let (certificate, key) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    if !certificate.exists() && !key.exists() {
        return Err(Unusable::Absent);
    }
    if files::is_open_to_others(&key).map_err(Unusable::damaged)? {
        return Err(Unusable::Exposed);
    }
    let certificate = CertificateDer::from_pem_file(certificate).map_err(Unusable::damaged)?;
    let key = fs::read_to_string(key).map_err(Unusable::damaged)?;
    let key = KeyPair::from_pem(&key).map_err(Unusable::damaged)?;
    joined(dir, certificate, key)
}

/// The authority out of its certificate and key, which must belong together.
fn joined(dir: &Path, certificate: CertificateDer<'static>, key: KeyPair) -> Result<LocalCa, Unusable> {
    let (name, not_before, not_after) = {
        let parsed = parse(&certificate).map_err(Unusable::damaged)?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(Unusable::damaged("ca-key.pem is the key of another certificate"));
        }
        if !parsed.is_ca() {
            return Err(Unusable::damaged("ca.pem may not sign certificates"));
        }
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or("Hearth");
        let validity = parsed.validity();
        (name.to_owned(), timestamp(validity.not_before.timestamp()), timestamp(validity.not_after.timestamp()))
    };
    let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(Unusable::damaged)?;
    Ok(LocalCa { dir: dir.to_owned(), authority: Authority { name, certificate, not_after }, issuer, not_before })
}

fn create_ca(dir: &Path, now: Timestamp) -> Result<LocalCa, TlsError> {
    let key = KeyPair::generate()?;
    let certificate = ca_parameters(&ca_name(&key), now).self_signed(&key)?;
    files::make_private_dir(dir)?;
    files::write_private(&dir.join("ca-key.pem"), key.serialize_pem().as_bytes())?;
    files::write_private(&dir.join("ca.pem"), certificate.pem().as_bytes())?;
    Ok(joined(dir, certificate.der().clone(), key).expect("an authority that was just made can be read"))
}

/// What people find it by in long lists. Part of the key's hash tells it from an earlier one of the same machine, for programs too.
fn ca_name(key: &KeyPair) -> String {
    let host: String =
        host_name().unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    let hash: String = Sha256::digest(key.der_bytes()).iter().take(3).map(|byte| format!("{byte:02X}")).collect();
    if host.is_empty() { format!("Hearth ({hash})") } else { format!("Hearth at {host} ({hash})") }
}

/// ECDSA on P-256; may sign servers' certificates, and no other authorities.
///
/// There are no name constraints: the addresses of a home change, and those who trust the authority must not have to do so again.
fn ca_parameters(name: &str, now: Timestamp) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.not_before = calendar(CA_NOT_BEFORE);
    parameters.not_after = calendar(now.max(PAST).plus(CA_LIFETIME));
    parameters
}

/// ECDSA on P-256, for TLS servers only; not good for signing other certificates.
fn server_parameters(names: &Names, span: (Timestamp, Timestamp)) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names.iter().map(String::from).collect::<Vec<_>>())?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "Hearth");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.not_before = calendar(span.0);
    parameters.not_after = calendar(span.1);
    Ok(parameters)
}

/// In whole seconds, as X.509 counts.
fn backdated(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_secs().saturating_sub(BACKDATED.as_secs()) * 1000)
}

fn calendar(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    // A clock beyond the year 9999 is wrong whatever the certificate says.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Keeps what can't be used, for whoever can mend it or wants to know what became of it.
fn set_aside(dir: &Path, names: &[&str]) {
    for name in names {
        let path = dir.join(name);
        if let Err(error) = fs::rename(&path, dir.join(format!("{name}.unusable"))) {
            tracing::debug!(path = %path.display(), %error, "there was nothing to set aside");
        }
    }
}

#[cfg(test)]
mod tests;
