//! What can go wrong with an authority, told so that somebody can mend it.

use instant_acme::Problem;

use super::super::{IdentityError, TlsError};

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority did not answer, or not as RFC 8555 wants it.
    #[error(
        "The certificate authority {authority} can't be asked: {what}. See that this machine can look up names and reach HTTPS \
         addresses outside, and that its clock is right."
    )]
    Unreachable {
        /// Its host.
        authority: String,
        /// What happened.
        what: String,
    },
    /// The authority came to look and did not find this server.
    #[error("The certificate authority did not find this server under {name}: {what}. {mend}")]
    NotFound {
        /// The name or address.
        name: String,
        /// What it found instead.
        what: String,
        /// What to do.
        mend: &'static str,
    },
    /// The authority refused.
    #[error("The certificate authority refuses: {what}. {mend}")]
    Refused {
        /// In its own words.
        what: String,
        /// What to do.
        mend: &'static str,
    },
    /// The authority offers no way to show that this is the server.
    #[error(
        "The certificate authority can't look this server up on port 443, and the server doesn't listen on port 80. Set \
         server.listen_http, or choose another authority with tls.acme_directory."
    )]
    NoWay,
    /// It takes too long.
    #[error("The certificate authority took too long. It is asked again later.")]
    TimedOut,
    /// What the authority sent is no certificate for this server.
    #[error("The certificate that the authority sent can't be used: {0}. Choose another authority with tls.acme_directory.")]
    Unusable(String),
    /// Something could not be made.
    #[error("{0}")]
    Local(#[from] TlsError),
}

impl From<IdentityError> for AcmeError {
    fn from(error: IdentityError) -> Self {
        Self::Unusable(error.to_string())
    }
}

const LOOKED_BY_TLS: &str =
    "See that the name leads to this machine, and that TCP port 443 leads from outside to an address of server.listen.";
const LOOKED_BY_HTTP: &str =
    "See that the name leads to this machine, and that TCP port 80 leads from outside to an address of server.listen_http.";

impl AcmeError {
    /// What the library says, in other words.
    pub(super) fn new(authority: &str, error: instant_acme::Error) -> Self {
        if let instant_acme::Error::Api(problem) = error {
            return Self::refused(&problem);
        }
        if let instant_acme::Error::Timeout(_) = error {
            return Self::TimedOut;
        }
        Self::Unreachable { authority: authority.to_owned(), what: error.to_string() }
    }

    /// What the authority says of its visit.
    pub(super) fn not_found(name: &str, by_http: bool, problem: Option<&Problem>) -> Self {
        let what = problem.map_or_else(|| String::from("it says no more"), told);
        Self::NotFound { name: name.to_owned(), what, mend: if by_http { LOOKED_BY_HTTP } else { LOOKED_BY_TLS } }
    }

    fn refused(problem: &Problem) -> Self {
        let mend = match kind(problem) {
            "externalAccountRequired" => "Get an account from it, and set tls.acme_eab_key_id and tls.acme_eab_key_file.",
            "rateLimited" => "There is nothing to do: it is asked again later.",
            "rejectedIdentifier" | "unsupportedIdentifier" => {
                "It gives no certificates for this name: correct server.public_url, or set tls.mode = \"local\"."
            }
            "invalidProfile" => "Correct tls.acme_profile.",
            "invalidContact" | "unsupportedContact" => "Correct tls.acme_contact.",
            "caa" => "Change the CAA record of the name so that it allows this authority.",
            "unauthorized" => {
                "If the account with it was closed, remove tls/acme/account.json from the data directory, and the next attempt makes \
                 another."
            }
            "dns" => "See that the name leads to this machine.",
            _ => "It is asked again later.",
        };
        Self::Refused { what: told(problem), mend }
    }
}

/// Whether the account is of no use any more: the authority does not know it, or one of the two has closed it (RFC 8555 §7.3.6).
pub(super) fn is_lost_account(error: &instant_acme::Error) -> bool {
    let instant_acme::Error::Api(problem) = error else { return false };
    match kind(problem) {
        "accountDoesNotExist" => true,
        // Said of much else as well; only the words tell.
        "unauthorized" => {
            let words = told(problem).to_ascii_lowercase();
            words.contains("account") && ["deactivated", "revoked"].iter().any(|state| words.contains(state))
        }
        _ => false,
    }
}

/// Whether the authority would rather not hear which certificate is to be replaced.
pub(super) fn is_about_replacing(error: &instant_acme::Error) -> bool {
    if let instant_acme::Error::Api(problem) = error {
        return matches!(kind(problem), "alreadyReplaced" | "malformed" | "conflict" | "serverInternal");
    }
    matches!(error, instant_acme::Error::Unsupported(_) | instant_acme::Error::Other(_))
}

/// The last part of the problem's type (RFC 8555 §6.7).
fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().and_then(|name| name.rsplit(':').next()).unwrap_or_default()
}

/// The problem in the authority's words, on one line and not endless.
fn told(problem: &Problem) -> String {
    let mut parts: Vec<&str> = problem.detail.as_deref().into_iter().collect();
    parts.extend(problem.subproblems.iter().filter_map(|part| part.detail.as_deref()));
    if parts.is_empty() {
        parts.push(kind(problem));
    }
    let text = parts.join("; ");
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    text.trim_end_matches('.').to_owned()
}
