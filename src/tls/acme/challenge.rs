//! What the authority finds when it comes to see whether this server is where its name leads.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

use super::super::TlsError;
use super::super::acceptor::provider;

/// The protocol that the authority names, and nobody else does (RFC 8737 §6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// What is to be answered while orders are pending, and nothing at other times. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<RwLock<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    /// By the name that the client asks for.
    by_tls: HashMap<String, Arc<CertifiedKey>>,
    /// By token.
    by_http: HashMap<String, String>,
}

impl Challenges {
    /// What to say at `/.well-known/acme-challenge/{token}` (RFC 8555 §8.3). `None` when nobody is expected to ask.
    pub fn by_http(&self, token: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_http.get(token).cloned()
    }

    /// Whether this is how the authority begins. Then there is the certificate of the challenge, or none.
    pub(in crate::tls) fn is_meant(hello: &ClientHello<'_>) -> bool {
        let mut protocols = hello.alpn().into_iter().flatten();
        protocols.next() == Some(ACME_TLS) && protocols.next().is_none()
    }

    /// The certificate to show to the authority (RFC 8737 §3).
    pub(in crate::tls) fn by_tls(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_tls.get(name).cloned()
    }

    /// Answers the challenge by TLS-ALPN-01 as long as what is returned lives. `digest` is that of the key authorization.
    pub(super) fn answer_by_tls(&self, identifier: &str, digest: &[u8]) -> Result<Answered, TlsError> {
        let certified = certificate(identifier, digest)?;
        let name = asked_for(identifier);
        self.write(|answers| drop(answers.by_tls.insert(name.clone(), certified)));
        Ok(Answered { challenges: self.clone(), key: Key::Tls(name) })
    }

    /// Answers the challenge by HTTP-01 as long as what is returned lives.
    pub(super) fn answer_by_http(&self, token: &str, authorization: &str) -> Answered {
        self.write(|answers| drop(answers.by_http.insert(token.to_owned(), authorization.to_owned())));
        Answered { challenges: self.clone(), key: Key::Http(token.to_owned()) }
    }

    fn write(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Ends the answer when dropped.
#[derive(Debug)]
pub(super) struct Answered {
    challenges: Challenges,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Tls(String),
    Http(String),
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.challenges.write(|answers| match &self.key {
            Key::Tls(name) => drop(answers.by_tls.remove(name)),
            Key::Http(token) => drop(answers.by_http.remove(token)),
        });
    }
}

fn certificate(identifier: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(vec![identifier.to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
    let certificate = parameters.self_signed(&key)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes a key as PKCS #8");
    let private = provider().key_provider.load_private_key(private).expect("ring takes a key that ring made");
    // Without the check that both belong together: it stumbles over the critical extension that this is all about.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], private)))
}

/// The name that the authority puts into its handshake. An address can't stand there, so its reverse name does (RFC 8738 §6).
fn asked_for(identifier: &str) -> String {
    match identifier.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
        Err(_) => identifier.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_by_their_reverse_names() {
        assert_eq!(asked_for("Meet.Example.org"), "meet.example.org");
        assert_eq!(asked_for("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        assert_eq!(asked_for("2001:db8::567:89ab"), "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }

    #[test]
    fn a_challenge_is_answered_only_while_its_order_is_pending() {
        let challenges = Challenges::default();
        assert_eq!(challenges.by_http("token"), None);
        let answered = challenges.answer_by_http("token", "token.thumbprint");
        assert_eq!(challenges.clone().by_http("token").as_deref(), Some("token.thumbprint"));
        assert_eq!(challenges.by_http("another"), None);
        drop(answered);
        assert_eq!(challenges.by_http("token"), None);
        let answered = challenges.answer_by_tls("192.0.2.7", &[7; 32]).unwrap();
        assert!(challenges.0.read().unwrap().by_tls.contains_key("7.2.0.192.in-addr.arpa"));
        drop(answered);
        assert!(challenges.0.read().unwrap().by_tls.is_empty());
    }
}
