//! The parsers of the relay as `make fuzz` and the tests see them: any bytes go in, and what must hold of whatever comes out is
//! asserted. Built for those two and not into the program. What the fuzzer found worth keeping lies in `tests/fuzz/corpus/`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use super::io::fuzz::frames;
pub use super::server::fuzz::message;

use super::credentials::{MAX_TTL, holder, password};
use super::nonce::Nonces;
use crate::clock::{Tick, Timestamp};
use crate::ids::{ParticipantId, Secret};

const WALL: Timestamp = Timestamp::from_millis(1_700_000_000_500);
const TICK: Tick = Tick::from_millis(1_000_000);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 4000);

/// A name that has a holder is the expiry and that holder, within the time that names are good for.
pub fn username(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    assert_eq!(password(&Secret::new([7; 32]), name).len(), 44);
    let Some(participant) = holder(name, WALL) else { return };
    let expiry = name.strip_suffix(&format!(":{participant}")).expect("a holder is named");
    let expiry: u128 = expiry.parse().expect("the expiry is a number");
    assert!(expiry > u128::from(WALL.as_secs()) && expiry <= u128::from(WALL.plus(MAX_TTL).as_secs()), "{name}");
    assert_eq!(participant.to_string().parse(), Ok::<ParticipantId, _>(participant));
}

/// Only a nonce that was made is good, for whom it was made, as long as it lasts. The first bytes say who presents it and when;
/// the others are laid over it.
pub fn nonce(bytes: &[u8]) {
    let Some(([p0, p1, e0, e1, e2, e3], rest)) = bytes.split_first_chunk() else { return };
    let elapsed = Duration::from_millis(u32::from_be_bytes([*e0, *e1, *e2, *e3]).into());
    let (presenter, now) = (SocketAddr::new(CLIENT.ip(), u16::from_be_bytes([*p0, *p1])), TICK.plus(elapsed));
    let mut nonces = Nonces::new([1; 32]);
    let made = nonces.make(CLIENT, TICK);
    let mut laid_over = made.clone().into_bytes();
    laid_over.resize(made.len().max(rest.len()), 0);
    laid_over.iter_mut().zip(rest).for_each(|(byte, over)| *byte ^= over);
    for text in [std::str::from_utf8(&laid_over), std::str::from_utf8(rest)].into_iter().flatten() {
        let good = text == made && presenter == CLIENT && elapsed < Duration::from_secs(600);
        assert_eq!(nonces.verify(text, presenter, now), good, "{text:?} from {presenter} after {elapsed:?}");
    }
}

#[cfg(test)]
#[path = "../../tests/fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t24_what_the_fuzzer_kept_of_messages_is_read_as_before() {
        corpus::replay("message", message);
    }

    #[test]
    fn t24_what_the_fuzzer_kept_of_streams_is_cut_as_before() {
        corpus::replay("frames", frames);
    }

    #[test]
    fn t5_what_the_fuzzer_kept_of_names_is_read_as_before() {
        corpus::replay("username", username);
    }

    #[test]
    fn t18_what_the_fuzzer_kept_of_nonces_is_verified_as_before() {
        corpus::replay("nonce", nonce);
    }
}
