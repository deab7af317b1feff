//! A certificate that the server can show, with its chain and its key, and what it says about itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::InconsistentKeys;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::acceptor;
use crate::clock::Timestamp;

/// A server's certificate with its chain and its key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    names: Arc<[String]>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a certificate and a key are of no use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The text of the certificate has none in it.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The text of the key has none in it.
    #[error("there is no key in it that TLS can use, such as one that begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The text of the certificate, or what it says, can't be read.
    #[error("the certificate can't be read: {0}")]
    Certificate(String),
    /// The text of the key, or the key, can't be read.
    #[error("the key can't be read: {0}")]
    Key(String),
    /// Key and certificate don't belong together.
    #[error("the key is another certificate's; the server's own certificate has to come first, before those that vouch for it")]
    OtherKey,
}

impl Identity {
    /// Reads a certificate, followed by those that vouch for it, and its key, all as PEM (RFC 7468). The key may be PKCS #8, SEC 1 or
    /// PKCS #1.
    ///
    /// # Errors
    ///
    /// When a part is missing or can't be read, or when the key is another certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            if matches!(error, pem::Error::NoItemsFound) { IdentityError::NoKey } else { IdentityError::Key(error.to_string()) }
        })?;
        Self::from_der(chain, key)
    }

    /// Joins a certificate, followed by those that vouch for it, with its key.
    ///
    /// # Errors
    ///
    /// As [`Self::from_pem`].
    pub fn from_der(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, IdentityError> {
        let first = chain.first().ok_or(IdentityError::NoCertificate)?;
        let (names, not_before, not_after) = {
            let certificate = parse(first)?;
            let validity = certificate.validity();
            (names_of(&certificate)?, timestamp(validity.not_before.timestamp()), timestamp(validity.not_after.timestamp()))
        };
        let certified = CertifiedKey::from_der(chain, key, &acceptor::provider()).map_err(|error| {
            if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
                IdentityError::OtherKey
            } else {
                IdentityError::Key(error.to_string())
            }
        })?;
        Ok(Self { certified: Arc::new(certified), names: names.into(), not_before, not_after })
    }

    /// The names and addresses that the certificate lists, in lower case. A name may begin with `*.`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a client that asked for this name or address would find it in the certificate (RFC 9525).
    pub fn is_good_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        ParsedCertificate::try_from(self.certificate()).is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }

    /// The first moment at which the certificate is good.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last moment at which the certificate is good.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// When two thirds of the certificate's life are over, and it is time for another.
    pub fn renews_at(&self) -> Timestamp {
        self.not_before.plus(self.not_after.since(self.not_before) / 3 * 2)
    }

    /// Whether `now` is within the certificate's life.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The certificate's SHA-256 hash as browsers show it: `AB:CD:…`, 32 pairs.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.certificate())
    }

    /// The certificate itself (X.509, DER).
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.certified.cert.first().expect("an identity is made of at least one certificate")
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// A certificate's SHA-256 hash as browsers show it.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// What the certificate says, which must be one and nothing after it.
pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, IdentityError> {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(IdentityError::Certificate(String::from("something follows it"))),
        Err(error) => Err(IdentityError::Certificate(error.to_string())),
    }
}

/// X.509 counts in seconds and knows times before 1970, which are all long over.
pub(super) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_millis(0).plus(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn names_of(certificate: &X509Certificate<'_>) -> Result<Vec<String>, IdentityError> {
    let extension = certificate.subject_alternative_name().map_err(|error| IdentityError::Certificate(error.to_string()))?;
    let names = extension.map(|extension| &extension.value.general_names).into_iter().flatten();
    Ok(names.filter_map(name_of).map(|name| name.to_ascii_lowercase()).collect())
}

/// The name or address, as the certificate writes it; `None` for what is neither.
pub(super) fn name_of(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate for these names and its key, as PEM.
    fn made(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 4, 1);
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn from_pem(chain: &str, key: &str) -> Result<Identity, IdentityError> {
        Identity::from_pem(chain.as_bytes(), key.as_bytes())
    }

    #[test]
    fn what_the_certificate_says_is_read() {
        let (chain, key) = made(&["Meet.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"]);
        let identity = from_pem(&chain, &key).unwrap();
        assert_eq!(identity.names(), ["meet.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"]);
        assert_eq!(identity.not_before().to_rfc3339(), "2026-01-01T00:00:00Z");
        assert_eq!(identity.not_after().to_rfc3339(), "2026-04-01T00:00:00Z");
        assert_eq!(identity.renews_at().to_rfc3339(), "2026-03-02T00:00:00Z");
        assert!(identity.is_valid_at(identity.not_before()) && identity.is_valid_at(identity.not_after()));
        assert!(!identity.is_valid_at(Timestamp::from_millis(0)));
        assert!(!identity.is_valid_at(identity.not_after().plus(Duration::from_secs(1))));
        let pairs: Vec<_> = identity.fingerprint().split(':').map(String::from).collect();
        assert!(pairs.len() == 32 && pairs.iter().all(|pair| pair.len() == 2 && u8::from_str_radix(pair, 16).is_ok()));
    }

    #[test]
    fn it_is_good_for_the_names_that_clients_would_find() {
        let (chain, key) = made(&["meet.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"]);
        let identity = from_pem(&chain, &key).unwrap();
        for name in ["meet.example.org", "MEET.example.org", "a.example.net", "192.0.2.1", "2001:db8::1"] {
            assert!(identity.is_good_for(name), "{name}");
        }
        for name in ["example.org", "example.net", "a.b.example.net", "192.0.2.2", "2001:db8::2", "", "a b"] {
            assert!(!identity.is_good_for(name), "{name}");
        }
    }

    #[test]
    fn those_that_vouch_for_it_may_follow_and_text_may_stand_around_it() {
        let ((chain, key), (other, _)) = (made(&["a.example"]), made(&["b.example"]));
        let identity = from_pem(&format!("Some words\n{chain}\n{other}"), &format!("{key}{other}")).unwrap();
        assert_eq!(identity.names(), ["a.example"]);
        assert_eq!(identity.certified_key().cert.len(), 2);
    }

    #[test]
    fn what_can_not_be_used_is_told_apart() {
        let ((chain, key), (other, other_key)) = (made(&["a.example"]), made(&["b.example"]));
        let half = &chain[..chain.len() / 2];
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let nonsense_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let found = |chain: &str, key: &str| from_pem(chain, key).unwrap_err();
        assert!(matches!(found("", &key), IdentityError::NoCertificate));
        assert!(matches!(found(&key, &key), IdentityError::NoCertificate));
        assert!(matches!(found(half, &key), IdentityError::Certificate(_)));
        assert!(matches!(found(nonsense, &key), IdentityError::Certificate(_)));
        assert!(matches!(found(&chain, ""), IdentityError::NoKey));
        assert!(matches!(found(&chain, &chain), IdentityError::NoKey));
        assert!(matches!(found(&chain, &key[..key.len() / 2]), IdentityError::Key(_)));
        assert!(matches!(found(&chain, nonsense_key), IdentityError::Key(_)));
        assert!(matches!(found(&chain, &other_key), IdentityError::OtherKey));
        assert!(matches!(found(&format!("{other}{chain}"), &key), IdentityError::OtherKey), "in the wrong order");
    }
}
