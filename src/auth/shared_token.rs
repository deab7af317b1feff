//! A token that an admin puts into a file, for a program of theirs that reads something of this server.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::keys::{KeyError, read_private_text};
use crate::ids::{Secret, random_bytes};

/// Fewer characters than this can be guessed, or were never meant to be a secret.
const MIN_CHARS: usize = 32;

/// A token that can be compared with and not be read: what is kept is its MAC under a key that ends with the process.
#[derive(Clone)]
pub struct SharedToken {
    key: Secret<[u8; 32]>,
    mac: Secret<[u8; 32]>,
}

impl SharedToken {
    /// Reads the token in `path`. White space around it doesn't count.
    ///
    /// # Errors
    /// When the file can't be read, is open to other users, or holds something that is no token.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = read_private_text(path)?;
        let token = text.trim_ascii();
        if token.len() < MIN_CHARS || !token.iter().all(u8::is_ascii_graphic) {
            return Err(KeyError::NoToken { path: path.to_owned() });
        }
        let key = Secret::new(random_bytes());
        let mac = Secret::new(mac(&key, token).finalize().into_bytes().into());
        Ok(Self { key, mac })
    }

    /// Whether `offered` is the token. How long that takes tells nothing about it.
    pub fn is(&self, offered: &str) -> bool {
        mac(&self.key, offered.as_bytes()).verify_slice(self.mac.expose()).is_ok()
    }
}

impl std::fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedToken")
    }
}

fn mac(key: &Secret<[u8; 32]>, token: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length").chain_update(token)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn load(content: &[u8], mode: u32) -> Result<SharedToken, KeyError> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SharedToken::load(&path)
    }

    #[test]
    fn the_token_is_taken_and_nothing_near_it() {
        let token = load(format!("{TOKEN}\n").as_bytes(), 0o600).unwrap();
        assert!(token.is(TOKEN));
        for wrong in ["", &TOKEN[1..], &TOKEN.to_uppercase(), &format!("{TOKEN}\n"), &format!("{TOKEN}0")] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn a19_weak_tokens_and_open_files_are_refused_with_the_mend() {
        let words = b"two words that are long enough together".to_vec();
        let weak = [Vec::new(), b"secret".to_vec(), TOKEN.as_bytes()[1..].to_vec(), words, vec![0xff; 40], vec![b'x'; 5000]];
        for weak in weak {
            let error = load(&weak, 0o600).unwrap_err();
            assert!(matches!(error, KeyError::NoToken { .. }), "{error}");
            assert!(error.to_string().contains("openssl rand"), "{error}");
        }
        assert!(matches!(load(TOKEN.as_bytes(), 0o644).unwrap_err(), KeyError::Exposed { mend: "600", .. }));
        assert!(matches!(SharedToken::load(Path::new("/nowhere/token")).unwrap_err(), KeyError::Io { .. }));
    }
}
