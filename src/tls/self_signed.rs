//! The certificate that the server signs itself: `cert.pem`, `key.pem`, and `meta.json` with what the first is good for.
//!
//! The certificate is not parsed. What it says was written down when it was made, together with its hash, so that the note can't
//! be taken for that of another certificate.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Names, TlsError, acceptor, files};
use crate::clock::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// From the first to the last moment of validity.
const LIFETIME: Duration = DAY.saturating_mul(90);
/// A certificate is good before it was made, for browsers whose clock is behind.
const BACKDATED: Duration = DAY;
/// With less left than this a new one is made.
const RENEWED_AT: Duration = DAY.saturating_mul(30);

/// The server's certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    hash: [u8; 32],
    not_after: Timestamp,
}

/// `meta.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    /// The certificate's fingerprint.
    sha256: String,
    /// What the certificate is good for.
    names: Vec<String>,
    /// In milliseconds since 1970.
    not_before_ms: u64,
    /// In milliseconds since 1970.
    not_after_ms: u64,
}

/// Why the certificate on disk is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("there is none yet")]
    Absent,
    #[error("other users of this machine may read its key")]
    Exposed,
    #[error("a file is damaged: {0}")]
    Damaged(String),
    #[error("it is not good for every name and address of this server")]
    OtherNames,
    #[error("it is not valid yet; has the clock been set back?")]
    NotYetValid,
    #[error("it expires soon or has expired")]
    Expiring,
}

impl Unusable {
    fn damaged(error: impl std::fmt::Display) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Identity {
    /// The certificate kept in `dir`, or a new one when there is none, when it is damaged, open to others, nearly expired, or not
    /// good for all `names`. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When a new one is needed and can't be made or written.
    pub fn load_or_create(dir: &Path, names: &Names, now: Timestamp) -> Result<Self, TlsError> {
        match load(dir, names, now) {
            Ok(identity) => return Ok(identity),
            Err(Unusable::Absent) => {}
            Err(reason @ (Unusable::OtherNames | Unusable::Expiring)) => {
                tracing::info!(%reason, "the certificate is made anew; browsers will ask about it again");
            }
            Err(reason @ (Unusable::Exposed | Unusable::Damaged(_) | Unusable::NotYetValid)) => {
                tracing::warn!(%reason, "the certificate can't be used and is made anew; browsers will ask about it again");
            }
        }
        create(dir, names, now)
    }

    /// The certificate's SHA-256 hash as browsers show it: `AB:CD:…`, 32 pairs.
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<String> = self.hash.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// The last moment at which the certificate is good.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The certificate itself (X.509, DER), for clients that are to trust it.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.certified.cert.first().expect("an identity is made of exactly one certificate")
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    fn new(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
        not_after: Timestamp,
    ) -> Result<Self, rustls::Error> {
        let hash = Sha256::digest(&certificate).into();
        // Says so when the key is another certificate's.
        let certified = CertifiedKey::from_der(vec![certificate], key, &acceptor::provider())?;
        Ok(Self { certified: Arc::new(certified), hash, not_after })
    }
}

fn load(dir: &Path, names: &Names, now: Timestamp) -> Result<Identity, Unusable> {
    if !dir.join("cert.pem").exists() && !dir.join("key.pem").exists() {
        return Err(Unusable::Absent);
    }
    if files::is_open_to_others(&dir.join("key.pem")).map_err(Unusable::damaged)? {
        return Err(Unusable::Exposed);
    }
    let certificate = CertificateDer::from_pem_file(dir.join("cert.pem")).map_err(Unusable::damaged)?;
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).map_err(Unusable::damaged)?;
    let meta = fs::read(dir.join("meta.json")).map_err(Unusable::damaged)?;
    let meta: Meta = serde_json::from_slice(&meta).map_err(Unusable::damaged)?;
    let identity = Identity::new(certificate, key, Timestamp::from_millis(meta.not_after_ms)).map_err(Unusable::damaged)?;
    if meta.sha256 != identity.fingerprint() {
        return Err(Unusable::damaged("meta.json belongs to another certificate"));
    }
    let mut covered = Names::loopback();
    if !meta.names.iter().all(|name| covered.add(name)) {
        return Err(Unusable::damaged("meta.json names what is no name"));
    }
    if !covered.cover(names) {
        return Err(Unusable::OtherNames);
    }
    if now < Timestamp::from_millis(meta.not_before_ms) {
        return Err(Unusable::NotYetValid);
    }
    if identity.not_after.since(now) < RENEWED_AT { Err(Unusable::Expiring) } else { Ok(identity) }
}

fn create(dir: &Path, names: &Names, now: Timestamp) -> Result<Identity, TlsError> {
    // X.509 counts whole seconds, so the note about it does too.
    let not_before = Timestamp::from_millis(now.as_secs().saturating_sub(BACKDATED.as_secs()) * 1000);
    let not_after = not_before.plus(LIFETIME);
    let key = KeyPair::generate()?;
    let certificate = parameters(names, not_before, not_after)?.self_signed(&key)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes a key as PKCS #8");
    let identity = Identity::new(certificate.der().clone(), private, not_after)?;
    let meta = Meta {
        sha256: identity.fingerprint(),
        names: names.iter().map(String::from).collect(),
        not_before_ms: not_before.as_millis(),
        not_after_ms: not_after.as_millis(),
    };
    let meta = serde_json::to_vec_pretty(&meta).expect("text and numbers are always JSON");
    files::make_private_dir(dir)?;
    files::write_private(&dir.join("key.pem"), key.serialize_pem().as_bytes())?;
    files::write_private(&dir.join("cert.pem"), certificate.pem().as_bytes())?;
    files::write_private(&dir.join("meta.json"), &meta)?;
    Ok(identity)
}

/// ECDSA on P-256, for TLS servers only; not good for signing other certificates.
fn parameters(names: &Names, not_before: Timestamp, not_after: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names.iter().map(String::from).collect::<Vec<_>>())?;
    parameters.distinguished_name.push(DnType::CommonName, "Hearth, self-made certificate");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.not_before = calendar(not_before);
    parameters.not_after = calendar(not_after);
    Ok(parameters)
}

fn calendar(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    // A clock beyond the year 9999 is wrong whatever the certificate says.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(DAY.saturating_mul(u32::try_from(number).unwrap()))
    }

    fn load_or_create(dir: &Path, now: Timestamp) -> String {
        Identity::load_or_create(dir, &Names::loopback(), now).unwrap().fingerprint()
    }

    #[test]
    fn a_second_start_uses_the_same_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path(), day(0));
        assert_eq!(load_or_create(dir.path(), day(50)), first);
        assert_eq!(first.len(), 32 * 3 - 1);
        assert!(first.split(':').all(|pair| pair.len() == 2 && pair.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte))));
    }

    #[cfg(unix)]
    #[test]
    fn f1_only_this_user_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let tls = dir.path().join("data/tls");
        let first = load_or_create(&tls, day(0));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&tls), 0o700);
        assert_eq!(mode(&tls.join("key.pem")), 0o600);

        fs::set_permissions(tls.join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(load_or_create(&tls, day(0)), first, "a key that others could read is not used again");
        assert_eq!(mode(&tls.join("key.pem")), 0o600);
    }

    #[test]
    fn r28_a_damaged_or_missing_file_leads_to_a_new_certificate_and_never_to_an_error() {
        for file in ["cert.pem", "key.pem", "meta.json"] {
            for content in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA"), Some("{}")] {
                let dir = tempfile::tempdir().unwrap();
                let first = load_or_create(dir.path(), day(0));
                let path = dir.path().join(file);
                match content {
                    Some(content) => fs::write(&path, content).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                let second = load_or_create(dir.path(), day(0));
                assert_ne!(second, first, "{file} with {content:?} was taken for good");
                assert_eq!(load_or_create(dir.path(), day(0)), second, "the new one lasts");
            }
        }
    }

    #[test]
    fn files_of_two_certificates_are_not_mixed() {
        for file in ["cert.pem", "key.pem", "meta.json"] {
            let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let first = load_or_create(one.path(), day(0));
            let second = load_or_create(other.path(), day(0));
            fs::copy(other.path().join(file), one.path().join(file)).unwrap();
            let third = load_or_create(one.path(), day(0));
            assert!(third != first && third != second, "a foreign {file} was taken");
        }
    }

    #[test]
    fn a_certificate_is_made_anew_with_a_third_of_its_life_left() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path(), day(0));
        assert_eq!(load_or_create(dir.path(), day(58)), first);
        let second = load_or_create(dir.path(), day(60));
        assert_ne!(second, first);
        assert_ne!(load_or_create(dir.path(), day(400)), second);
    }

    #[test]
    fn r13_a_clock_set_back_before_the_certificate_leads_to_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path(), day(365));
        assert_ne!(load_or_create(dir.path(), day(0)), first);
    }

    #[test]
    fn a_new_name_leads_to_a_new_certificate_and_a_dropped_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path(), day(0));
        let mut more = Names::loopback();
        assert!(more.add("meet.example.org"));
        let second = Identity::load_or_create(dir.path(), &more, day(0)).unwrap();
        assert_ne!(second.fingerprint(), first);
        assert_eq!(load_or_create(dir.path(), day(0)), second.fingerprint());
    }

    #[test]
    fn a_directory_that_can_not_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Identity::load_or_create(&file.join("tls"), &Names::loopback(), day(0)).unwrap_err();
        assert!(error.to_string().contains("tls"), "{error}");
    }
}
