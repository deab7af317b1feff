//! Which STUN and TURN servers a participant is told to use.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::turn::credentials::CredentialIssuer;
use crate::wire::meetings::IceServer;

/// The port of an address that names none (RFC 9110 §4.2.2).
const HTTPS_PORT: u16 = 443;

/// Makes the ICE server lists that go out with the join reply and with each welcome (rows T1, T2).
#[derive(Clone, Debug)]
pub struct IceDirectory {
    relay: Option<OwnRelay>,
}

#[derive(Clone, Debug)]
struct OwnRelay {
    port: u16,
    tls_port: Option<u16>,
    credentials: CredentialIssuer,
}

impl IceDirectory {
    /// A directory without any server: peers must find each other directly.
    pub const fn empty() -> Self {
        Self { relay: None }
    }

    /// A directory of the relay inside this program. It listens on `port` of whatever host the page came from, and by TLS on
    /// `tls_port` and on the port of the page itself.
    pub const fn own_relay(port: u16, tls_port: Option<u16>, credentials: CredentialIssuer) -> Self {
        Self { relay: Some(OwnRelay { port, tls_port, credentials }) }
    }

    /// How often those who stay are sent new credentials: at half the life of the old ones.
    pub fn renew_every(&self) -> Duration {
        const NEVER: Duration = Duration::from_secs(24 * 3600);
        self.relay.as_ref().map_or(NEVER, |relay| (relay.credentials.ttl() / 2).max(Duration::from_secs(1)))
    }

    /// The servers for `participant`, whose browser reached this program at `authority` (a name or an address, and the port where
    /// that is not 443).
    pub fn servers_for(&self, participant: ParticipantId, authority: &str, now: Timestamp) -> Vec<IceServer> {
        let Some(OwnRelay { port, tls_port, credentials }) = &self.relay else { return Vec::new() };
        let (host, page_port) = parts_of(authority);
        let host = dialable(host);
        let mut urls = ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}")).to_vec();
        // Where the page came through, a stream that looks like one more page does too.
        let by_tls = [Some(page_port), tls_port.filter(|port| *port != page_port)];
        urls.extend(by_tls.into_iter().flatten().map(|port| format!("turns:{host}:{port}?transport=tcp")));
        let credential = credentials.mint(participant, now);
        vec![
            IceServer { urls: vec![format!("stun:{host}:{port}")], username: None, credential: None },
            IceServer { urls, username: Some(credential.username), credential: Some(credential.password.expose().clone()) },
        ]
    }
}

/// Host and port of an authority, the host with the brackets of IPv6.
fn parts_of(authority: &str) -> (&str, u16) {
    let with_port = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    // Without a port, the last colon of an IPv6 address stands inside of its brackets.
    with_port.filter(|_| !authority.ends_with(']')).unwrap_or((authority, HTTPS_PORT))
}

/// The host as the browser's ICE agent can reach it. Browsers look relay names up in the DNS alone, which knows no `localhost`.
fn dialable(host: &str) -> &str {
    if host == "localhost" || host.ends_with(".localhost") { "127.0.0.1" } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Secret;

    #[test]
    fn t2_each_participant_gets_servers_that_its_browser_can_dial_and_a_name_of_its_own() {
        let credentials = CredentialIssuer::new(Secret::new([7; 32]), Duration::from_secs(3600));
        let directory = IceDirectory::own_relay(3478, Some(5349), credentials);
        let participant = ParticipantId::from_bytes([1; 10]);
        let servers = |authority| directory.servers_for(participant, authority, Timestamp::from_millis(0));
        let urls = |authority| servers(authority).into_iter().flat_map(|server| server.urls).collect::<Vec<_>>();
        let by = |host: &str, page: u16| {
            let plain = ["udp", "tcp"].map(|transport| format!("turn:{host}:3478?transport={transport}"));
            let secure = [page, 5349].map(|port| format!("turns:{host}:{port}?transport=tcp"));
            [&[format!("stun:{host}:3478")], &plain[..], &secure].concat()
        };
        assert_eq!(urls("localhost:8443"), by("127.0.0.1", 8443));
        assert_eq!(urls("meet.example.org"), by("meet.example.org", 443));
        assert_eq!(urls("[::1]"), by("[::1]", 443));
        assert_eq!(urls("[2001:db8::1]:8443"), by("[2001:db8::1]", 8443));
        assert_eq!(urls("192.0.2.1:5349"), by("192.0.2.1", 5349)[..4], "the same address stands there once");
        assert_eq!(servers("localhost")[1].username, Some(format!("3600:{participant}")));
        assert_eq!(directory.renew_every(), Duration::from_secs(1800));
        assert!(IceDirectory::empty().servers_for(participant, "localhost", Timestamp::from_millis(0)).is_empty());
    }
}
