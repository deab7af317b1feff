//! Finding the messages in a stream (RFC 8489 §6.2.2, RFC 8656 §12.5): their headers tell their length, nothing else does.

use stun::message::{MAGIC_COOKIE, MESSAGE_HEADER_SIZE};

use crate::turn::channel_data;

/// The longest frame, padding apart. A client that asks for more room is no client: no datagram could carry it on.
const MAX_FRAME: usize = 65_535;

/// The longest frame of a client without an allocation: many times the longest request, and little enough for many strangers.
const MAX_FRAME_OF_STRANGERS: usize = 4096;

/// The stream is none of STUN and ChannelData, or no longer: where one message ends can't be told, and so no other one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are neither STUN nor ChannelData")]
pub(super) struct Foreign;

/// What has come of one stream and is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// A message has come. Before that, no channel can be bound, and letters of other protocols look like the data of one.
    opened: bool,
    takes_long_frames: bool,
}

impl Inbox {
    /// Takes frames of any length from now on, not only those that a client needs to get an allocation.
    pub(super) const fn take_long_frames(&mut self) {
        self.takes_long_frames = true;
    }

    /// Whether frames of any length are taken.
    pub(super) const fn takes_long_frames(&self) -> bool {
        self.takes_long_frames
    }

    /// Takes the next bytes of the stream, and hands each frame that is whole by now to `hand_in`, without its padding. Returns how
    /// many there were.
    ///
    /// # Errors
    /// When the stream can't go on.
    pub(super) fn take(&mut self, bytes: &[u8], mut hand_in: impl FnMut(&[u8])) -> Result<usize, Foreign> {
        let mut frames = 0;
        if self.partial.is_empty() {
            let used = self.split(bytes, &mut frames, &mut hand_in)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(frames);
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        let used = self.split(&joined, &mut frames, &mut hand_in)?;
        // No more is held than what waits, and nothing by who says nothing more.
        self.partial = if used == 0 { joined } else { joined[used..].to_vec() };
        Ok(frames)
    }

    /// Whether a frame has begun and not ended.
    pub(super) const fn is_waiting(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Hands in what is whole, and returns where the rest begins.
    fn split(&mut self, bytes: &[u8], frames: &mut usize, hand_in: &mut impl FnMut(&[u8])) -> Result<usize, Foreign> {
        let mut start = 0;
        while let Some(length) = self.frame(&bytes[start..])? {
            let padded = length.next_multiple_of(4);
            if bytes.len() - start < padded {
                break;
            }
            hand_in(&bytes[start..start + length]);
            self.opened = true;
            *frames += 1;
            start += padded;
        }
        Ok(start)
    }

    /// The length of the frame that `bytes` begin with, padding apart, as soon as they tell it.
    fn frame(&self, bytes: &[u8]) -> Result<Option<usize>, Foreign> {
        let cookie = bytes.get(4..).unwrap_or_default();
        let header = match bytes {
            [] => return Ok(None),
            [0x00..=0x3F, ..] if MAGIC_COOKIE.to_be_bytes().starts_with(&cookie[..cookie.len().min(4)]) => MESSAGE_HEADER_SIZE,
            [0x40..=0x4F, ..] if self.opened => channel_data::HEADER,
            _ => return Err(Foreign),
        };
        let [_, _, high, low, ..] = bytes else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let uneven = header == MESSAGE_HEADER_SIZE && length % 4 != 0;
        let longest = if self.takes_long_frames { MAX_FRAME } else { MAX_FRAME_OF_STRANGERS };
        if uneven || header + length > longest { Err(Foreign) } else { Ok(Some(header + length)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A STUN message with a body of `length` bytes.
    fn message(length: u16) -> Vec<u8> {
        let mut message = vec![0, 1];
        message.extend(length.to_be_bytes());
        message.extend(MAGIC_COOKIE.to_be_bytes());
        message.extend([7; 12]);
        message.resize(MESSAGE_HEADER_SIZE + usize::from(length), 9);
        message
    }

    /// ChannelData with `length` bytes, padding apart.
    fn data(length: u16) -> Vec<u8> {
        let mut frame = vec![0x40, 0x02];
        frame.extend(length.to_be_bytes());
        frame.resize(channel_data::HEADER + usize::from(length), 5);
        frame
    }

    fn padded(mut frame: Vec<u8>) -> Vec<u8> {
        frame.resize(frame.len().next_multiple_of(4), 0);
        frame
    }

    /// Everything that comes out when the stream comes in these pieces.
    fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<Vec<u8>>, bool), Foreign> {
        let (mut inbox, mut out) = (Inbox { takes_long_frames: true, ..Inbox::default() }, Vec::new());
        for piece in pieces {
            let before = out.len();
            let count = inbox.take(piece, |frame| out.push(frame.to_vec()))?;
            assert_eq!(count, out.len() - before);
        }
        Ok((out, inbox.is_waiting()))
    }

    fn opened() -> Inbox {
        Inbox { opened: true, takes_long_frames: true, ..Inbox::default() }
    }

    #[test]
    fn frames_come_out_whole_wherever_the_stream_is_cut() {
        let whole = vec![message(0), data(0), data(1), data(2), message(8), data(3), data(4), data(1201)];
        let stream: Vec<u8> = whole.iter().cloned().flat_map(padded).collect();
        assert_eq!(frames([&stream[..]]), Ok((whole.clone(), false)), "all in one read");
        assert_eq!(frames(stream.chunks(1)), Ok((whole.clone(), false)), "byte by byte");
        for cut in 0..=stream.len() {
            let (one, two) = stream.split_at(cut);
            assert_eq!(frames([one, two]), Ok((whole.clone(), false)), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_waits_for_its_padding() {
        let stream = [message(0), data(1)].concat();
        for padding in 0..3 {
            let stream = [&stream[..], &[0; 3][..padding]].concat();
            assert_eq!(frames([&stream[..]]), Ok((vec![message(0)], true)), "{padding} of 3 bytes");
        }
    }

    #[test]
    fn the_longest_frames_pass_and_longer_ones_do_not_begin() {
        let long = [message(65_512), data(65_531)];
        let stream: Vec<u8> = [message(0)].into_iter().chain(long.clone()).flat_map(padded).collect();
        assert_eq!(frames(stream.chunks(1400)), Ok((vec![message(0), long[0].clone(), long[1].clone()], false)));
        assert_eq!(frames([&message(65_516)[..4]]), Err(Foreign));
        assert_eq!(opened().take(&data(65_532)[..4], |_| {}), Err(Foreign));
    }

    #[test]
    fn t25_strangers_hold_no_more_than_a_request_needs() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.take(&message(4076), |_| {}), Ok(1));
        for long in [message(4080), data(4093)] {
            assert_eq!(Inbox { opened: true, ..Inbox::default() }.take(&long[..4], |_| {}), Err(Foreign));
        }
        inbox.take_long_frames();
        assert_eq!(inbox.take(&message(4080), |_| {}), Ok(1));
        assert_eq!(inbox.take(&data(4093), |_| {}), Ok(0), "only its padding is missing");
    }

    #[test]
    fn no_more_is_kept_than_what_waits() {
        let mut inbox = Inbox::default();
        let stream = [message(0).repeat(1000), message(40)].concat();
        inbox.take(&stream[..1], |_| {}).unwrap();
        assert_eq!(inbox.take(&stream[1..stream.len() - 10], |_| {}), Ok(1000));
        assert_eq!((inbox.partial.len(), inbox.partial.capacity()), (50, 50));
    }

    #[test]
    fn other_protocols_are_seen_as_soon_as_they_differ() {
        let mut wrong_cookie = message(0);
        wrong_cookie[5] ^= 1;
        let cases: [(&str, &[u8]); 7] = [
            ("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
            ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
            ("TLS", &[0x16, 3, 1, 2, 0, 1, 0]),
            ("RTP", &[0x80]),
            ("reserved channels", &[0x50]),
            ("a wrong cookie", &wrong_cookie[..6]),
            ("a length that is no multiple of four", &[0, 1, 0, 2]),
        ];
        for (name, bytes) in cases {
            assert_eq!(frames([bytes]), Err(Foreign), "{name}");
            assert_eq!(frames(bytes.chunks(1)), Err(Foreign), "{name}, byte by byte");
        }
        assert_eq!(frames([&data(4)[..]]), Err(Foreign), "channel data before any message");
    }

    #[test]
    fn what_stands_before_the_fault_is_still_handed_in() {
        let (mut inbox, mut out) = (Inbox::default(), Vec::new());
        let stream = [message(4), vec![0xFF]].concat();
        assert_eq!(inbox.take(&stream, |frame| out.push(frame.to_vec())), Err(Foreign));
        assert_eq!(out, [message(4)]);
    }

    #[test]
    fn nothing_is_kept_between_frames() {
        let mut inbox = Inbox::default();
        let whole = message(2000);
        inbox.take(&whole[..9], |_| {}).unwrap();
        inbox.take(&whole[9..], |_| {}).unwrap();
        assert_eq!(inbox.partial.capacity(), 0);
    }
}
