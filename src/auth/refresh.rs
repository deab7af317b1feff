//! Refresh tokens: `<session>.<generation>.<mac>`.
//!
//! The text follows from the session and its generation, so nothing secret is stored, and two tabs that refresh at once are
//! given the same successor. Whether a generation is still good, the store says.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::keys::Key;
use crate::ids::{Secret, SessionId};

/// A refresh token that we made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    pub(super) generation: u64,
}

/// Writes and reads refresh tokens.
pub(super) struct RefreshTokens(Key);

impl RefreshTokens {
    pub(super) const fn new(key: Key) -> Self {
        Self(key)
    }

    pub(super) fn write(&self, token: RefreshToken) -> Secret<String> {
        let RefreshToken { session, generation } = token;
        let mac = BASE64URL_NOPAD.encode(&self.mac(token).finalize().into_bytes());
        Secret::new(format!("{session}.{generation}.{mac}"))
    }

    /// The token that `text` is, if it is one of ours in its one spelling.
    pub(super) fn read(&self, text: &str) -> Option<RefreshToken> {
        let mut parts = text.splitn(3, '.');
        let (session, generation, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let token = RefreshToken { session: session.parse().ok()?, generation: generation.parse().ok()? };
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        // Compares in constant time.
        self.mac(token).verify_slice(&mac).ok()?;
        (token.generation.to_string() == generation).then_some(token)
    }

    fn mac(&self, token: RefreshToken) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes keys of any length");
        mac.chain_update(b"hearth refresh").chain_update(token.session.as_bytes()).chain_update(token.generation.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> RefreshTokens {
        RefreshTokens::new(Secret::new([byte; 32]))
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = RefreshToken { session: SessionId::random(), generation: 41 };
        assert_eq!(tokens(1).read(tokens(1).write(token).expose()), Some(token));
    }

    #[test]
    fn a9_the_successor_is_the_same_whoever_writes_it() {
        let token = RefreshToken { session: SessionId::random(), generation: 2 };
        assert!(tokens(1).write(token) == tokens(1).write(token));
    }

    #[test]
    fn a7_no_part_can_be_changed() {
        let token = RefreshToken { session: SessionId::from_bytes([0; 10]), generation: 1 };
        let text = tokens(1).write(token).expose().clone();
        assert_eq!(tokens(2).read(&text), None, "another key's token was taken");
        for at in 0..text.len() {
            for other in ["a", "2", "A", ".", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                assert!(changed == text || tokens(1).read(&changed).is_none(), "{changed:?} was taken for {text:?}");
            }
        }
    }

    #[test]
    fn a_generation_has_one_spelling() {
        let text = tokens(1).write(RefreshToken { session: SessionId::random(), generation: 7 }).expose().clone();
        for spelling in [".07.", ".+7.", ". 7.", ".7 ."] {
            assert_eq!(tokens(1).read(&text.replacen(".7.", spelling, 1)), None, "{spelling:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", ".", "..", "...", "a.b.c", "aaaaaaaaaaaaaaaa.1.", "aaaaaaaaaaaaaaaa.99999999999999999999.AAAA"] {
            assert_eq!(tokens(1).read(text), None, "{text:?} was taken");
        }
    }
}
