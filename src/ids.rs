//! Names for things, and wrappers for what must not be printed.
//!
//! Every id is a type of its own, so that a participant can't be passed where a room is meant. Ids that come from outside are
//! parsed here and nowhere else.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding, HEXLOWER, Specification};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Text that is not an id of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a valid {0}")]
pub struct InvalidId(&'static str);

/// Bytes from the operating system's generator. The one source of randomness in the program.
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the system's randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness: without it no key or id may be made");
    bytes
}

/// Crockford's base 32 in lower case: no i, l, o or u to misread.
static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.encoding().expect("the alphabet has 32 distinct symbols")
});

/// A meeting's code: 60 random bits, written `abcd-efgh-jkmn`.
///
/// Read leniently, as people type it: case, spaces and hyphens don't matter, and `o`, `i`, `l` mean `0`, `1`, `1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, type = "string & { readonly is: 'RoomId' }"))]
pub struct RoomId([u8; 12]);

impl RoomId {
    /// A new code that nobody can guess.
    pub fn random() -> Self {
        let text = CROCKFORD.encode(&random_bytes::<10>());
        let mut code = [0; 12];
        code.copy_from_slice(&text.as_bytes()[..12]);
        Self(code)
    }

    /// A short name for the log, by which lines about one meeting are found and nobody gets in: the beginning of a digest.
    pub fn label(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0)[..4])
    }

    fn symbols(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII symbols are ever stored")
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols = self.symbols();
        write!(f, "{}-{}-{}", &symbols[..4], &symbols[4..8], &symbols[8..])
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RoomId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const INVALID: InvalidId = InvalidId("meeting code");
        let mut code = [0; 12];
        let mut length = 0;
        for symbol in text.trim().chars().filter(|symbol| !matches!(symbol, '-' | ' ')) {
            let symbol = match symbol.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            let slot = code.get_mut(length).ok_or(INVALID)?;
            *slot = u8::try_from(symbol).map_err(|_| INVALID)?;
            if !symbol.is_ascii_alphanumeric() || symbol == 'u' {
                return Err(INVALID);
            }
            length += 1;
        }
        if length == code.len() { Ok(Self(code)) } else { Err(INVALID) }
    }
}

/// Defines an id of 80 random bits, written as 16 lower-case letters and digits.
macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $brand:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(export, type = $brand))]
        pub struct $name([u8; 10]);

        impl $name {
            /// A new id that nobody can guess.
            pub fn random() -> Self {
                Self(random_bytes())
            }

            /// The id as bytes, for keys in the store.
            pub const fn as_bytes(&self) -> &[u8; 10] {
                &self.0
            }

            /// The id that these bytes are.
            pub const fn from_bytes(bytes: [u8; 10]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId($kind);
                if text.len() != 16 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(invalid);
                }
                let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| invalid)?;
                bytes.try_into().map(Self).map_err(|_| invalid)
            }
        }
    };
}

random_id!(
    /// One seat in one meeting. It stays the same when the person's connection drops and comes back.
    ParticipantId, "participant id", "string & { readonly is: 'ParticipantId' }"
);
random_id!(
    /// An account.
    UserId, "user id", "string & { readonly is: 'UserId' }"
);
random_id!(
    /// One sign-in on one device: the family of its refresh tokens.
    SessionId, "session id", "string & { readonly is: 'SessionId' }"
);

/// One WebSocket, for as long as it lives. Unique within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A value that is never printed: passwords, keys, tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Search for this name to see where secrets are used.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A person's datum (an address, a name, an e-mail address) that logs may show only in part.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redacted<T>(pub T);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Redacted<std::net::IpAddr> {
    /// An address without the part that tells one person from the neighbours: /24 of IPv4, /48 of IPv6.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_canonical() {
            std::net::IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                write!(f, "{a}.{b}.{c}.0/24")
            }
            std::net::IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                write!(f, "{a:x}:{b:x}:{c:x}::/48")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_code_is_read_as_people_type_it() {
        let code: RoomId = "abcd-efgh-jkm0".parse().unwrap();
        assert_eq!(" ABCD efgh jkmO ".parse(), Ok(code));
        assert_eq!(code.to_string(), "abcd-efgh-jkm0");
    }

    #[test]
    fn room_code_refuses_what_is_none() {
        for text in ["", "abcd", "abcd-efgh-jkmn-p", "abcd-efgh-jkm!", "abcd-efgh-jkmü", "uuuu-uuuu-uuuu", "../../etc/passwd"] {
            assert!(text.parse::<RoomId>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_meetings_label_is_its_own_and_tells_nothing_of_its_code() {
        let code: RoomId = "abcd-efgh-jkm0".parse().unwrap();
        assert_eq!((code.label().len(), code.label()), (8, code.label()));
        assert_ne!(code.label(), RoomId::random().label());
        assert!(!code.to_string().contains(&code.label()));
    }

    #[test]
    fn random_ids_round_trip_and_differ() {
        let (one, two) = (UserId::random(), UserId::random());
        assert_ne!(one, two);
        assert_eq!(one.to_string().parse(), Ok(one));
        assert!(one.to_string().to_uppercase().parse::<UserId>().is_err());
        assert_ne!(RoomId::random(), RoomId::random());
    }

    #[test]
    fn secrets_and_addresses_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
        let address: std::net::IpAddr = "203.0.113.77".parse().unwrap();
        assert_eq!(Redacted(address).to_string(), "203.0.113.0/24");
        assert_eq!(format!("{:?}", Redacted(address)), "[redacted]");
    }
}
