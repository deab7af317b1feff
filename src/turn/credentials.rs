//! Names and passwords for the relay, made from a secret and forgotten: nothing is stored for them.
//!
//! A name is `<expiry>:<participant>`, the expiry in whole seconds since 1970, and its password is the Base64 of an HMAC-SHA256
//! over the name. A participant id is random and belongs to one seat in one meeting, so a credential bound to it is bound to the
//! meeting as well. The meeting's code is left out on purpose: names travel in clear text, and the code lets people in.

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Timestamp;
use crate::ids::{ParticipantId, Secret};

mod shared_secret;

pub use shared_secret::SharedSecret;

/// The longest time that a credential may be good for. A name that expires later is refused, whoever made it.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

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

/// The password of `username`. Any text has one; whether the name is good is [`holder`]'s to say.
pub(super) fn password(secret: &Secret<[u8; 32]>, username: &str) -> String {
    BASE64.encode(&mac(secret.expose(), &[username.as_bytes()]))
}

/// Whose name this is, when it is well-formed and neither expired at `now` nor good for longer than [`MAX_TTL`].
pub(super) fn holder(username: &str, now: Timestamp) -> Option<ParticipantId> {
    let (expiry, participant) = username.split_once(':')?;
    // `parse` alone would take a sign as well.
    if !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let expiry: u64 = expiry.parse().ok()?;
    let in_time = expiry > now.as_secs() && expiry <= now.plus(MAX_TTL).as_secs();
    participant.parse().ok().filter(|_| in_time)
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
}
