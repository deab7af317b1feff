//! The types that a key can have: how each is read from TOML and from a variable, and how its default is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use toml::Value;

use super::credentials;

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// What is expected, with its article: "a number".
    const KIND: &'static str;
    /// How to write one.
    const MEND: &'static str;

    /// The value, or one sentence for each thing that is wrong with it.
    fn from_value(value: &Value) -> Result<Self, Vec<String>>;

    /// What a variable of the environment says, as it would stand in the file.
    fn from_text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// The value as it stands in the file; `None` when it is left out.
    fn to_value(&self) -> Option<Value>;

    /// The value as an administrator may see it: with nothing secret in it.
    fn to_shown(&self) -> Option<Value> {
        self.to_value()
    }
}

/// Says that `value` is something else than a `T`.
pub(super) fn wrong<T: Setting>(value: &Value) -> Vec<String> {
    vec![format!("{value} is not {}", T::KIND)]
}

impl Setting for bool {
    const KIND: &'static str = "true or false";
    const MEND: &'static str = "write true or false";

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        value.as_bool().ok_or_else(|| wrong::<Self>(value))
    }

    fn from_text(text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean)
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::Boolean(*self))
    }
}

impl Setting for u32 {
    const KIND: &'static str = "a whole number";
    const MEND: &'static str = "write a whole number, without quotes or unit";

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        value.as_integer().and_then(|number| number.try_into().ok()).ok_or_else(|| wrong::<Self>(value))
    }

    fn from_text(text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer)
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::Integer((*self).into()))
    }
}

impl Setting for String {
    const KIND: &'static str = "text";
    const MEND: &'static str = "write it in quotes";

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        value.as_str().map(Self::from).ok_or_else(|| wrong::<Self>(value))
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }
}

impl Setting for PathBuf {
    const KIND: &'static str = "a path";
    const MEND: &'static str = "write the path in quotes";

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        value.as_str().map(credentials::path).ok_or_else(|| wrong::<Self>(value))
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::String(self.display().to_string()))
    }
}

/// A key that may be left out.
impl<T: Setting> Setting for Option<T> {
    const KIND: &'static str = T::KIND;
    const MEND: &'static str = T::MEND;

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        T::from_value(value).map(Some)
    }

    fn from_text(text: &str) -> Value {
        T::from_text(text)
    }

    fn to_value(&self) -> Option<Value> {
        self.as_ref().and_then(T::to_value)
    }

    fn to_shown(&self) -> Option<Value> {
        self.as_ref().and_then(T::to_shown)
    }
}

/// A list; in a variable its parts stand with commas between them.
impl<T: Setting> Setting for Vec<T> {
    const KIND: &'static str = "a list";
    const MEND: &'static str = T::MEND;

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        let parts = value.as_array().ok_or_else(|| wrong::<Self>(value))?;
        let (mut list, mut wrongs) = (Self::new(), Vec::new());
        for part in parts {
            match T::from_value(part) {
                Ok(item) => list.push(item),
                Err(more) => wrongs.extend(more),
            }
        }
        if wrongs.is_empty() { Ok(list) } else { Err(wrongs) }
    }

    fn from_text(text: &str) -> Value {
        Value::Array(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::from_text).collect())
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::Array(self.iter().filter_map(T::to_value).collect()))
    }
}

/// Makes a type a setting that is written as text and read with its [`FromStr`].
macro_rules! written_as_text {
    ($type:ty, $kind:literal, $mend:literal) => {
        impl $crate::config::value::Setting for $type {
            const KIND: &'static str = $kind;
            const MEND: &'static str = $mend;

            fn from_value(value: &toml::Value) -> Result<Self, Vec<String>> {
                let parsed = value.as_str().and_then(|text| text.trim().parse().ok());
                parsed.ok_or_else(|| $crate::config::value::wrong::<Self>(value))
            }

            fn to_value(&self) -> Option<toml::Value> {
                Some(toml::Value::String(self.to_string()))
            }
        }
    };
}
pub(super) use written_as_text;

/// Makes an enum of words a setting.
macro_rules! choice {
    ($type:ty, $kind:literal, $mend:literal, $($word:literal => $variant:ident),+) => {
        impl $crate::config::value::Setting for $type {
            const KIND: &'static str = $kind;
            const MEND: &'static str = $mend;

            fn from_value(value: &toml::Value) -> Result<Self, Vec<String>> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    Some(_) | None => Err($crate::config::value::wrong::<Self>(value)),
                }
            }

            fn to_value(&self) -> Option<toml::Value> {
                let word = match self {
                    $(Self::$variant => $word,)+
                };
                Some(toml::Value::String(word.to_owned()))
            }
        }
    };
}
pub(super) use choice;

written_as_text!(SocketAddr, "an address with a port", "write it like \"0.0.0.0:8443\" or \"[::]:8443\"");
written_as_text!(Ipv4Addr, "an IPv4 address", "write it like \"203.0.113.7\"");
written_as_text!(Ipv6Addr, "an IPv6 address", "write it like \"2001:db8::10\"");
written_as_text!(PortRange, "a range of ports", "write it like \"49152-65535\", the smaller one first");
written_as_text!(Cidr, "a range of addresses", "write it like \"10.1.0.0/16\", with no bits set after the prefix");

/// Text that is not what its type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not {0}")]
pub struct Malformed(&'static str);

impl Malformed {
    pub(super) const fn new(expected: &'static str) -> Self {
        Self(expected)
    }
}

/// UDP ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The smallest.
    pub first: u16,
    /// The largest, never smaller than `first`.
    pub last: u16,
}

impl PortRange {
    /// How many ports there are.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Whether `port` is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for PortRange {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed::new("a range of ports");
        let (first, last) = text.split_once('-').ok_or(malformed)?;
        let port = |text: &str| text.trim().parse().map_err(|_| malformed);
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first <= range.last { Ok(range) } else { Err(malformed) }
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A range of IP addresses as RFC 4632 writes it; an address alone means only itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The first address of the range.
    pub address: IpAddr,
    /// How many leading bits all addresses of the range share.
    pub prefix: u8,
}

impl Cidr {
    /// Whether `address` lies in the range. An IPv4 address inside an IPv6 one (`::ffff:0:0/96`) counts as itself.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => leading(ours.to_bits().into(), theirs.to_bits().into(), 32, self.prefix),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => leading(ours.to_bits(), theirs.to_bits(), 128, self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether the first `prefix` of `width` bits are the same.
fn leading(one: u128, other: u128, width: u8, prefix: u8) -> bool {
    (one ^ other).checked_shr(u32::from(width - prefix.min(width))).unwrap_or(0) == 0
}

impl FromStr for Cidr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed::new("a range of addresses");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| malformed)?;
        let (bits, width): (u128, u8) = match address {
            IpAddr::V4(address) => (address.to_bits().into(), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let prefix = prefix.map_or(Ok(width), |prefix| prefix.parse().map_err(|_| malformed))?;
        let host_bits = 1_u128.checked_shl(u32::from(width.saturating_sub(prefix))).map_or(u128::MAX, |bit| bit - 1);
        if prefix > width || bits & host_bits != 0 { Err(malformed) } else { Ok(Self { address, prefix }) }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}
