//! `[tls]`

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::declare::section;
use super::problem::Problem;
use super::value::{Malformed, choice, written_as_text};
use super::{Confidential, Server, is_public};
use crate::authority::HTTPS_PORT;
use crate::ids::Secret;

section! {
    /// The certificate that browsers see.
    Tls, "tls" {
        /// Where it comes from: "acme" for a certificate authority such as Let's Encrypt, which renews it for nothing; "local" for an
        /// authority of this server's own, which people's devices must be told to trust; "files" for your own files. "auto" takes
        /// the files if they are named, asks the authority if server.public_url names a public name or address without another
        /// port than 443, and is "local" otherwise.
        mode: TlsMode = TlsMode::Auto => Live, Offered;
        /// Your own certificate, followed by those that vouch for it (PEM). Read again when it changes.
        certificate_file: Option<PathBuf> = None, for example "/etc/hearth/certificate.pem" => Live;
        /// The key of that certificate (PEM).
        key_file: Option<PathBuf> = None, for example "/etc/hearth/key.pem" => Live;
        /// Whom to ask for a certificate: the directory of an authority that speaks ACME. It comes to see this server on port 443, or
        /// on port 80 where server.listen_http is set. By asking, you agree to its terms.
        acme_directory: HttpsAddress = HttpsAddress::lets_encrypt() => Live;
        /// The e-mail address that the authority may write to.
        acme_contact: Option<String> = None, for example "admin@example.org" => Live, Offered;
        /// Which of the authority's kinds of certificates to ask for, where it has several.
        acme_profile: Option<String> = None, for example "shortlived" => Live;
        /// A file with the certificate of the authority's own server (PEM), where browsers don't trust it.
        acme_root_file: Option<PathBuf> = None, for example "/etc/hearth/acme-root.pem" => Live;
        /// What the authority calls your account with it, where it wants one beforehand (external account binding).
        acme_eab_key_id: Option<String> = None, for example "kid-1" => Live;
        /// The file with the key of that account, as the authority tells it (base64).
        acme_eab_key_file: Option<PathBuf> = None, for example "/etc/hearth/acme-eab-key" => Live;
        /// How long to wait after a first failure until the authority is asked again, in seconds. The pause doubles each time, up
        /// to a day, and is shorter when the certificate expires before.
        acme_retry_seconds: u32 = 900 => Live;
    }
}

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Whatever fits the other settings.
    Auto,
    /// An authority that speaks ACME.
    Acme,
    /// This server's own authority.
    Local,
    /// Files of the administrator.
    Files,
}
choice!(
    TlsMode, "\"auto\", \"acme\", \"local\" or \"files\"", "write \"auto\", \"acme\", \"local\" or \"files\"",
    "auto" => Auto, "acme" => Acme, "local" => Local, "files" => Files
);

/// The address of something that is asked over HTTPS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpsAddress(String);

impl HttpsAddress {
    fn lets_encrypt() -> Self {
        Self(String::from("https://acme-v02.api.letsencrypt.org/directory"))
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HttpsAddress {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed::new("an https address");
        let rest = text.strip_prefix("https://").ok_or(malformed)?;
        let authority = rest.split('/').next().unwrap_or_default();
        // What stands before the path is what server.public_url takes as well.
        let _: super::PublicUrl = format!("https://{authority}").parse().map_err(|_| malformed)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte));
        if is_plain { Ok(Self(text.to_owned())) } else { Err(malformed) }
    }
}

written_as_text!(HttpsAddress, "an https address", "write it like \"https://acme-v02.api.letsencrypt.org/directory\"");

impl Tls {
    /// Where the certificate comes from on a server like this, which is not [`TlsMode::Auto`] any more.
    pub fn chosen(&self, server: &Server) -> TlsMode {
        if self.mode != TlsMode::Auto {
            return self.mode;
        }
        if self.certificate_file.is_some() && self.key_file.is_some() {
            return TlsMode::Files;
        }
        let public = server.public_url.as_ref().filter(|url| url.port() == HTTPS_PORT && is_public(url.host()));
        if public.is_some() { TlsMode::Acme } else { TlsMode::Local }
    }

    /// The key of the account that the administrator has with the authority already, if there is one.
    ///
    /// # Errors
    /// When the file can't be read, or holds no key.
    pub fn eab_key(&self) -> Result<Option<Secret<Vec<u8>>>, Problem> {
        let Some(path) = &self.acme_eab_key_file else { return Ok(None) };
        let text = Confidential::File(path.clone()).reveal()?;
        let key = decode(text.expose()).ok_or_else(|| {
            let mend = "write the key into the file as the authority tells it, in base64";
            Problem::new("tls.acme_eab_key_file", "there is no key in it", mend)
        })?;
        Ok(Some(Secret::new(key)))
    }
}

/// Authorities tell keys in base64 of either alphabet, with and without the signs at its end.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
    data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load_text;
    use crate::config::{Config, Overrides};

    fn chosen(lines: &str) -> TlsMode {
        let config = load_text(lines, &[], Overrides::default()).unwrap();
        config.tls.chosen(&config.server)
    }

    #[test]
    fn o2_auto_asks_an_authority_for_what_one_would_vouch_for_only() {
        for (url, mode) in [
            ("https://meet.hearth-club.net", TlsMode::Acme),
            ("https://meet.hearth-club.net:443", TlsMode::Acme),
            ("https://8.8.4.4", TlsMode::Acme),
            ("https://[2606:4700::1111]", TlsMode::Acme),
            ("https://meet.hearth-club.net:8443", TlsMode::Local),
            ("https://meet.example.org", TlsMode::Local),
            ("https://meet.local", TlsMode::Local),
            ("https://hearth.home.arpa", TlsMode::Local),
            ("https://hearth", TlsMode::Local),
            ("https://192.168.1.10", TlsMode::Local),
            ("https://100.64.0.1", TlsMode::Local),
            ("https://[fd00::1]", TlsMode::Local),
            ("https://[2001:db8::1]", TlsMode::Local),
        ] {
            assert_eq!(chosen(&format!("[server]\npublic_url = \"{url}\"")), mode, "{url}");
        }
        assert_eq!(chosen(""), TlsMode::Local);
        let files = "certificate_file = \"c.pem\"\nkey_file = \"k.pem\"";
        assert_eq!(chosen(&format!("[server]\npublic_url = \"https://meet.hearth-club.net\"\n[tls]\n{files}")), TlsMode::Files);
        assert_eq!(Config::default().tls.chosen(&Config::default().server), TlsMode::Local);
    }

    #[test]
    fn the_key_of_an_external_account_is_taken_as_authorities_tell_it() {
        for text in ["-_8", "-_8=", "+/8=", "+/8\n"] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff]), "{text:?}");
        }
        assert_eq!((decode(""), decode("no key at all")), (None, None));
    }

    #[test]
    fn the_directory_is_an_https_address() {
        for good in ["https://localhost:14000/dir", "https://acme.zerossl.com/v2/DV90", "https://[::1]:14000/dir?x=1"] {
            assert_eq!(good.parse::<HttpsAddress>().unwrap().as_str(), good);
        }
        for bad in ["http://localhost/dir", "https://", "https://a b/", "https:///dir", "https://u:p@host/", "https://h/\u{e4}"] {
            assert!(bad.parse::<HttpsAddress>().is_err(), "{bad}");
        }
    }
}
