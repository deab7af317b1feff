//! The sample messages of RFC 5769, read by the code that reads clients.

use stun::integrity::MessageIntegrity;
use stun::message::{BINDING_REQUEST, Message};

use super::super::message;

/// §2.1: a request with a short-term credential and a FINGERPRINT.
const SHORT_TERM: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008\
     932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

/// §2.4: a request with a long-term credential.
const LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f34\
     39396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca8\
     9666";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

fn short_term_key() -> MessageIntegrity {
    MessageIntegrity::new_short_term_integrity("VOkJxbRl1RmTxUk/WvJxBt".to_owned())
}

fn long_term_key() -> MessageIntegrity {
    let (name, realm) = ("\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}", "example.org");
    MessageIntegrity::new_long_term_integrity(name.to_owned(), realm.to_owned(), "TheMatrIX".to_owned())
}

fn passes(packet: &[u8], key: &MessageIntegrity) -> bool {
    message::read(packet).is_some_and(|mut message: Message| {
        message.typ == BINDING_REQUEST && message::verify(&mut message, std::slice::from_ref(key)).is_some()
    })
}

#[test]
fn rfc5769_requests_pass_and_every_altered_bit_is_found() {
    for (hex, key) in [(SHORT_TERM, short_term_key()), (LONG_TERM, long_term_key())] {
        let packet = bytes(hex);
        assert!(passes(&packet, &key));
        // A FINGERPRINT stands behind the integrity: without its type it is an attribute that nothing covers and nobody reads.
        let uncovered = if hex == SHORT_TERM { (packet.len() - 8) * 8..(packet.len() - 6) * 8 } else { 0..0 };
        for place in (0..packet.len() * 8).filter(|place| !uncovered.contains(place)) {
            let mut altered = packet.clone();
            altered[place / 8] ^= 1 << (place % 8);
            assert!(!passes(&altered, &key), "bit {place} of {}", packet.len() * 8);
        }
    }
}

#[test]
fn rfc5769_the_wrong_password_fails() {
    assert!(!passes(&bytes(SHORT_TERM), &long_term_key()));
    assert!(!passes(&bytes(LONG_TERM), &short_term_key()));
}

#[test]
fn t24_a_message_cut_short_anywhere_is_none() {
    for packet in [bytes(SHORT_TERM), bytes(LONG_TERM)] {
        for length in 0..packet.len() {
            assert!(message::read(&packet[..length]).is_none(), "{length} bytes");
        }
    }
}
