//! Files that the service manager passes: `credential:NAME` in place of a path is the credential of that name (`LoadCredential=` in
//! systemd.exec(5)).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What stands before the name.
const PREFIX: &str = "credential:";

/// Where the service manager tells us that they lie.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The path that `text` means. A credential stays as it is written where none are passed, as on a command line: it is not there then.
pub(super) fn path(text: &str) -> PathBuf {
    resolve(text, std::env::var_os(DIRECTORY).as_deref())
}

fn resolve(text: &str, directory: Option<&OsStr>) -> PathBuf {
    match (text.strip_prefix(PREFIX).filter(|name| is_name(name)), directory) {
        (Some(name), Some(directory)) => Path::new(directory).join(name),
        (Some(_), None) | (None, _) => PathBuf::from(text),
    }
}

/// A name leads to a file in the directory and nowhere else.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_lies_where_the_service_manager_says_and_a_path_where_it_says_itself() {
        let passed = |text| resolve(text, Some(OsStr::new("/run/credentials/hearth.service")));
        assert_eq!(passed("credential:metrics-token"), Path::new("/run/credentials/hearth.service/metrics-token"));
        assert_eq!(passed("/etc/hearth/metrics-token"), Path::new("/etc/hearth/metrics-token"));
        assert_eq!(resolve("credential:metrics-token", None), Path::new("credential:metrics-token"));
    }

    #[test]
    fn a_credential_leads_nowhere_but_into_its_directory() {
        for text in ["credential:", "credential:..", "credential:.", "credential:../shadow", "credential:/etc/shadow"] {
            assert_eq!(resolve(text, Some(OsStr::new("/run/credentials/x"))), Path::new(text));
        }
    }
}
