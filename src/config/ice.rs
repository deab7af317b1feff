//! `[ice]`: servers of others, and secrets that stand in the file or in one of their own.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use toml::{Table, Value};

use super::credentials;
use super::declare::{closest, section};
use super::problem::Problem;
use super::server::is_host;
use super::value::{Malformed, Setting};
use crate::ids::Secret;

section! {
    /// STUN and TURN servers of others.
    Ice, "ice" {
        /// Handed out beside the relay inside, or instead of it with relay.enabled = false. Each is a table `[[ice.servers]]`
        /// with `urls` and, where there is a TURN server among them, either `username` and `password`, or the `secret` that
        /// the server makes passwords from (coturn's static-auth-secret). `password_file` and `secret_file` name a file that
        /// holds it instead. Names made from a secret are good for `ttl_seconds`, 3600 when it is left out.
        servers: IceServers = IceServers::default(), for example "[{ urls = [\"turn:turn.example.org:3478\"], secret_file = \"/etc/hearth/turn-secret\" }]" => Live, Offered;
    }
}

/// From a minute, so that a call can be set up, to a day.
const TTL_SECONDS: std::ops::RangeInclusive<i64> = 60..=86_400;
const DEFAULT_TTL_SECONDS: u32 = 3600;
/// What stands in the place of a password or a secret that is not shown.
pub const HIDDEN: &str = "(hidden)";
/// What a file with a password or a secret may hold at most, in bytes.
const MAX_SECRET_BYTES: u64 = 4096;

/// The servers, in the order in which they are handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServers(pub Vec<IceServer>);

/// One entry of what browsers are told to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// Its addresses, at least one.
    pub urls: Vec<IceUrl>,
    /// How it is opened.
    pub access: IceAccess,
}

/// How a server is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceAccess {
    /// By asking: it is STUN alone.
    Open,
    /// With one name for everybody.
    Password {
        /// The name.
        username: String,
        /// What belongs to it.
        password: Confidential,
    },
    /// With a name for each participant, made from a secret that the server knows as well.
    SharedSecret {
        /// The secret.
        secret: Confidential,
        /// How long a name is good.
        ttl_seconds: u32,
    },
}

/// Something that nobody should read over an administrator's shoulder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confidential {
    /// It stands in the configuration.
    Inline(Secret<String>),
    /// It stands in a file of its own.
    File(PathBuf),
}

impl Confidential {
    /// The thing itself, read from its file where it has one; white space around it is no part of it.
    ///
    /// # Errors
    /// When the file can't be read, or is empty, or too large to be what it should.
    pub fn reveal(&self) -> Result<Secret<String>, Problem> {
        let path = match self {
            Self::Inline(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let refuse = |what: &str| {
            Problem::new(path.display().to_string(), what, "name a file that this user may read, with the secret on its one line")
        };
        let size = std::fs::metadata(path).map_err(|error| refuse(&format!("the file can't be read: {error}")))?.len();
        if size > MAX_SECRET_BYTES {
            return Err(refuse("the file is too large for a secret"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| refuse(&format!("the file can't be read: {error}")))?;
        let secret = text.trim();
        if secret.is_empty() { Err(refuse("the file is empty")) } else { Ok(Secret::new(secret.to_owned())) }
    }
}

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// STUN by UDP.
    Stun,
    /// STUN over TLS.
    Stuns,
    /// TURN by UDP, or by TCP.
    Turn,
    /// TURN over TLS.
    Turns,
}

impl Scheme {
    const fn needs_a_name(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }
}

/// The address of a STUN or TURN server, as RFC 7064 and RFC 7065 write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceUrl {
    /// What is spoken there.
    pub scheme: Scheme,
    /// Its name or address, an IPv6 address in brackets.
    pub host: String,
    /// Its port; 3478, or 5349 with TLS, when none was written.
    pub port: u16,
    text: String,
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for IceUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed::new("the address of a STUN or TURN server");
        let (scheme, rest) = text.split_once(':').ok_or(malformed)?;
        let (scheme, port) = match scheme {
            "stun" => (Scheme::Stun, 3478),
            "stuns" => (Scheme::Stuns, 5349),
            "turn" => (Scheme::Turn, 3478),
            "turns" => (Scheme::Turns, 5349),
            _ => return Err(malformed),
        };
        let authority = match rest.split_once('?') {
            None => rest,
            Some((authority, "transport=udp" | "transport=tcp")) if scheme.needs_a_name() => authority,
            Some(_) => return Err(malformed),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0).ok_or(malformed)?),
            Some(_) | None => (authority, port),
        };
        if !is_host(host) {
            return Err(malformed);
        }
        Ok(Self { scheme, host: host.to_owned(), port, text: text.to_owned() })
    }
}

impl IceServer {
    /// What the server is, without its password or secret: whether there is one, and where it lies, shows.
    fn shown(&self) -> Table {
        let mut table = Table::new();
        let mut add = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
        add("urls", Value::Array(self.urls.iter().map(|url| Value::String(url.to_string())).collect()));
        let confidential = match &self.access {
            IceAccess::Open => None,
            IceAccess::Password { username, password } => {
                add("username", Value::String(username.clone()));
                Some(("password", password))
            }
            IceAccess::SharedSecret { secret, ttl_seconds } => {
                add("ttl_seconds", Value::Integer((*ttl_seconds).into()));
                Some(("secret", secret))
            }
        };
        match confidential {
            Some((key, Confidential::Inline(_))) => add(key, Value::String(String::from(HIDDEN))),
            Some((key, Confidential::File(path))) => add(&format!("{key}_file"), Value::String(path.display().to_string())),
            None => {}
        }
        table
    }
}

impl Setting for IceServers {
    const KIND: &'static str = "a list of servers";
    const MEND: &'static str = "write [[ice.servers]] with urls = [\"turn:turn.example.org:3478\"] and with username and password, or \
                                with secret; in a variable write [{ urls = [\"…\"], secret = \"…\" }]";

    fn from_value(value: &Value) -> Result<Self, Vec<String>> {
        let tables = value.as_array().ok_or_else(|| vec![format!("this is not {}", Self::KIND)])?;
        let (mut servers, mut wrongs) = (Vec::new(), Vec::new());
        for (number, table) in (1..).zip(tables) {
            let mut fields = Fields { table: table.as_table().cloned(), wrongs: Vec::new() };
            servers.extend(fields.server());
            wrongs.extend(fields.wrongs.into_iter().map(|wrong| format!("server {number}: {wrong}")));
        }
        if wrongs.is_empty() { Ok(Self(servers)) } else { Err(wrongs) }
    }

    fn from_text(text: &str) -> Value {
        let parsed = format!("servers = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("servers"));
        parsed.unwrap_or_else(|| Value::String(text.to_owned()))
    }

    fn to_value(&self) -> Option<Value> {
        // There is no default to write, and what an administrator wrote is not to be shown.
        None
    }

    fn to_shown(&self) -> Option<Value> {
        let servers: Vec<Value> = self.0.iter().map(|server| Value::Table(server.shown())).collect();
        if servers.is_empty() { None } else { Some(Value::Array(servers)) }
    }
}

/// The keys of one server, taken one by one, and what is wrong with them. No value stands in a message: it may be a secret.
struct Fields {
    table: Option<Table>,
    wrongs: Vec<String>,
}

impl Fields {
    /// The server; without a complaint it is complete.
    fn server(&mut self) -> Option<IceServer> {
        if self.table.is_none() {
            self.wrong::<()>("this is not a table");
            return None;
        }
        let urls = self.urls();
        let (username, ttl) = (self.text("username"), self.ttl_seconds());
        let password = self.confidential("password", "password_file");
        let secret = self.confidential("secret", "secret_file");
        self.unknown();
        let turns = urls.iter().any(|url| url.scheme.needs_a_name());
        let has_ttl = ttl.is_some();
        let access = match (username, password, secret) {
            (None, None, None) => Some(IceAccess::Open),
            (Some(username), Some(password), None) => Some(IceAccess::Password { username, password }),
            (None, None, Some(secret)) => {
                Some(IceAccess::SharedSecret { secret, ttl_seconds: ttl.unwrap_or(DEFAULT_TTL_SECONDS) })
            }
            (_, _, Some(_)) => self.wrong("secret stands beside username or password; keep one of the two"),
            (Some(_), None, None) => self.wrong("username is there without password"),
            (None, Some(_), None) => self.wrong("password is there without username"),
        };
        match &access {
            // What was said of the parts says it all.
            _ if !self.wrongs.is_empty() => {}
            Some(IceAccess::Open) if turns => {
                self.wrong::<()>("a turn: address needs username and password, or secret");
            }
            Some(IceAccess::Password { .. } | IceAccess::SharedSecret { .. }) if !turns => {
                self.wrong::<()>("there is a password or a secret, but no turn: address to use it");
            }
            Some(IceAccess::Open | IceAccess::Password { .. }) if has_ttl => {
                self.wrong::<()>("ttl_seconds is for names made from a secret, and there is no secret");
            }
            Some(_) | None => {}
        }
        access.map(|access| IceServer { urls, access })
    }

    fn wrong<T>(&mut self, what: impl Into<String>) -> Option<T> {
        self.wrongs.push(what.into());
        None
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.table.as_mut()?.remove(key)
    }

    fn urls(&mut self) -> Vec<IceUrl> {
        let urls = match self.take("urls") {
            Some(Value::Array(urls)) if !urls.is_empty() => urls,
            Some(_) => return self.wrong("urls is not a list of addresses").unwrap_or_default(),
            None => return self.wrong("urls is missing").unwrap_or_default(),
        };
        let parsed = urls.iter().map(|url| (url, url.as_str().and_then(|text| text.parse().ok())));
        let (good, bad): (Vec<_>, Vec<_>) = parsed.partition(|(_, parsed)| parsed.is_some());
        for (url, _) in bad {
            // Some write name and password into an address.
            let shown = if url.to_string().contains('@') { String::from("an address with @") } else { url.to_string() };
            self.wrong::<()>(format!(
                "{shown} is no address such as \"turn:turn.example.org:3478\" or \"stun:stun.example.org\""
            ));
        }
        good.into_iter().filter_map(|(_, url)| url).collect()
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)?.as_str() {
            Some(HIDDEN) => self.wrong(format!("{key} has to be written again, since the addresses are others")),
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            Some(_) | None => self.wrong(format!("{key} is not text in quotes, or empty")),
        }
    }

    fn confidential(&mut self, key: &str, file_key: &str) -> Option<Confidential> {
        match (self.text(key), self.text(file_key)) {
            (None, None) => None,
            (Some(text), None) => Some(Confidential::Inline(Secret::new(text))),
            (None, Some(path)) => Some(Confidential::File(credentials::path(&path))),
            (Some(_), Some(_)) => self.wrong(format!("{key} and {file_key} are both there; keep one")),
        }
    }

    fn ttl_seconds(&mut self) -> Option<u32> {
        match self.take("ttl_seconds")?.as_integer().filter(|ttl| TTL_SECONDS.contains(ttl)).map(u32::try_from) {
            Some(Ok(ttl)) => Some(ttl),
            Some(Err(_)) | None => self.wrong("ttl_seconds is not a number from 60 to 86400"),
        }
    }

    fn unknown(&mut self) {
        const KEYS: [&str; 7] = ["urls", "username", "password", "password_file", "secret", "secret_file", "ttl_seconds"];
        for key in self.table.take().unwrap_or_default().into_iter().map(|(key, _)| key) {
            let near = closest(&key, KEYS.into_iter()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            self.wrong::<()>(format!("there is no key {key}{near}"));
        }
    }
}
