//! Accounts from the outside, on a real store.

mod sign_in;
mod staying;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::clock::{Now, Tick, Timestamp};
use crate::ids::Secret;
use crate::store;

/// The time at which every test begins.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const PASSWORD: &str = "correct horse";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Accounts in a directory of their own.
struct Place {
    auth: Auth,
    store: Store,
    home: TempDir,
}

fn settings(home: &TempDir) -> Settings {
    Settings { registration: RegistrationPolicy::Open, ..Settings::new(home.path().join("keys")) }
}

fn place_with(change: impl FnOnce(&mut Settings)) -> Place {
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(&home);
    change(&mut settings);
    let store_settings = store::Settings { min_free_bytes: 0, ..store::Settings::new(home.path().join("store")) };
    let store = Store::open(store_settings).unwrap();
    Place { auth: Auth::open(settings, store.clone()).unwrap(), store, home }
}

fn place() -> Place {
    place_with(|_| {})
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn account(email: &str) -> NewAccount {
    NewAccount { email: secret(email), name: secret("Ada"), password: secret(PASSWORD) }
}

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// Both clocks, so many seconds after the start.
fn both(seconds: u64) -> Now {
    Now { tick: Tick::from_millis(seconds * 1000), wall: after(seconds) }
}

impl Place {
    /// An account with [`PASSWORD`], signed in at the start.
    async fn registered(&self, email: &str) -> SignedIn {
        self.auth.register(account(email), START).await.unwrap()
    }

    async fn login(&self, email: &str, password: &str, now: Now) -> Result<SignedIn, AuthError> {
        self.auth.login(email, secret(password), HERE, now).await
    }

    async fn is_signed_in(&self, signed_in: &SignedIn, now: Timestamp) -> bool {
        match self.auth.authenticate(signed_in.access_token.expose(), now).await {
            Ok(caller) => caller.user().id == signed_in.user.id,
            Err(error) => {
                assert_eq!(error.code(), "unauthenticated", "{error}");
                false
            }
        }
    }
}

/// The code of the refusal, or `ok`.
fn code<T>(result: &Result<T, AuthError>) -> &'static str {
    result.as_ref().map_or_else(AuthError::code, |_| "ok")
}
