//! The relay as its own client: at the start and every hour it sends a packet through itself, by way of the address that people
//! are told, and says in the log what stops it.
//!
//! Not everything shows from here: a firewall between this machine and the internet does not stand in the test's way.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::credentials::CredentialIssuer;
use super::{RelayAddresses, Settings};
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, random_bytes};
use crate::lifecycle::Tasks;

mod client;
mod finding;
mod outside;
#[cfg(test)]
mod tests;

pub use finding::{Fault, Finding, Step};
pub use outside::{Outside, StunServer, find as find_outside};

pub(super) use client::Client;
use finding::Places;

/// How long after a test the next one comes.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// The same when the last one did not go well: what was wrong may have been mended.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(300);
/// How long the credentials of a test are good.
const CREDENTIAL_TTL: Duration = Duration::from_secs(120);

/// What the last test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// When.
    pub at: Timestamp,
    /// What.
    pub finding: Finding,
}

/// What a test found, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Whether the relay did what it is for.
    pub works: bool,
    /// One sentence: what is so, and where it isn't as it should be, the likely cause and the mend.
    pub told: String,
}

/// The test of one relay.
pub(super) struct SelfTest {
    /// Whose name it uses. No meeting has this participant.
    pub(super) prober: ParticipantId,
    credentials: CredentialIssuer,
    realm: String,
    listen: Vec<SocketAddr>,
    ports: RangeInclusive<u16>,
    /// What somebody said that a router makes of the IPv4 address.
    pub(super) external_ipv4: Option<Ipv4Addr>,
    addresses: watch::Sender<RelayAddresses>,
    /// The address to which it is translated, as soon as that was found.
    outside: Mutex<Option<Ipv4Addr>>,
    health: Mutex<Option<Health>>,
}

impl SelfTest {
    /// The test of a relay with these settings that listens at `listen`.
    pub(super) fn new(settings: &Settings, listen: &[SocketAddr]) -> Self {
        Self {
            prober: ParticipantId::random(),
            credentials: CredentialIssuer::new(settings.secret.clone(), CREDENTIAL_TTL),
            realm: settings.realm.clone(),
            listen: listen.to_vec(),
            ports: settings.ports.clone(),
            external_ipv4: settings.external_ipv4,
            addresses: watch::Sender::new((settings.relay_ipv4, settings.relay_ipv6)),
            outside: Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// What the last test found; `None` before the first has ended.
    pub(super) fn health(&self) -> Option<Health> {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tests once. `None` when there is no address to do it by.
    pub(super) async fn test_now(&self) -> Option<Tested> {
        let addresses = *self.addresses.borrow();
        let places = self.places(addresses)?.seen_at(*self.outside.lock().unwrap_or_else(PoisonError::into_inner));
        let finding = self.test(&places).await;
        self.note(finding);
        Some(Tested { works: finding.works(), told: finding.told(&places) })
    }

    /// Keeps what a test found, and gives back what the one before found.
    fn note(&self, finding: Finding) -> Option<Health> {
        let health = Health { at: Timestamp::now(), finding };
        self.health.lock().unwrap_or_else(PoisonError::into_inner).replace(health)
    }

    /// Tests once. `None` when there is nowhere to test.
    pub(super) async fn once(&self) -> Option<Finding> {
        let relays = *self.addresses.borrow();
        Some(self.test(&self.places(relays)?).await)
    }

    /// Tests now and again until the program stops, and logs what is found when it is something else than before.
    /// Where the address outside is found, `publish` is called with the relay's own and that one.
    pub(super) async fn keep(&self, servers: &[StunServer], publish: impl Fn(Ipv4Addr, Ipv4Addr), tasks: &Tasks) {
        let mut addresses = self.addresses.subscribe();
        loop {
            let relays = *addresses.borrow_and_update();
            *self.outside.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let places = self.places(relays);
            let work = async {
                if let Some(places) = &places {
                    tokio::join!(self.keep_testing(places), self.keep_asking(places, servers, &publish));
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = tasks.stopping() => return,
                moved = addresses.changed() => moved.expect("the sender is a part of this"),
                () = work => {}
            }
        }
    }

    /// Tests at other addresses from now on. True when they are others than before.
    pub(super) fn move_to(&self, addresses: RelayAddresses) -> bool {
        self.addresses.send_if_modified(|before| std::mem::replace(before, addresses) != addresses)
    }

    async fn keep_testing(&self, places: &Places) {
        loop {
            let places = &places.seen_at(*self.outside.lock().unwrap_or_else(PoisonError::into_inner));
            let finding = self.test(places).await;
            let before = self.note(finding);
            if before.is_none_or(|before| before.finding != finding) {
                let told = finding.told(places);
                match finding {
                    Finding::Works | Finding::OnlyInside => tracing::info!("{told}"),
                    Finding::Broken { .. } => tracing::warn!("{told}"),
                }
            }
            tokio::time::sleep(if finding == Finding::Works { AGAIN_AFTER } else { AGAIN_AFTER_FAILURE }).await;
        }
    }

    async fn keep_asking(&self, places: &Places, servers: &[StunServer], publish: impl Fn(Ipv4Addr, Ipv4Addr)) {
        let Some(own) = self.untranslated() else { return };
        let mut before = None;
        loop {
            let outside = outside::find(own, servers).await;
            if let Outside::Known(address) = outside {
                publish(own, address);
                self.outside.lock().unwrap_or_else(PoisonError::into_inner).replace(address);
            }
            if before.replace(outside) != Some(outside)
                && let Some(told) = outside.told(own, places)
            {
                match outside {
                    Outside::Known(_) => tracing::warn!("{told}"),
                    Outside::Unasked | Outside::Unknown => tracing::info!("{told}"),
                }
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Tests by way of the advertised address, and where nobody answers there, by this machine's own.
    async fn test(&self, places: &Places) -> Finding {
        let broken = |at, fault| Finding::Broken { at, fault };
        match self.pass_a_packet(places.advertised).await {
            Ok(()) => Finding::Works,
            Err(Fault::Silent | Fault::Unsent(_)) if places.own != places.advertised => {
                self.pass_a_packet(places.own).await.map_or_else(|fault| broken(places.own, fault), |()| Finding::OnlyInside)
            }
            Err(fault) => broken(places.advertised, fault),
        }
    }

    /// Lets two clients meet through the relay at `server`.
    async fn pass_a_packet(&self, server: SocketAddr) -> Result<(), Fault> {
        let (one, other) = (Client::new(server).await?, Client::new(server).await?);
        one.binding().await?;
        let credential = || self.credentials.mint(self.prober, Timestamp::now());
        let (one_at, one_seal) = one.allocate(credential(), &self.realm).await?;
        // Whatever becomes of the packet, and of the second allocation, the ports are given back.
        let met = async {
            let (other_at, other_seal) = other.allocate(credential(), &self.realm).await?;
            let passed = async {
                one.permit(other_at, &one_seal).await?;
                other.permit(one_at, &other_seal).await?;
                one.pass(&random_bytes::<32>(), other_at, &other).await
            };
            let passed = passed.await;
            passed.and(other.free(&other_seal).await)
        };
        let met = met.await;
        met.and(one.free(&one_seal).await)
    }

    /// The address to relay at, when a router translates it and nobody said to what.
    fn untranslated(&self) -> Option<Ipv4Addr> {
        let (own, _) = *self.addresses.borrow();
        own.filter(|own| self.external_ipv4.is_none() && outside::is_translated(*own))
    }

    /// Where to test a relay at these addresses: at the one of IPv4, and where there is none, at that of IPv6.
    fn places(&self, (ipv4, ipv6): RelayAddresses) -> Option<Places> {
        let relays = [ipv4.map(IpAddr::V4), ipv6.map(IpAddr::V6)];
        relays.into_iter().flatten().find_map(|relay| {
            let at = self.listen.iter().find(|at| at.is_ipv4() == relay.is_ipv4())?;
            let own = SocketAddr::new(if at.ip().is_unspecified() { relay } else { at.ip() }, at.port());
            let outside = self.external_ipv4.filter(|_| relay.is_ipv4()).map(|outside| SocketAddr::from((outside, at.port())));
            Some(Places { own, advertised: outside.unwrap_or(own), ports: self.ports.clone() })
        })
    }
}
