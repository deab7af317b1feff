//! `[server]`

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::declare::section;
use super::is_public;
use super::value::{Malformed, written_as_text};
use crate::authority::{self, HTTPS_PORT};

section! {
    /// Where the server is found and where it keeps its data.
    Server, "server" {
        /// What this place is called. People see it on the first page.
        name: String = String::from("Hearth") => Live, Offered;
        /// Addresses and TCP ports to answer HTTPS on. On a machine without IPv6 the IPv6 ones are passed over.
        listen: Vec<SocketAddr> = both_families(8443);
        /// Addresses and TCP ports to answer plain HTTP on: it leads browsers to HTTPS, and lets a certificate authority look this
        /// server up on port 80. An empty list is none. On a machine without IPv6 the IPv6 ones are passed over.
        listen_http: Vec<SocketAddr> = Vec::new();
        /// The address that people type, when it is not simply this machine's: used in links and to check where requests
        /// come from. The certificate is for its name.
        public_url: Option<PublicUrl> = None, for example "https://meet.example.org" => Live, Offered;
        /// Whether browsers are told to use nothing but HTTPS for the name of `public_url`, as long as the certificate is good, a
        /// year at most. They are told so where that is a public name without a port, and the certificate is not of this server's
        /// own authority. It holds for every port of the name: write false where something else answers plain HTTP under it, and
        /// browsers forget it at their next visit.
        https_only: bool = true => Live;
        /// Pages of other sites that may use the API and the socket of this one, each by its whole origin. They sign in for
        /// themselves; the sign-ins of this site's own page are never theirs.
        cors_origins: Vec<WebOrigin> = Vec::new(), for example "[\"https://www.example.org\"]" => Live, Offered;
        /// The directory for everything that must outlive a restart. One server at a time may use it.
        data_dir: PathBuf = PathBuf::from("./data");
    }
}

/// The wildcard addresses of IPv4 and IPv6.
pub(super) fn both_families(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0_u16; 8], port))]
}

/// An HTTPS origin (RFC 6454): scheme, host and port, without a path. Written in lower case without the port 443.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    origin: String,
    host: String,
    port: u16,
}

impl PublicUrl {
    /// The origin, as browsers send it in `Origin`: `https://meet.example.org`, no slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The name or address alone; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name, if it is one that a public authority would vouch for, and there is no port.
    pub fn public_name(&self) -> Option<&str> {
        let host = self.host();
        (self.port == HTTPS_PORT && is_public(host) && host.parse::<std::net::IpAddr>().is_err()).then_some(host)
    }

    /// The port, 443 when none was written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is one of the internet, for which a public authority may vouch.
    pub fn is_of_the_internet(&self) -> bool {
        is_public(self.host())
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl FromStr for PublicUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed::new("an https address");
        let text = text.to_ascii_lowercase();
        let authority = text.strip_prefix("https://").ok_or(malformed)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0).ok_or(malformed)?),
            Some(_) | None => (authority, HTTPS_PORT),
        };
        if !is_host(host) {
            return Err(malformed);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { origin: format!("https://{}", authority::written(&host, port)), host, port })
    }
}

/// The origin of another site's page (RFC 6454), as browsers send it: scheme, host, and the port where it is not the usual one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// The origin as it stands in the header `Origin`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WebOrigin {
    type Err = Malformed;

    /// Plain `http:` is for a page on one's own machine, where one is being written: nobody can change it on the way.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if let Ok(url) = text.parse::<PublicUrl>() {
            return Ok(Self(url.origin));
        }
        let malformed = Malformed::new("the origin of a page");
        let lower = text.to_ascii_lowercase();
        let authority = lower.strip_prefix("http://").ok_or(malformed)?;
        let (host, port) = authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let port = port.map_or(Ok(80), |port| port.parse::<u16>().map_err(|_| malformed))?;
        if !matches!(host, "localhost" | "127.0.0.1") || port == 0 {
            return Err(malformed);
        }
        Ok(Self(if port == 80 { format!("http://{host}") } else { format!("http://{host}:{port}") }))
    }
}

/// Whether `text` is an address, in brackets when of IPv6, or a name of letters, digits, hyphens and dots.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

written_as_text!(PublicUrl, "an https address without a path", "write it like \"https://meet.example.org\"");
written_as_text!(
    WebOrigin,
    "the origin of a page",
    "write it like \"https://www.example.org\", without a path; each by itself, for * is none"
);
