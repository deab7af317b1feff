//! How a value looks on disk: one byte of format version, four bytes of CRC-32 (little endian) over version and payload, then the
//! payload. The database below keeps checksums per page of its log; this one also finds a value that was written wrongly.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only format so far.
const VERSION: u8 = 1;
/// Version and checksum.
const HEADER: usize = 5;
/// Larger values would leave the log for files of their own, which the database leaks.
pub(super) const MAX_VALUE: usize = 64 * 1024 - 1;

/// Why bytes are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("too short or of an unknown format")]
    Format,
    #[error("the checksum does not match")]
    Checksum,
    #[error("the content can't be read")]
    Content,
}

/// Wraps a payload.
pub(super) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEADER + payload.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&checksum(VERSION, payload).to_le_bytes());
    sealed.extend_from_slice(payload);
    sealed
}

/// The payload of what [`seal`] made.
pub(super) fn unseal(sealed: &[u8]) -> Result<&[u8], Fault> {
    let (header, payload) = sealed.split_first_chunk::<HEADER>().ok_or(Fault::Format)?;
    let [version, crc @ ..] = *header;
    if version != VERSION {
        return Err(Fault::Format);
    }
    if u32::from_le_bytes(crc) != checksum(version, payload) {
        return Err(Fault::Checksum);
    }
    Ok(payload)
}

/// A record as a sealed value.
pub(super) fn encode(record: &impl Serialize) -> Vec<u8> {
    seal(&serde_json::to_vec(record).expect("records are structs of numbers, text and lists, which JSON can always write"))
}

/// The record in a sealed value.
pub(super) fn decode<T: DeserializeOwned>(sealed: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(unseal(sealed)?).map_err(|_| Fault::Content)
}

fn checksum(version: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_as_it_was() {
        assert_eq!(decode::<Vec<u32>>(&encode(&[1_u32, 2, 3])), Ok(vec![1, 2, 3]));
        assert_eq!(unseal(&seal(b"")), Ok(&b""[..]));
    }

    #[test]
    fn every_single_flipped_bit_is_found() {
        let sealed = seal(b"what was said");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&damaged).is_err(), "bit {bit} was not missed");
        }
    }

    #[test]
    fn cut_values_and_foreign_content_are_refused() {
        let sealed = seal(b"what was said");
        for length in 0..sealed.len() {
            assert!(unseal(&sealed[..length]).is_err());
        }
        assert_eq!(decode::<u32>(&seal(b"not JSON")), Err(Fault::Content));
    }
}
