//! Names and passwords for the relay, made from a secret and forgotten: nothing is stored for them.
//!
//! A name is `<expiry>:<participant>`, the expiry in whole seconds since 1970, and its password is the Base64 of an HMAC-SHA256
//! over the name. A participant id is random and belongs to one seat in one meeting, so a credential bound to it is bound to the
//! meeting as well. The meeting's code is left out on purpose: names travel in clear text, and the code lets people in.

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::ids::{ParticipantId, Secret};

mod shared_secret;

pub use shared_secret::SharedSecret;

/// The longest time that a credential may be good for. A name that expires later is refused, whoever made it.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the name of a user of other software may be, behind its expiry.
const MAX_FOREIGN_BYTES: usize = 128;

/// What a participant needs for the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The name, of the form `<expiry>:<participant>`.
    pub username: String,
    /// The password that belongs to the name.
    pub password: Secret<String>,
    /// When the relay stops accepting both.
    pub expires_at: Timestamp,
}

/// Makes credentials that the relay with the same secret accepts.
#[derive(Clone, Debug)]
pub struct CredentialIssuer {
    secret: Secret<[u8; 32]>,
    ttl: Duration,
}

impl CredentialIssuer {
    /// An issuer of credentials good for `ttl`, or for [`MAX_TTL`] when that is shorter.
    pub fn new(secret: Secret<[u8; 32]>, ttl: Duration) -> Self {
        Self { secret, ttl: ttl.min(MAX_TTL) }
    }

    /// The same issuer, but of credentials good for `ttl`, or for [`MAX_TTL`] when that is shorter.
    #[must_use]
    pub fn lasting(&self, ttl: Duration) -> Self {
        Self::new(self.secret.clone(), ttl)
    }

    /// An issuer with the same secret, whose credentials are good for no longer than `ttl`.
    #[must_use]
    pub fn at_most(&self, ttl: Duration) -> Self {
        Self { secret: self.secret.clone(), ttl: self.ttl.min(ttl) }
    }

    /// How long a credential is good.
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// A credential for `participant`, good from `now` on.
    pub fn mint(&self, participant: ParticipantId, now: Timestamp) -> Credential {
        let expires_at = Timestamp::from_millis(now.plus(self.ttl).as_secs() * 1000);
        let username = format!("{}:{participant}", expires_at.as_secs());
        let password = Secret::new(password(&self.secret, &username));
        Credential { username, password, expires_at }
    }
}

/// Who may use the relay: whose allocations are counted together, and nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Holder {
    /// A participant of one of our meetings.
    Participant(ParticipantId),
    /// A user of other software, by the digest of the name that it has there.
    Foreign([u8; 32]),
}

impl Holder {
    /// Who it is in the log: a participant by its id, everybody else as somebody else.
    pub(super) fn label(self) -> String {
        self.participant().map_or_else(|| String::from("other"), |participant| participant.to_string())
    }

    /// The participant, if it is one.
    pub(super) const fn participant(self) -> Option<ParticipantId> {
        match self {
            Self::Participant(participant) => Some(participant),
            Self::Foreign(_) => None,
        }
    }
}

impl From<ParticipantId> for Holder {
    fn from(participant: ParticipantId) -> Self {
        Self::Participant(participant)
    }
}

/// What the relay knows good names by.
pub(super) struct Keys {
    own: Secret<[u8; 32]>,
    shared: Option<SharedSecret>,
}

impl Keys {
    pub(super) const fn new(own: Secret<[u8; 32]>, shared: Option<SharedSecret>) -> Self {
        Self { own, shared }
    }

    /// The passwords that would show `username` to be somebody's, each with whose it is then. There are as many for a name that
    /// is no good as for a good one, so that nobody learns from the time that an answer takes which it was.
    pub(super) fn claims(&self, username: &str, now: Timestamp) -> Vec<(String, Option<Holder>)> {
        let own = (password(&self.own, username), holder(username, now).map(Holder::from));
        let shared = self.shared.as_ref().map(|shared| (shared.password(username), foreign_holder(username, now)));
        std::iter::once(own).chain(shared).collect()
    }
}

/// The password of `username`. Any text has one; whether the name is good is [`holder`]'s to say.
pub(super) fn password(secret: &Secret<[u8; 32]>, username: &str) -> String {
    BASE64.encode(&mac(secret.expose(), &[username.as_bytes()]))
}

/// Whose name this is, when it is well-formed and neither expired at `now` nor good for longer than [`MAX_TTL`].
pub(super) fn holder(username: &str, now: Timestamp) -> Option<ParticipantId> {
    let (expiry, participant) = username.split_once(':')?;
    participant.parse().ok().filter(|_| is_in_time(expiry, now))
}

/// The same for a name that other software made: `<expiry>`, or `<expiry>:<anything>`. Whoever has a name behind the expiry is the
/// same with every expiry; who has none is another with each.
fn foreign_holder(username: &str, now: Timestamp) -> Option<Holder> {
    let (expiry, name) = username.split_once(':').unwrap_or((username, ""));
    let holder = Holder::Foreign(Sha256::digest(if name.is_empty() { expiry } else { &username[expiry.len()..] }).into());
    (is_in_time(expiry, now) && name.len() <= MAX_FOREIGN_BYTES).then_some(holder)
}

/// Whether a name with this expiry is good at `now`: not expired, and not good for longer than [`MAX_TTL`].
fn is_in_time(expiry: &str, now: Timestamp) -> bool {
    // `parse` alone would take a sign as well.
    let digits = expiry.bytes().all(|byte| byte.is_ascii_digit());
    let expiry = expiry.parse().ok().filter(|_| digits);
    expiry.is_some_and(|expiry: u64| expiry > now.as_secs() && expiry <= now.plus(MAX_TTL).as_secs())
}

/// HMAC-SHA256 over the parts, one after the other.
pub(super) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);

    fn issuer(ttl: u64) -> CredentialIssuer {
        CredentialIssuer::new(Secret::new([7; 32]), Duration::from_secs(ttl))
    }

    #[test]
    fn a_minted_name_leads_back_to_its_participant_until_it_expires() {
        let participant = ParticipantId::random();
        let credential = issuer(3600).mint(participant, NOW);
        assert_eq!(credential.username, format!("1700003600:{participant}"));
        assert_eq!(credential.expires_at, Timestamp::from_millis(1_700_003_600_000));
        assert_eq!(holder(&credential.username, NOW), Some(participant));
        assert_eq!(holder(&credential.username, Timestamp::from_millis(1_700_003_599_999)), Some(participant));
        assert_eq!(holder(&credential.username, credential.expires_at), None);
    }

    #[test]
    fn passwords_depend_on_the_secret_and_the_whole_name() {
        let secret = Secret::new([7; 32]);
        let one = password(&secret, "1:a");
        assert_eq!(one.len(), 44);
        assert_ne!(one, password(&secret, "2:a"));
        assert_ne!(one, password(&secret, "1:b"));
        assert_ne!(one, password(&Secret::new([8; 32]), "1:a"));
    }

    #[test]
    fn t4_no_name_is_good_for_longer_than_a_day() {
        let participant = ParticipantId::random();
        let credential = issuer(10 * 86_400).mint(participant, NOW);
        assert_eq!(holder(&credential.username, NOW), Some(participant), "the issuer keeps to the limit");
        assert_eq!(holder(&format!("{}:{participant}", NOW.as_secs() + 86_401), NOW), None);
        assert_eq!(holder(&format!("{}:{participant}", u64::MAX), NOW), None);
    }

    #[test]
    fn t5_malformed_names_have_no_holder() {
        let participant = ParticipantId::random();
        let long = "9".repeat(600);
        for name in ["", ":", "-1:x", "+1700000100", "18446744073709551616:x", "1700000100", "1700000100:", "1700000100:x", &long]
        {
            assert_eq!(holder(name, NOW), None, "{name:?}");
        }
        assert_eq!(holder(&format!("+1700000100:{participant}"), NOW), None);
        assert_eq!(holder(&format!("1700000100:{participant} "), NOW), None);
        assert_eq!(holder(&format!("1700000100:{participant}"), NOW), Some(participant));
    }

    #[test]
    fn names_of_other_software_are_good_with_its_secret_alone_and_cost_the_same_whether_they_are_good_or_not() {
        let shared = SharedSecret::new(&Secret::new(String::from("a secret of two programs")));
        let keys = Keys::new(Secret::new([7; 32]), Some(shared.clone()));
        let foreign = |name: &str| {
            let claims = keys.claims(name, NOW);
            assert_eq!(claims.len(), 2, "{name:?}");
            assert_eq!(claims[1].0, shared.password(name));
            claims[1].1
        };
        let long = format!("1700000100:{}", "x".repeat(MAX_FOREIGN_BYTES));
        for good in ["1700000100", "1700000100:", "1700000100:ada", "1700000100:a:b", "1700086400:ada", &long] {
            assert!(foreign(good).is_some(), "{good:?}");
        }
        let longer = format!("{long}x");
        for bad in ["", ":", ":ada", "ada", "+1700000100:ada", "-1:ada", "1700000000:ada", "1700086401:ada", "1e9:ada", &longer] {
            assert_eq!(foreign(bad), None, "{bad:?}");
        }
        assert_eq!(foreign("1700000100:ada"), foreign("1700000200:ada"), "a user is the same with every expiry");
        assert_ne!(foreign("1700000100:ada"), foreign("1700000100:ben"));
        assert_ne!(foreign("1700000100"), foreign("1700000200"), "who has no name can't be known again");
        assert_ne!(foreign("1700000100"), foreign("1700000200:1700000100"));

        let participant = ParticipantId::random();
        let claims = keys.claims(&format!("1700000100:{participant}"), NOW);
        assert_eq!(claims[0].1, Some(Holder::Participant(participant)));
        assert_eq!(claims[1].1.and_then(Holder::participant), None, "other software can't speak for our participants");
        let alone = Keys::new(Secret::new([7; 32]), None);
        assert_eq!(alone.claims("1700000100:ada", NOW).into_iter().map(|(_, holder)| holder).collect::<Vec<_>>(), [None]);
    }
}
