//! Which STUN and TURN servers a participant is told to use.

use std::time::Duration;

use crate::authority::parts_of;
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, Secret};
use crate::lifecycle::Live;
use crate::turn::credentials::{CredentialIssuer, SharedSecret};
use crate::wire::meetings::IceServer;

/// Makes the ICE server lists that go out with the join reply and with each welcome (rows T1 to T3). Cheap to clone; all clones are
/// one.
#[derive(Clone, Debug)]
pub struct IceDirectory(Live<Listing>);

#[derive(Clone, Debug)]
struct Listing {
    relay: Option<OwnRelay>,
    others: Vec<OtherServer>,
}

/// A STUN or TURN server that is none of ours.
#[derive(Clone, Debug)]
pub struct OtherServer {
    /// Its addresses, as `RTCPeerConnection` takes them.
    pub urls: Vec<String>,
    /// How it is opened.
    pub access: Access,
}

/// How a server of others is opened.
#[derive(Clone, Debug)]
pub enum Access {
    /// By asking.
    Open,
    /// With one name for everybody.
    Password {
        /// The name.
        username: String,
        /// What belongs to it.
        password: Secret<String>,
    },
    /// With a name for each participant, which the server knows by the secret it shares with us.
    SharedSecret {
        /// The secret.
        secret: SharedSecret,
        /// How long a name is good.
        ttl: Duration,
    },
}

impl OtherServer {
    fn entry(&self, participant: ParticipantId, now: Timestamp) -> IceServer {
        let (username, password) = match &self.access {
            Access::Open => (None, None),
            Access::Password { username, password } => (Some(username.clone()), Some(password.expose().clone())),
            Access::SharedSecret { secret, ttl } => {
                let credential = secret.mint(participant, *ttl, now);
                (Some(credential.username), Some(credential.password.expose().clone()))
            }
        };
        IceServer { urls: self.urls.clone(), username, credential: password }
    }

    const fn ttl(&self) -> Option<Duration> {
        match self.access {
            Access::Open | Access::Password { .. } => None,
            Access::SharedSecret { ttl, .. } => Some(ttl),
        }
    }
}

#[derive(Clone, Debug)]
struct OwnRelay {
    port: u16,
    credentials: CredentialIssuer,
}

impl IceDirectory {
    /// A directory without any server: peers must find each other directly.
    pub fn empty() -> Self {
        Self(Live::new(Listing { relay: None, others: Vec::new() }))
    }

    /// A directory of the relay inside this program. It listens on `port` of whatever host the page came from, and by TLS on the
    /// port of the page itself. Its own port for TLS is not handed out: a browser makes an allocation with each address for each
    /// person it talks to, and unless a proxy ends TLS before us, that port lets nobody through whom the page's doesn't.
    pub fn own_relay(port: u16, credentials: CredentialIssuer) -> Self {
        Self(Live::new(Listing { relay: Some(OwnRelay { port, credentials }), others: Vec::new() }))
    }

    /// The same directory, with servers that stand after our own.
    #[must_use]
    pub fn with_others(self, others: Vec<OtherServer>) -> Self {
        let listing = Listing { others, ..(*self.0.get()).clone() };
        self.0.set(listing);
        self
    }

    /// Hands out these servers of others from now on, and credentials for our own relay, where there is one, that are good for `ttl`.
    pub fn reconfigure(&self, others: Vec<OtherServer>, ttl: Duration) {
        let relay =
            self.0.get().relay.as_ref().map(|relay| OwnRelay { port: relay.port, credentials: relay.credentials.lasting(ttl) });
        self.0.set(Listing { relay, others });
    }

    /// How often those who stay are sent new credentials: at half the shortest life of the old ones.
    pub fn renew_every(&self) -> Duration {
        const NEVER: Duration = Duration::from_secs(24 * 3600);
        let listing = self.0.get();
        let own = listing.relay.as_ref().map(|relay| relay.credentials.ttl());
        let shortest = listing.others.iter().filter_map(OtherServer::ttl).chain(own).min();
        shortest.map_or(NEVER, |ttl| (ttl / 2).max(Duration::from_secs(1)))
    }

    /// The servers for `participant`, whose browser reached this program at `authority` (a name or an address, and the port where
    /// that is not 443).
    pub fn servers_for(&self, participant: ParticipantId, authority: &str, now: Timestamp) -> Vec<IceServer> {
        let listing = self.0.get();
        let own = listing.relay.iter().flat_map(|relay| relay.entries(participant, authority, now));
        own.chain(listing.others.iter().map(|other| other.entry(participant, now))).collect()
    }
}

/// The relay inside, by each transport alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transports {
    /// STUN and TURN by UDP.
    pub udp: Vec<IceServer>,
    /// TURN by TCP.
    pub tcp: Vec<IceServer>,
    /// TURN by TLS, on the port of the page.
    pub tls: Vec<IceServer>,
}

impl IceDirectory {
    /// The relay inside by each transport alone, with credentials for `participant` that are good for `ttl`; `None` where there is
    /// none. For finding out which of them gets through.
    pub fn transports_for(
        &self,
        participant: ParticipantId,
        authority: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Option<Transports> {
        let listing = self.0.get();
        let OwnRelay { port, credentials } = listing.relay.as_ref()?;
        let relay = OwnRelay { port: *port, credentials: credentials.at_most(ttl) };
        let [stun, turn] = relay.entries(participant, authority, now);
        let only = |url: &String| IceServer { urls: vec![url.clone()], ..turn.clone() };
        let [udp, tcp, tls] = &turn.urls[..] else { return None };
        Some(Transports { udp: vec![stun, only(udp)], tcp: vec![only(tcp)], tls: vec![only(tls)] })
    }
}

impl OwnRelay {
    fn entries(&self, participant: ParticipantId, authority: &str, now: Timestamp) -> [IceServer; 2] {
        let Self { port, credentials } = self;
        let (host, page_port) = parts_of(authority);
        let host = dialable(host);
        let mut urls = ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}")).to_vec();
        // Where the page came through, a stream that looks like one more page does too.
        urls.push(format!("turns:{host}:{page_port}?transport=tcp"));
        let credential = credentials.mint(participant, now);
        [
            IceServer { urls: vec![format!("stun:{host}:{port}")], username: None, credential: None },
            IceServer { urls, username: Some(credential.username), credential: Some(credential.password.expose().clone()) },
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

    #[test]
    fn t2_each_participant_gets_servers_that_its_browser_can_dial_and_a_name_of_its_own() {
        let credentials = CredentialIssuer::new(Secret::new([7; 32]), Duration::from_secs(3600));
        let directory = IceDirectory::own_relay(3478, credentials);
        let participant = ParticipantId::from_bytes([1; 10]);
        let servers = |authority| directory.servers_for(participant, authority, Timestamp::from_millis(0));
        let urls = |authority| servers(authority).into_iter().flat_map(|server| server.urls).collect::<Vec<_>>();
        let by = |host: &str, page: u16| {
            let plain = ["udp", "tcp"].map(|transport| format!("turn:{host}:3478?transport={transport}"));
            let secure = format!("turns:{host}:{page}?transport=tcp");
            [&[format!("stun:{host}:3478")], &plain[..], &[secure]].concat()
        };
        assert_eq!(urls("localhost:8443"), by("127.0.0.1", 8443));
        assert_eq!(urls("meet.example.org"), by("meet.example.org", 443));
        assert_eq!(urls("[::1]"), by("[::1]", 443));
        assert_eq!(urls("[2001:db8::1]:8443"), by("[2001:db8::1]", 8443));
        let transports = directory.transports_for(participant, "localhost", Duration::from_secs(60), Timestamp::from_millis(0));
        let Transports { udp, tcp, tls } = transports.unwrap();
        assert_eq!(udp[0].urls, ["stun:127.0.0.1:3478"]);
        assert_eq!(udp[1].urls, ["turn:127.0.0.1:3478?transport=udp"]);
        assert_eq!(tcp[0].urls, ["turn:127.0.0.1:3478?transport=tcp"]);
        assert_eq!(tls[0].urls, ["turns:127.0.0.1:443?transport=tcp"]);
        assert_eq!(tls[0].username, Some(format!("60:{participant}")));
        assert_eq!(servers("localhost")[1].username, Some(format!("3600:{participant}")));
        assert_eq!(directory.renew_every(), Duration::from_secs(1800));
        assert!(IceDirectory::empty().servers_for(participant, "localhost", Timestamp::from_millis(0)).is_empty());
    }

    #[test]
    fn another_set_of_servers_and_another_time_hold_for_all_who_know_the_directory() {
        let credentials = CredentialIssuer::new(Secret::new([7; 32]), Duration::from_secs(3600));
        let directory = IceDirectory::own_relay(3478, credentials);
        let known_elsewhere = directory.clone();
        let other = OtherServer { urls: vec![String::from("stun:stun.example.org")], access: Access::Open };
        directory.reconfigure(vec![other], Duration::from_secs(600));
        let servers = known_elsewhere.servers_for(ParticipantId::from_bytes([1; 10]), "localhost", Timestamp::from_millis(0));
        assert!(servers[1].username.as_ref().is_some_and(|name| name.starts_with("600:")), "{servers:?}");
        assert_eq!(servers[2].urls, ["stun:stun.example.org"]);
        assert_eq!(known_elsewhere.renew_every(), Duration::from_secs(300));
    }

    #[test]
    fn t3_servers_of_others_stand_after_our_own_or_alone_each_with_its_own_kind_of_password() {
        let secret = || SharedSecret::new(&Secret::new(String::from("north wind")));
        let other = |url: &str, access| OtherServer { urls: vec![url.to_owned()], access };
        let others = |ttl| {
            vec![
                other("stun:stun.example.org", Access::Open),
                other("turn:a.example.org", Access::Password { username: "u".into(), password: Secret::new("p".into()) }),
                other("turns:b.example.org", Access::SharedSecret { secret: secret(), ttl: Duration::from_secs(ttl) }),
            ]
        };
        let (participant, now) = (ParticipantId::from_bytes([1; 10]), Timestamp::from_millis(0));
        let alone = IceDirectory::empty().with_others(others(600));
        let servers = alone.servers_for(participant, "localhost", now);
        let minted = secret().mint(participant, Duration::from_secs(600), now);
        let expected = [
            ("stun:stun.example.org", None, None),
            ("turn:a.example.org", Some("u"), Some("p")),
            ("turns:b.example.org", Some(minted.username.as_str()), Some(minted.password.expose().as_str())),
        ];
        let found = servers.iter().map(|server| (&*server.urls[0], server.username.as_deref(), server.credential.as_deref()));
        assert_eq!(found.collect::<Vec<_>>(), expected);

        let credentials = CredentialIssuer::new(Secret::new([7; 32]), Duration::from_secs(3600));
        let beside = |ttl| IceDirectory::own_relay(3478, credentials.clone()).with_others(others(ttl));
        let both = beside(600).servers_for(participant, "localhost", now);
        assert_eq!(both.iter().map(|server| &*server.urls[0]).next_back(), Some("turns:b.example.org"));
        assert_eq!(both[0].urls, ["stun:127.0.0.1:3478"]);
        let renewals = [alone.renew_every(), beside(600).renew_every(), beside(7200).renew_every()];
        assert_eq!(renewals, [300, 300, 1800].map(Duration::from_secs), "at half of the shortest life");
        assert!(!format!("{alone:?}").contains("north wind"));
    }
}
