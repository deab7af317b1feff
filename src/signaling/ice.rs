//! Which STUN and TURN servers a participant is told to use.

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

    /// The servers for `participant`, whose browser reached this program as `host` (a name or an address, without a port).
    pub fn servers_for(&self, participant: ParticipantId, host: &str, now: Timestamp) -> Vec<IceServer> {
        let Some(OwnRelay { port, credentials }) = &self.relay else { return Vec::new() };
        let credential = credentials.mint(participant, now);
        vec![
            IceServer { urls: vec![format!("stun:{host}:{port}")], username: None, credential: None },
            IceServer {
                urls: vec![format!("turn:{host}:{port}?transport=udp")],
                username: Some(credential.username),
                credential: Some(credential.password.expose().clone()),
            },
        ]
    }
}
