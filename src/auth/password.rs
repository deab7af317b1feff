//! Passwords: their bounds, and argon2id with as many hashes at once as there are cores.

use std::num::NonZeroUsize;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::ids::{Secret, random_bytes};

/// Fewest characters of a new password. There are no other rules for its composition (NIST SP 800-63B).
pub const MIN_PASSWORD_CHARS: usize = 8;
/// Most characters of a password.
pub const MAX_PASSWORD_CHARS: usize = 128;
/// Most bytes of a password, whatever its characters: no more than this is ever hashed.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password that may be hashed. It can't be printed.
#[derive(Clone, Debug)]
pub struct Password(Secret<String>);

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`MIN_PASSWORD_CHARS`].
    #[error("The password is too short. Choose one of at least {MIN_PASSWORD_CHARS} characters.")]
    TooShort,
    /// More than [`MAX_PASSWORD_CHARS`], or more than [`MAX_PASSWORD_BYTES`].
    #[error("The password is too long. Choose one of at most {MAX_PASSWORD_CHARS} characters.")]
    TooLong,
}

impl Password {
    /// A password that an account may be given.
    ///
    /// # Errors
    /// When it is shorter or longer than allowed. Spaces count and are kept.
    pub fn new(text: Secret<String>) -> Result<Self, PasswordError> {
        let password = Self::attempt(text)?;
        // Characters, not bytes: four characters of another script are still only four.
        if password.0.expose().chars().count() < MIN_PASSWORD_CHARS { Err(PasswordError::TooShort) } else { Ok(password) }
    }

    /// What somebody typed to sign in. Only its upper bound is checked: whether it is right, the hash says.
    ///
    /// # Errors
    /// When it is longer than any password may be.
    pub fn attempt(text: Secret<String>) -> Result<Self, PasswordError> {
        let too_long = text.expose().len() > MAX_PASSWORD_BYTES || text.expose().chars().count() > MAX_PASSWORD_CHARS;
        if too_long { Err(PasswordError::TooLong) } else { Ok(Self(text)) }
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// What comparing a password with a stored hash found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the password.
    Right,
    /// It is the password, and the hash was made with parameters that are no longer ours: hash it again.
    RightButDated,
    /// It is not the password.
    Wrong,
}

/// The program is stopping and takes on no more work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no password can be hashed while the program stops")]
pub(super) struct HashingStopped;

/// Hashes passwords away from the async threads, so many at a time that neither memory nor cores run out (19 MiB each).
#[derive(Debug)]
pub(super) struct Hasher {
    slots: Arc<Semaphore>,
}

impl Hasher {
    /// One slot for each core.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { slots: Arc::new(Semaphore::new(cores)) }
    }

    /// A PHC string (`$argon2id$v=19$…`) with a salt of its own.
    pub(super) async fn hash(&self, password: &Password) -> Result<Secret<String>, HashingStopped> {
        let password = password.clone();
        self.run(move || Secret::new(hash_now(&password))).await
    }

    /// Compares `password` with a PHC string.
    pub(super) async fn verify(&self, password: &Password, phc: &Secret<String>) -> Result<Verdict, HashingStopped> {
        let (password, phc) = (password.clone(), phc.clone());
        self.run(move || verify_now(&password, phc.expose())).await
    }

    /// Does the work of [`Self::verify`] for an account that does not exist, so that the time of the answer tells nothing.
    pub(super) async fn verify_nobody(&self, password: &Password) -> Result<Verdict, HashingStopped> {
        self.hash(password).await.map(|_| Verdict::Wrong)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashingStopped> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| HashingStopped)?;
        // The slot goes along: a caller who hangs up must not free it while the work goes on.
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        work.await.map_err(|_| HashingStopped)
    }
}

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
fn argon2id() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, Some(32)).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_now(password: &Password) -> String {
    let hash = argon2id().hash_password_with_salt(password.bytes(), &random_bytes::<16>());
    hash.expect("a salt of 16 bytes and a bounded password are what argon2 takes").to_string()
}

fn verify_now(password: &Password, phc: &str) -> Verdict {
    let Ok(stored) = PasswordHash::new(phc) else {
        tracing::error!("a stored password hash can't be read; its owner can't sign in until the password is set anew");
        hash_now(password);
        return Verdict::Wrong;
    };
    match argon2id().verify_password(password.bytes(), &stored) {
        Ok(()) if is_dated(&stored) => Verdict::RightButDated,
        Ok(()) => Verdict::Right,
        Err(_) => Verdict::Wrong,
    }
}

fn is_dated(stored: &PasswordHash) -> bool {
    let algorithm_is_ours = stored.algorithm == Algorithm::Argon2id.ident() && stored.version == Some(Version::V0x13.into());
    !algorithm_is_ours || Params::try_from(stored).ok().as_ref() != Some(argon2id().params())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn secret(text: impl Into<String>) -> Secret<String> {
        Secret::new(text.into())
    }

    fn password(text: &str) -> Password {
        Password::new(secret(text)).unwrap()
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert_eq!(Password::new(secret("ééééééé")).unwrap_err(), PasswordError::TooShort);
        assert!(Password::new(secret("éééééééé")).is_ok());
        assert!(Password::new(secret("é".repeat(128))).is_ok());
        assert_eq!(Password::new(secret("a".repeat(129))).unwrap_err(), PasswordError::TooLong);
    }

    #[test]
    fn a13_a_password_of_a_mebibyte_is_refused_before_hashing() {
        assert_eq!(Password::attempt(secret("a".repeat(1 << 20))).unwrap_err(), PasswordError::TooLong);
        assert_eq!(Password::new(secret("a".repeat(1 << 20))).unwrap_err(), PasswordError::TooLong);
    }

    #[test]
    fn what_was_typed_to_sign_in_may_be_short() {
        assert!(Password::attempt(secret("")).is_ok());
    }

    #[test]
    fn a_password_does_not_print() {
        assert!(!format!("{:?}", password("correct horse")).contains("horse"));
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_with_the_parameters_and_its_own_salt() {
        let hasher = Hasher::new();
        let one = hasher.hash(&password("correct horse")).await.unwrap();
        let two = hasher.hash(&password("correct horse")).await.unwrap();
        assert!(one.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.expose());
        assert!(one != two, "two hashes share a salt");
        assert_eq!(hasher.verify(&password("correct horse"), &one).await, Ok(Verdict::Right));
        assert_eq!(hasher.verify(&password("correct horsf"), &one).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_hash_of_older_parameters_is_right_but_dated() {
        let older = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1024, 1, 1, Some(32)).unwrap());
        let phc = older.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
        let hasher = Hasher::new();
        assert_eq!(hasher.verify(&password("correct horse"), &secret(&phc)).await, Ok(Verdict::RightButDated));
        assert_eq!(hasher.verify(&password("wrong horse"), &secret(&phc)).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a13_no_more_hashes_run_at_once_than_there_are_slots() {
        let hasher = Hasher { slots: Arc::new(Semaphore::new(2)) };
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..50).map(|_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            hasher.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        assert!(futures_util::future::join_all(work).await.iter().all(Result::is_ok));
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a13_who_hangs_up_does_not_free_the_slot_of_work_that_goes_on() {
        let hasher = Hasher { slots: Arc::new(Semaphore::new(1)) };
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, may_end) = std::sync::mpsc::channel();
        let work = hasher.run(move || {
            begun.send(()).unwrap();
            may_end.recv().unwrap();
        });
        tokio::select! {
            _ = work => panic!("the work ended by itself"),
            begun = has_begun => begun.unwrap(),
        }
        assert_eq!(hasher.slots.available_permits(), 0, "the caller is gone, the work is not");
        end.send(()).unwrap();
        assert_eq!(hasher.run(|| "next").await, Ok("next"));
    }

    #[tokio::test]
    async fn an_unreadable_hash_fits_no_password() {
        let hasher = Hasher::new();
        for phc in ["", "correct horse", "$argon2id$", "$md5$x$y"] {
            assert_eq!(hasher.verify(&password("correct horse"), &secret(phc)).await, Ok(Verdict::Wrong), "{phc:?}");
        }
    }
}
