//! Which STUN and TURN servers a participant is told to use.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::turn::credentials::CredentialIssuer;
use crate::wire::meetings::IceServer;

/// Makes the ICE server lists that go out with the join reply and with each welcome (rows T1, T2).
#[derive(Clone, Debug)]
pub struct IceDirectory {
    relay: Option<OwnRelay>,
}

#[derive(Clone, Debug)]
struct OwnRelay {
    port: u16,
    credentials: CredentialIssuer,
}

impl IceDirectory {
    /// A directory without any server: peers must find each other directly.
    pub const fn empty() -> Self {
        Self { relay: None }
    }

    /// A directory of the relay inside this program, which listens on `port` of whatever host the page came from.
    pub const fn own_relay(port: u16, credentials: CredentialIssuer) -> Self {
        Self { relay: Some(OwnRelay { port, credentials }) }
    }

    /// How often those who stay are sent new credentials: at half the life of the old ones.
    pub fn renew_every(&self) -> Duration {
        const NEVER: Duration = Duration::from_secs(24 * 3600);
        self.relay.as_ref().map_or(NEVER, |relay| (relay.credentials.ttl() / 2).max(Duration::from_secs(1)))
    }

    /// The servers for `participant`, whose browser reached this program as `host` (a name or an address, without a port).
    pub fn servers_for(&self, participant: ParticipantId, host: &str, now: Timestamp) -> Vec<IceServer> {
        let Some(OwnRelay { port, credentials }) = &self.relay else { return Vec::new() };
        let host = dialable(host);
        let credential = credentials.mint(participant, now);
        vec![
            IceServer { urls: vec![format!("stun:{host}:{port}")], username: None, credential: None },
            IceServer {
                urls: ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}")).to_vec(),
                username: Some(credential.username),
                credential: Some(credential.password.expose().clone()),
            },
        ]
    }
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
        let directory = IceDirectory::own_relay(3478, credentials);
        let participant = ParticipantId::from_bytes([1; 10]);
        let servers = |host| directory.servers_for(participant, host, Timestamp::from_millis(0));
        let urls = |host| servers(host).into_iter().flat_map(|server| server.urls).collect::<Vec<_>>();
        assert_eq!(
            urls("localhost"),
            ["stun:127.0.0.1:3478", "turn:127.0.0.1:3478?transport=udp", "turn:127.0.0.1:3478?transport=tcp",]
        );
        assert_eq!(urls("[::1]"), ["stun:[::1]:3478", "turn:[::1]:3478?transport=udp", "turn:[::1]:3478?transport=tcp"]);
        assert_eq!(urls("meet.example.org")[0], "stun:meet.example.org:3478");
        assert_eq!(servers("localhost")[1].username, Some(format!("3600:{participant}")));
        assert_eq!(directory.renew_every(), Duration::from_secs(1800));
        assert!(IceDirectory::empty().servers_for(participant, "localhost", Timestamp::from_millis(0)).is_empty());
    }
}
