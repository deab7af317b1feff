//! What a listener needs to speak TLS: our one cryptography provider, ALPN, and a certificate that can be changed while it runs.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Identity;
use super::acme::{ACME_TLS, Challenges};

/// HTTP/2, HTTP/1.1 (RFC 7301) and TURN (RFC 7443), what we like best first.
const ALPN: [&[u8]; 3] = [b"h2", b"http/1.1", b"stun.turn"];

/// Shows a certificate authority what it wants to see, and everybody else the certificate in the slot, whatever name they ask for
/// (attack D8): no name makes the server do more than look it up.
#[derive(Debug)]
struct Doorkeeper {
    slot: Arc<CertificateSlot>,
    challenges: Challenges,
}

impl ResolvesServerCert for Doorkeeper {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if Challenges::is_meant(&hello) { self.challenges.by_tls(&hello) } else { self.slot.resolve(hello) }
    }
}

/// The certificates that new handshakes get: the first one that is good for the name a client asks for, or else the first one.
///
/// Who comes by an address asks for no name (RFC 6066 §3), and gets the first one that names an address.
#[derive(Debug)]
pub struct CertificateSlot(RwLock<Arc<[Identity]>>);

impl CertificateSlot {
    /// A slot with a certificate in it.
    pub fn new(identity: &Identity) -> Arc<Self> {
        Arc::new(Self(RwLock::new([identity.clone()].into())))
    }

    /// Puts others in, the best one first; none at all changes nothing. Connections that stand keep the one they began with. Returns
    /// the first one if another stood there before.
    pub fn fill(&self, identities: Vec<Identity>) -> Option<Identity> {
        let first = identities.first().cloned()?;
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = held.first().is_none_or(|before| before.certificate() != first.certificate());
        *held = identities.into();
        is_new.then_some(first)
    }
}

impl ResolvesServerCert for CertificateSlot {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let held = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let fits = |identity: &&Identity| match hello.server_name() {
            Some(name) => identity.is_good_for(name),
            None => identity.names().iter().any(|name| name.parse::<IpAddr>().is_ok()),
        };
        held.iter().find(fits).or_else(|| held.first()).map(Identity::certified_key)
    }
}

/// TLS 1.2 and 1.3 with this certificate, offering `h2`, `http/1.1` and `stun.turn`.
pub fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    server_config_of(CertificateSlot::new(identity))
}

/// TLS 1.2 and 1.3 with whatever certificate is in the slot at the time, offering `h2`, `http/1.1` and `stun.turn`.
pub fn server_config_of(slot: Arc<CertificateSlot>) -> Arc<ServerConfig> {
    Arc::new(config(slot, &ALPN))
}

/// The same, and `acme-tls/1` for a certificate authority that has been invited to look.
pub(super) fn server_config_answering(slot: Arc<CertificateSlot>, challenges: Challenges) -> Arc<ServerConfig> {
    let protocols: Vec<&[u8]> = ALPN.into_iter().chain([ACME_TLS]).collect();
    Arc::new(config(Arc::new(Doorkeeper { slot, challenges }), &protocols))
}

fn config(resolver: Arc<dyn ResolvesServerCert>, protocols: &[&[u8]]) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .expect("ring's provider has suites for TLS 1.2 and 1.3");
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// Named everywhere instead of installed for the whole process, so that no test or library can depend on the order of start.
pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;
    use crate::clock::Timestamp;
    use crate::tls::{LocalCa, Names};

    fn identity() -> (LocalCa, Identity) {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::open(dir.path(), Timestamp::now()).unwrap();
        let identity = ca.identity(&Names::loopback(), Timestamp::now()).unwrap();
        (ca, identity)
    }

    /// Shakes hands with `server` as a client that trusts `trusted`; the protocol that was agreed on.
    fn handshake(server: &Arc<ServerConfig>, trusted: &LocalCa, name: &'static str) -> Result<Option<Vec<u8>>, io::Error> {
        handshake_for(&[b"h2"], server, trusted, name)
    }

    fn handshake_for(
        protocols: &[&[u8]],
        server: &Arc<ServerConfig>,
        trusted: &LocalCa,
        name: &'static str,
    ) -> Result<Option<Vec<u8>>, io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.authority().certificate.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            pass(&mut client, &mut server)?;
            pass(&mut server, &mut client)?;
        }
        Ok(client.alpn_protocol().map(<[u8]>::to_vec))
    }

    fn pass<A, B>(from: &mut rustls::ConnectionCommon<A>, to: &mut rustls::ConnectionCommon<B>) -> io::Result<()> {
        let mut bytes = Vec::new();
        while from.wants_write() {
            from.write_tls(&mut bytes)?;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            to.read_tls(&mut rest)?;
            to.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }

    #[test]
    fn a_client_that_trusts_the_authority_shakes_hands_by_every_name() {
        let (ca, identity) = identity();
        let config = server_config(&identity);
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(handshake(&config, &ca, name).unwrap().as_deref(), Some(b"h2".as_slice()), "{name}");
        }
        assert!(handshake(&config, &ca, "example.org").is_err());
    }

    #[test]
    fn browsers_and_relayed_clients_shake_hands_with_the_same_server() {
        let (ca, identity) = identity();
        let config = server_config(&identity);
        let agreed = |protocols: &[&[u8]]| handshake_for(protocols, &config, &ca, "localhost").unwrap();
        assert_eq!(agreed(&[b"http/1.1", b"h2"]).as_deref(), Some(b"h2".as_slice()));
        assert_eq!(agreed(&[b"http/1.1"]).as_deref(), Some(b"http/1.1".as_slice()));
        assert_eq!(agreed(&[b"stun.turn"]).as_deref(), Some(b"stun.turn".as_slice()));
        assert_eq!(agreed(&[]), None);
    }

    #[test]
    fn r27_a_replaced_certificate_is_the_one_that_new_handshakes_get() {
        let ((old, first), (new, second)) = (identity(), identity());
        let slot = CertificateSlot::new(&first);
        let config = server_config_of(Arc::clone(&slot));
        assert!(handshake(&config, &old, "localhost").is_ok());
        assert_eq!(slot.fill(vec![second.clone()]).unwrap().certificate(), second.certificate());
        assert!(handshake(&config, &old, "localhost").is_err());
        assert!(handshake(&config, &new, "localhost").is_ok());
        assert!(slot.fill(vec![second]).is_none(), "the same again is told as a new one");
        assert!(slot.fill(Vec::new()).is_none());
        assert!(handshake(&config, &new, "localhost").is_ok(), "none at all has emptied the slot");
    }

    #[test]
    fn each_client_gets_the_certificate_that_is_good_for_what_it_asks_for() {
        let (own, of_machine) = identity();
        let dir = tempfile::tempdir().unwrap();
        let public = LocalCa::open(dir.path(), Timestamp::now()).unwrap();
        let mut names = Names::none();
        assert!(names.add("meet.hearth-club.net"));
        let of_name = public.identity(&names, Timestamp::now()).unwrap();
        let slot = CertificateSlot::new(&of_name);
        slot.fill(vec![of_name, of_machine]);
        let config = server_config_of(slot);
        assert!(handshake(&config, &public, "meet.hearth-club.net").is_ok());
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(handshake(&config, &own, name).is_ok(), "{name}");
        }
        // Nobody vouches for this one, and what was put in first is shown.
        assert!(handshake(&config, &own, "other.example").is_err());
    }
}
