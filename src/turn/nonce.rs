//! Nonces that nothing is kept for: a time and a MAC over that time and the address that asked (RFC 8489 §9.2).
//!
//! An anonymous packet therefore costs no memory, and a nonce is good only for the address it was sent to, which proves that
//! whoever presents it can receive there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::credentials::mac;
use crate::clock::Tick;
use crate::ids::Secret;

/// How long a nonce is good for.
const LIFETIME: Duration = Duration::from_secs(600);

/// Half of a nonce's twelve bytes are its time, half its MAC: short, because answers to strangers must be.
const HALF: usize = 6;

/// Makes and checks nonces under one key. The key is random in each process, so those of an earlier one are stale.
#[derive(Debug)]
pub(super) struct Nonces {
    key: Secret<[u8; 32]>,
    /// The time of the last nonce in microseconds. Strictly rising, so that no two nonces are equal.
    last: u64,
}

impl Nonces {
    pub(super) const fn new(key: [u8; 32]) -> Self {
        Self { key: Secret::new(key), last: 0 }
    }

    /// A fresh nonce for `client`.
    pub(super) fn make(&mut self, client: SocketAddr, now: Tick) -> String {
        self.last = now.as_millis().saturating_mul(1000).max(self.last.saturating_add(1));
        let [_, _, time @ ..] = self.last.to_be_bytes();
        let nonce = [time, self.seal(client, time)].concat();
        BASE64URL_NOPAD.encode(&nonce)
    }

    /// Whether `nonce` was made for `client` and is not too old.
    pub(super) fn verify(&self, nonce: &str, client: SocketAddr, now: Tick) -> bool {
        let mut bytes = [0; 2 * HALF];
        if nonce.len() != 16 || BASE64URL_NOPAD.decode_mut(nonce.as_bytes(), &mut bytes).is_err() {
            return false;
        }
        let [t0, t1, t2, t3, t4, t5, seal @ ..] = bytes;
        let time = [t0, t1, t2, t3, t4, t5];
        let made = Tick::from_millis(u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5]) / 1000);
        // Folded, not compared byte by byte, so that the time it takes tells nothing.
        let differs = self.seal(client, time).iter().zip(seal).fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs));
        differs == 0 && now.since(made) < LIFETIME
    }

    fn seal(&self, client: SocketAddr, time: [u8; HALF]) -> [u8; HALF] {
        let ip = match client.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let [s0, s1, s2, s3, s4, s5, ..] = mac(self.key.expose(), &[&ip, &client.port().to_be_bytes(), &time]);
        [s0, s1, s2, s3, s4, s5]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick::from_millis(1_000_000);

    fn client(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn t18_a_nonce_is_good_for_its_address_and_ten_minutes() {
        let mut nonces = Nonces::new([1; 32]);
        let asker = client("203.0.113.7:4000");
        let nonce = nonces.make(asker, NOW);
        assert!(nonces.verify(&nonce, asker, NOW));
        assert!(nonces.verify(&nonce, asker, NOW.plus(Duration::from_secs(599))));
        assert!(!nonces.verify(&nonce, asker, NOW.plus(Duration::from_secs(601))));
        assert!(!nonces.verify(&nonce, client("203.0.113.7:4001"), NOW));
        assert!(!nonces.verify(&nonce, client("203.0.113.8:4000"), NOW));
        assert!(!Nonces::new([2; 32]).verify(&nonce, asker, NOW), "another process's nonce was taken");
    }

    #[test]
    fn t18_every_altered_nonce_is_refused() {
        let mut nonces = Nonces::new([1; 32]);
        let asker = client("[2001:db8::1]:4000");
        let nonce = nonces.make(asker, NOW);
        for place in 0..nonce.len() {
            let mut altered = nonce.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            assert!(!nonces.verify(&String::from_utf8(altered).unwrap(), asker, NOW), "altered at {place}");
        }
        for text in ["", "x", &nonce[1..], &format!("{nonce}A"), "ÄÖÜÄÖÜÄÖ", "****************"] {
            assert!(!nonces.verify(text, asker, NOW), "{text:?}");
        }
    }

    #[test]
    fn t18_nonces_are_unique_within_one_moment() {
        // A million takes seconds where nothing is optimised.
        const MANY: usize = if cfg!(debug_assertions) { 300_000 } else { 1_000_000 };
        let mut nonces = Nonces::new([1; 32]);
        let asker = client("203.0.113.7:4000");
        let bytes = |nonce: String| <[u8; 2 * HALF]>::try_from(BASE64URL_NOPAD.decode(nonce.as_bytes()).unwrap()).unwrap();
        let mut made: Vec<_> = (0..MANY).map(|_| bytes(nonces.make(asker, NOW))).collect();
        made.sort_unstable();
        made.dedup();
        assert_eq!(made.len(), MANY);
    }
}
