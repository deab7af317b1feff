//! The finder of messages in streams as `make fuzz` and the tests see it: any stream goes in, cut anywhere, and what must hold of
//! its frames is asserted.

use super::framing::Inbox;

/// How many bytes of the input say where the stream is cut.
const CUTS: usize = 4;

/// What comes of a stream: its frames, and whether the last one is still incomplete; no more is known of one that can't go on.
type Outcome = (Vec<Vec<u8>>, Option<bool>);

/// A stream gives the same frames wherever it is cut, and they are what it consists of. The first bytes say where it is cut.
pub fn frames(bytes: &[u8]) {
    let Some((cuts, stream)) = bytes.split_first_chunk::<CUTS>() else { return };
    let of_strangers = check(stream, *cuts, Inbox::default);
    let of_holders = check(stream, *cuts, || {
        let mut inbox = Inbox::default();
        inbox.take_long_frames();
        inbox
    });
    assert!(of_holders.starts_with(&of_strangers), "a frame changed with what is allowed after it");
}

/// Returns the frames.
fn check(stream: &[u8], cuts: [u8; CUTS], inbox: impl Fn() -> Inbox) -> Vec<Vec<u8>> {
    let (frames, waiting) = outcome(inbox(), [stream]);
    let mut at = 0;
    for frame in &frames {
        let padded = frame.len().next_multiple_of(4);
        assert_eq!(stream.get(at..at + frame.len()), Some(&frame[..]), "a frame is not where the one before it ends");
        assert!(at + padded <= stream.len(), "a frame was handed in before its padding");
        let header = if frame[0] < 0x40 { 20 } else { 4 };
        assert_eq!(usize::from(u16::from_be_bytes([frame[2], frame[3]])) + header, frame.len());
        at += padded;
    }
    assert!(waiting.is_none_or(|waiting| waiting == (at < stream.len())), "bytes were lost");
    let whole = (frames, waiting);
    assert_eq!(outcome(inbox(), cut(stream, cuts)), whole, "cut by {cuts:?}");
    assert_eq!(outcome(inbox(), stream.chunks(1)), whole, "byte by byte");
    whole.0
}

fn outcome<'a>(mut inbox: Inbox, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut frames = Vec::new();
    for piece in pieces {
        let before = frames.len();
        match inbox.take(piece, |frame| frames.push(frame.to_vec())) {
            Ok(count) => assert_eq!(count, frames.len() - before),
            Err(_) => return (frames, None),
        }
    }
    (frames, Some(inbox.is_waiting()))
}

/// Pieces of these lengths, in turn.
fn cut(mut stream: &[u8], lengths: [u8; CUTS]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    for length in lengths.into_iter().cycle() {
        let (piece, rest) = stream.split_at(stream.len().min(usize::from(length) + 1));
        pieces.push(piece);
        stream = rest;
        if stream.is_empty() {
            break;
        }
    }
    pieces
}
