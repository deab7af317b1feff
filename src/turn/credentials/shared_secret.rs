//! Credentials from a secret that a TURN server and other software share (draft-uberti-behave-turn-rest-00): the name is
//! `<expiry>:<anything>`, the password the Base64 of an HMAC-SHA1 over the name. It is what coturn calls `use-auth-secret`.

use std::time::Duration;

use data_encoding::BASE64;
use ring::hmac;

use super::{Credential, MAX_TTL};
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, Secret};

/// A secret that this program shares with other software. SHA-1 is what that software takes; an HMAC of it is sound all the same.
#[derive(Clone)]
pub struct SharedSecret {
    key: hmac::Key,
}

impl SharedSecret {
    /// The secret as it stands in the configuration of the other side.
    pub fn new(secret: &Secret<String>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes()) }
    }

    /// A credential for `participant`, good from `now` on for `ttl`, or for [`MAX_TTL`] when that is shorter.
    pub fn mint(&self, participant: ParticipantId, ttl: Duration, now: Timestamp) -> Credential {
        let expires_at = Timestamp::from_millis(now.plus(ttl.min(MAX_TTL)).as_secs() * 1000);
        let username = format!("{}:{participant}", expires_at.as_secs());
        let password = Secret::new(self.password(&username));
        Credential { username, password, expires_at }
    }

    /// The password of `username`. Any text has one.
    pub(in crate::turn) fn password(&self, username: &str) -> String {
        BASE64.encode(hmac::sign(&self.key, username.as_bytes()).as_ref())
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_that_other_software_makes() {
        // echo -n 1700003600:aeaqcaibaeaqcaib | openssl dgst -sha1 -hmac 'north wind' -binary | base64
        let secret = SharedSecret::new(&Secret::new(String::from("north wind")));
        let participant = ParticipantId::from_bytes([1; 10]);
        let credential = secret.mint(participant, Duration::from_secs(3600), Timestamp::from_millis(1_700_000_000_500));
        assert_eq!(credential.username, "1700003600:aeaqcaibaeaqcaib");
        assert_eq!(credential.password.expose(), "AG8gXaS9IdL8mcgssKf7TgFomFs=");
        assert_eq!(credential.expires_at, Timestamp::from_millis(1_700_003_600_000));
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[test]
    fn t4_no_name_is_good_for_longer_than_a_day() {
        let secret = SharedSecret::new(&Secret::new(String::from("north wind")));
        let credential = secret.mint(ParticipantId::random(), Duration::from_secs(10 * 86_400), Timestamp::from_millis(0));
        assert_eq!(credential.expires_at, Timestamp::from_millis(86_400_000));
    }
}
