//! A certificate and its key in files of the administrator, which other programs write anew from time to time.
//!
//! The files are looked at again and again, because nothing else works everywhere: certbot changes where links lead, Kubernetes
//! changes a link further up, others write into the file or rename another one over it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Identity, IdentityError};
use crate::clock::Timestamp;

/// Larger files are none of these.
const MAX_BYTES: u64 = 1024 * 1024;

/// Files with a certificate and its key.
#[derive(Debug)]
pub struct Supplied {
    certificate: PathBuf,
    key: PathBuf,
    /// How the files were when they were read last, whatever was found in them.
    read: Option<Stamps>,
    /// How they were when it was told last that they can't be used.
    told: Option<Stamps>,
    /// How the files were at the last look.
    seen: Option<Stamps>,
    /// Whether every user of this machine could read the key at the last look.
    exposed: bool,
}

/// What came of looking at the files.
#[derive(Debug)]
pub enum Change {
    /// They are as they were.
    None,
    /// They hold another certificate, which is good to use.
    New(Identity),
    /// They have changed, have come to rest, and are of no use. Told once for each change; what serves goes on serving.
    Unusable(SuppliedError),
}

/// Why the files can't be used, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SuppliedError {
    /// A file isn't there.
    #[error("{0} is missing; put the file there, or name another in the section [tls]")]
    Missing(PathBuf),
    /// A file can't be read.
    #[error("{path} can't be read: {source}; let the user that Hearth runs as read it, and every directory above it be entered")]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files don't hold what they should.
    #[error("{certificate} and {key} can't be used: {source}")]
    Unusable {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What is wrong with them.
        source: IdentityError,
    },
    /// Something is writing them at this moment.
    #[error("{0} was changed while it was read; it is read again soon")]
    InMotion(PathBuf),
}

/// What is to be said of a certificate that serves all the same, each with its mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// It is over, since this time.
    Expired(Timestamp),
    /// It begins at this time only.
    NotYetValid(Timestamp),
    /// It is not good for the name by which people know this server.
    OtherHost {
        /// That name.
        host: String,
        /// What the certificate is good for.
        names: Vec<String>,
    },
    /// Every user of this machine may read its key.
    ///
    /// A warning and no refusal: the key may have become readable by a renewal, and then refusing would take the place down months
    /// later, when nobody thinks of it. Readers by group are none of our business, since that is how one lets a server read it.
    ExposedKey(PathBuf),
}

impl Supplied {
    /// The files of these names. Nothing is read yet.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, read: None, told: None, seen: None, exposed: false }
    }

    /// Reads the files, whether or not they have changed. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When a file is missing, can't be read, or is no certificate or not its key.
    pub fn read(&mut self) -> Result<Identity, SuppliedError> {
        let outcome = self.read_again();
        if outcome.is_err() {
            self.told.clone_from(&self.seen);
        }
        outcome
    }

    /// Looks at the files, and reads them if they have changed since they were read last. Blocks on the disk; for every few seconds.
    ///
    /// One file is always written before the other. So what doesn't fit is only told once nothing has changed from one look to the
    /// next.
    pub fn poll(&mut self) -> Change {
        let now = self.stamps();
        if self.read.as_ref() == Some(&now) {
            return Change::None;
        }
        let at_rest = self.seen.as_ref() == Some(&now);
        let read_before = self.read.clone();
        match self.read_again() {
            Ok(identity) => {
                self.told = None;
                Change::New(identity)
            }
            Err(error) if at_rest && !matches!(error, SuppliedError::InMotion(_)) => {
                if self.told.as_ref() == Some(&now) {
                    return Change::None;
                }
                self.told = Some(now);
                Change::Unusable(error)
            }
            Err(_) => {
                self.read = read_before;
                Change::None
            }
        }
    }

    /// What is to be said of the certificate, as of the last look at the files. `host` is the name by which people know this server,
    /// where one is configured.
    pub fn concerns(&self, identity: &Identity, host: Option<&str>, now: Timestamp) -> Vec<Concern> {
        let expired = (identity.not_after() < now).then(|| Concern::Expired(identity.not_after()));
        let early = (now < identity.not_before()).then(|| Concern::NotYetValid(identity.not_before()));
        let other = host
            .filter(|host| !identity.is_good_for(host))
            .map(|host| Concern::OtherHost { host: host.to_owned(), names: identity.names().to_vec() });
        let exposed = self.exposed.then(|| Concern::ExposedKey(self.key.clone()));
        [expired, early, other, exposed].into_iter().flatten().collect()
    }

    fn read_again(&mut self) -> Result<Identity, SuppliedError> {
        let before = self.stamps();
        self.exposed = is_open_to_all(&self.key);
        self.seen = Some(before.clone());
        let outcome = self.read_pair();
        if self.stamps() != before {
            return Err(SuppliedError::InMotion(self.certificate.clone()));
        }
        // What could not be read may be readable the next time, though nobody has changed it: no file was free to open, or the disk
        // had a moment of its own.
        if !matches!(outcome, Err(SuppliedError::Unreadable { .. })) {
            self.read = Some(before);
        }
        outcome
    }

    fn read_pair(&self) -> Result<Identity, SuppliedError> {
        let (chain, key) = (read_file(&self.certificate)?, read_file(&self.key)?);
        Identity::from_pem(&chain, &key).map_err(|source| SuppliedError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }

    fn stamps(&self) -> Stamps {
        [Stamp::of(&self.certificate), Stamp::of(&self.key)]
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(when) => write!(f, "the certificate expired at {when}; renew it, and browsers stop warning"),
            Self::NotYetValid(when) => {
                write!(f, "the certificate is good from {when} on only; check this machine's clock, or wait")
            }
            Self::OtherHost { host, names } => write!(
                f,
                "the certificate is not good for {host}, the host of server.public_url, but for {}; get one that names {host}, or \
                 change server.public_url",
                if names.is_empty() { String::from("no name at all") } else { names.join(", ") }
            ),
            Self::ExposedKey(path) => {
                write!(f, "every user of this machine may read the key {}; run: chmod o= {0}", path.display())
            }
        }
    }
}

type Stamps = [Option<Stamp>; 2];

/// What changes when a file is written, or when a link on the way to it leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<std::time::SystemTime>,
    #[cfg(unix)]
    node: (u64, u64, i64, i64),
}

impl Stamp {
    /// `None` for a file that isn't there or can't be looked at.
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            bytes: about.len(),
            modified: about.modified().ok(),
            #[cfg(unix)]
            node: (about.dev(), about.ino(), about.ctime(), about.ctime_nsec()),
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, SuppliedError> {
    let told = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            SuppliedError::Missing(path.to_owned())
        } else {
            SuppliedError::Unreadable { path: path.to_owned(), source }
        }
    };
    let about = fs::metadata(path).map_err(told)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        let source = io::Error::new(io::ErrorKind::InvalidData, "it is no file of at most a mebibyte");
        return Err(SuppliedError::Unreadable { path: path.to_owned(), source });
    }
    fs::read(path).map_err(told)
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o006 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
