//! Failed sign-ins, counted for each account and for each address; sign-ins that succeed cost nothing.
//!
//! An attempt is counted before the password is looked at and given back when it was right: a thousand guesses at once are a
//! thousand, not one, and hanging up early saves none. After its share an account takes one guess every so often and is never
//! locked: a lock would let anybody shut anybody out. A place from which the account was signed in to before is counted by
//! itself, so that its owner gets in while strangers use up the account's share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::identity::Email;
use super::throttle::{ClientNet, Rate, RetryAfter, Throttle};
use crate::clock::Tick;

const REMEMBERED_ACCOUNTS: usize = 16_384;
const REMEMBERED_ADDRESSES: usize = 16_384;
const REMEMBERED_PLACES: usize = 4_096;

/// An account by a hash of its address, so that a table of guesses is of fixed size and holds nobody's address.
type AccountKey = [u8; 16];

/// The account, and the place when the account was signed in to from there before.
type Share = (AccountKey, Option<ClientNet>);

/// The count of failed sign-ins.
pub(super) struct Attempts {
    by_address: Throttle<ClientNet>,
    by_account: Throttle<Share>,
    known_places: Mutex<HashMap<(AccountKey, ClientNet), Tick>>,
}

impl Attempts {
    pub(super) fn new(per_account: Rate, per_address: Rate) -> Self {
        Self {
            by_address: Throttle::new(per_address, REMEMBERED_ADDRESSES),
            by_account: Throttle::new(per_account, REMEMBERED_ACCOUNTS),
            known_places: Mutex::default(),
        }
    }

    /// Counts one failure in advance, whether or not there is such an account.
    pub(super) fn begin(&self, email: &Email, client: IpAddr, now: Tick) -> Result<Attempt<'_>, RetryAfter> {
        let (account, place) = (account_key(email), ClientNet::from(client));
        self.by_address.check(&place, now)?;
        let share = (account, self.is_known(account, place).then_some(place));
        if let Err(refusal) = self.by_account.check(&share, now) {
            self.by_address.refund(&place);
            return Err(refusal);
        }
        Ok(Attempt { attempts: self, share, place })
    }

    fn is_known(&self, account: AccountKey, place: ClientNet) -> bool {
        self.known_places.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&(account, place))
    }

    fn remember(&self, account: AccountKey, place: ClientNet, now: Tick) {
        let mut places = self.known_places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= REMEMBERED_PLACES && !places.contains_key(&(account, place)) {
            let mut times: Vec<Tick> = places.values().copied().collect();
            let (_, median, _) = times.select_nth_unstable(REMEMBERED_PLACES / 2);
            let median = *median;
            places.retain(|_, last| *last > median);
        }
        places.insert((account, place), now);
    }
}

/// A sign-in under way. Dropping it leaves it counted as failed.
#[must_use]
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    share: Share,
    place: ClientNet,
}

impl Attempt<'_> {
    /// The password was right.
    pub(super) fn succeeded(self, now: Tick) {
        self.attempts.remember(self.share.0, self.place, now);
        self.withdraw();
    }

    /// It could not be found out whether the password was right.
    pub(super) fn withdraw(self) {
        self.attempts.by_account.refund(&self.share);
        self.attempts.by_address.refund(&self.place);
    }
}

fn account_key(email: &Email) -> AccountKey {
    let hash = Sha256::digest(email.as_str());
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const QUARTER: Duration = Duration::from_secs(900);

    fn attempts() -> Attempts {
        Attempts::new(Rate::new(10, QUARTER), Rate::new(30, QUARTER))
    }

    fn email(text: &str) -> Email {
        text.parse().unwrap()
    }

    fn from(address: u32) -> IpAddr {
        Ipv4Addr::from_bits(address).into()
    }

    /// How many of `tries` failed sign-ins got as far as the password.
    fn guesses(attempts: &Attempts, email: impl Fn(u32) -> Email, address: impl Fn(u32) -> IpAddr, now: Tick) -> u32 {
        (0..1000).map(|n| u32::from(attempts.begin(&email(n), address(n), now).is_ok())).sum()
    }

    #[test]
    fn a12_one_account_from_a_thousand_addresses_is_limited_and_never_locked() {
        let attempts = attempts();
        let victim = || email("victim@example.org");
        assert_eq!(guesses(&attempts, |_| victim(), from, Tick::from_millis(0)), 10);
        let Err(RetryAfter(wait)) = attempts.begin(&victim(), from(7), Tick::from_millis(0)) else { panic!("not limited") };
        assert_eq!(wait, Duration::from_secs(90));
        assert!(attempts.begin(&victim(), from(7), Tick::from_millis(0).plus(wait)).is_ok());
    }

    #[test]
    fn a12_a_thousand_accounts_from_one_address_are_limited() {
        let attempts = attempts();
        let someone = |n: u32| email(&format!("user{n}@example.org"));
        assert_eq!(guesses(&attempts, someone, |_| from(1), Tick::from_millis(0)), 30);
    }

    #[test]
    fn a12_the_owner_gets_in_from_a_known_place_while_strangers_guess() {
        let attempts = attempts();
        let victim = || email("victim@example.org");
        let now = Tick::from_millis(1);
        attempts.begin(&victim(), from(9999), now).unwrap().succeeded(now);
        assert_eq!(guesses(&attempts, |_| victim(), from, now), 10);
        assert!(attempts.begin(&victim(), from(5), now).is_err());
        assert!(attempts.begin(&victim(), from(9999), now).is_ok());
    }

    #[test]
    fn a_known_place_may_not_guess_for_ever() {
        let attempts = attempts();
        let now = Tick::from_millis(1);
        attempts.begin(&email("a@b.c"), from(1), now).unwrap().succeeded(now);
        assert_eq!(guesses(&attempts, |_| email("a@b.c"), |_| from(1), now), 10);
    }

    #[test]
    fn sign_ins_that_succeed_cost_nothing() {
        let attempts = attempts();
        let now = Tick::from_millis(1);
        for _ in 0..100 {
            attempts.begin(&email("a@b.c"), from(1), now).unwrap().succeeded(now);
        }
        assert_eq!(guesses(&attempts, |_| email("a@b.c"), |_| from(1), now), 10);
    }

    #[test]
    fn refused_attempts_do_not_use_up_the_address() {
        let attempts = attempts();
        let now = Tick::from_millis(1);
        assert_eq!(guesses(&attempts, |_| email("a@b.c"), |_| from(1), now), 10);
        assert_eq!(guesses(&attempts, |_| email("d@e.f"), |_| from(1), now), 10);
    }

    #[test]
    fn the_memory_of_places_is_bounded() {
        let attempts = attempts();
        for n in 0..20_000_u32 {
            let now = Tick::from_millis(u64::from(n) * 100_000);
            attempts.begin(&email("a@b.c"), from(n), now).unwrap().succeeded(now);
        }
        assert!(attempts.known_places.lock().unwrap().len() <= REMEMBERED_PLACES);
        assert!(attempts.is_known(account_key(&email("a@b.c")), from(19_999).into()), "the latest place was forgotten");
    }
}
