//! ChannelData as it travels (RFC 8656 §12.4): a channel, a length, a payload.

use std::ops::Range;

/// The length of the header.
pub(super) const HEADER: usize = 4;

/// The channel of a datagram or frame and where its payload lies, if it is whole ChannelData.
pub(super) fn read(bytes: &[u8]) -> Option<(u16, Range<usize>)> {
    let [n0 @ 0x40..=0x4F, n1, l0, l1, rest @ ..] = bytes else { return None };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    (length <= rest.len()).then(|| (u16::from_be_bytes([*n0, *n1]), HEADER..HEADER + length))
}

/// What stands before `length` bytes of payload.
pub(super) fn header(channel: u16, length: usize) -> [u8; HEADER] {
    let [n0, n1] = channel.to_be_bytes();
    let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [n0, n1, l0, l1]
}

/// How many bytes stand behind `length` bytes of payload in a stream (RFC 8656 §12.5); in datagrams there need be none.
pub(super) const fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_channel_data_has_a_payload_and_nothing_else_has() {
        assert_eq!(read(&[0x40, 1, 0, 2, 7, 8]), Some((0x4001, 4..6)));
        assert_eq!(read(&[0x4F, 0xFF, 0, 1, 7, 0, 0, 0]), Some((0x4FFF, 4..5)), "padded");
        assert_eq!(read(&[0x40, 1, 0, 0]), Some((0x4001, 4..4)));
        for bytes in [&[0x40, 1, 0, 3, 7, 8][..], &[0x50, 0, 0, 0], &[0x3F, 0, 0, 0], &[0x40, 1, 0], &[]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
