//! The certificate that a server shows to whoever connects, looked at without trusting it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::acceptor;
use super::identity::{name_of, timestamp};
use super::names::stand_for;
use crate::clock::Timestamp;

/// What a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// SHA-256 of its own certificate.
    pub hash: [u8; 32],
    /// The names and addresses that it is good for.
    pub names: Vec<String>,
    /// The first moment at which it is good.
    pub not_before: Timestamp,
    /// The last moment at which it is good.
    pub not_after: Timestamp,
    /// Whether browsers trust it without being told to, its dates and names left aside.
    pub trusted: bool,
    /// Who signed it, as it says itself.
    pub issuer: String,
}

impl Presented {
    /// What these certificates say, the server's own first. `None` when the first is none.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (own, intermediates) = chain.split_first()?;
        let (_, parsed) = X509Certificate::from_der(own).ok()?;
        let names = names_of(&parsed);
        let not_before = timestamp(parsed.validity().not_before.timestamp());
        let trusted = names.first().is_some_and(|name| is_trusted(own, intermediates, name, not_before));
        Some(Self {
            hash: Sha256::digest(own).into(),
            names,
            not_before,
            not_after: timestamp(parsed.validity().not_after.timestamp()),
            trusted,
            issuer: parsed.issuer().to_string(),
        })
    }

    /// Whether it is good for this name or address.
    pub fn covers(&self, wanted: &str) -> bool {
        stand_for(&self.names, wanted)
    }
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name_of).collect()
}

/// Whether the chain ends at an authority that browsers know. Asked for a name and a moment that fit, so that the answer is about
/// the chain alone.
fn is_trusted(own: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>], name: &str, at: Timestamp) -> bool {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(acceptor::provider())).build();
    let name = name.replacen('*', "any", 1);
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from(name)) else { return false };
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at.as_millis()));
    verifier.verify_server_cert(own, intermediates, &name, &[], at).is_ok()
}

/// Shakes hands over `stream` with whoever answers to `name`, and tells what it showed.
///
/// # Errors
/// When the other end does not speak TLS, or shows nothing that can be read.
pub async fn shake_hands(stream: TcpStream, name: &str, alpn: &[u8]) -> io::Result<(TlsStream<TcpStream>, Presented)> {
    let mut config = taking_any();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    match stream.get_ref().1.peer_certificates().and_then(Presented::read) {
        Some(presented) => Ok((stream, presented)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A client that takes any certificate. Nothing secret may be said over its connections.
pub fn taking_any() -> ClientConfig {
    let provider = Arc::new(acceptor::provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring's provider has suites for TLS 1.2 and 1.3");
    builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider))).with_no_client_auth()
}

/// Takes whoever proves to have the key of the certificate shown, whatever that certificate is.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn presented(names: &[&str]) -> Presented {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "somebody");
        parameters.not_after = time::OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap();
        Presented::read(&[parameters.self_signed(&key).unwrap().der().clone()]).unwrap()
    }

    #[test]
    fn what_a_certificate_is_good_for_is_read_from_it() {
        let presented = presented(&["meet.example.org", "*.example.net", "192.0.2.7", "2001:db8::7"]);
        for name in ["meet.example.org", "MEET.example.org", "a.example.net", "192.0.2.7", "2001:db8::7"] {
            assert!(presented.covers(name), "{name}");
        }
        for name in ["example.org", "example.net", "a.b.example.net", "192.0.2.8", ""] {
            assert!(!presented.covers(name), "{name}");
        }
        assert_eq!(presented.not_after, Timestamp::from_millis(1_900_000_000_000));
        assert!(!presented.trusted, "nobody knows who signed it");
        assert!(presented.issuer.contains("somebody"), "{}", presented.issuer);
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        assert_eq!(Presented::read(&[]), None);
        assert_eq!(Presented::read(&[CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])]), None);
    }
}
