//! ChannelData of clients that come by streams, on its way without the core.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::Edge;
use super::departures::{Departures, part};
use super::packets::Exit;
use super::routes::{Routes, Verdict};
use crate::clock::Now;
use crate::turn::server::{ClientSocket, Server};

/// The length of a ChannelData header (RFC 8656 §12.4).
const CHANNEL_HEADER: usize = 4;

thread_local! {
    /// What one read of a stream brings for peers; gathered here, because frames may lie in different places.
    static OUTGOING: RefCell<Outgoing> = RefCell::default();
}

#[derive(Default)]
struct Outgoing {
    payloads: Vec<u8>,
    departures: Departures,
}

impl Edge {
    /// Takes a frame of a client's stream. Where its way is known it is only noted; [`Edge::forward`] sends what is.
    pub(super) fn take_frame(&self, client: ClientSocket, routes: &mut Routes<u16>, frame: &[u8]) {
        let verdict = channel_data(frame).map(|(channel, payload)| {
            let now = Now::read();
            let ask = || self.route(0, |core| core.outward_route(client, channel, now));
            (routes.pass(channel, (1, payload.len()), now.tick, ask), payload)
        });
        match verdict {
            Some((Verdict::Leave(exit, channel), payload)) => {
                self.forwarded.fetch_add(1, Ordering::Relaxed);
                self.note(&exit, channel, &frame[payload]);
            }
            Some((Verdict::Drop, _)) => drop(self.forwarded.fetch_add(1, Ordering::Relaxed)),
            // One alone is never told to go apart.
            Some((Verdict::Unknown | Verdict::Apart, _)) | None => {
                // What the core sends goes at once, and may not overtake what came before.
                let hand_in = |core: &mut Server, now| core.handle_datagram(client, frame, now);
                self.drive_from(None, frame, hand_in, || self.forward());
            }
        }
    }

    /// Sends what was noted.
    pub(super) fn forward(&self) {
        let refused = OUTGOING.with_borrow_mut(|Outgoing { payloads, departures }| {
            let refused = departures.send(payloads);
            payloads.clear();
            refused
        });
        self.count_refused(refused);
    }

    /// Counts packets that the system refused to send.
    pub(super) fn count_refused(&self, packets: usize) {
        if packets > 0 {
            self.faults.sending.fetch_add(packets as u64, Ordering::Relaxed);
        }
    }

    fn note(&self, exit: &Exit, channel: Option<u16>, payload: &[u8]) {
        OUTGOING.with_borrow_mut(|Outgoing { payloads, departures }| {
            let start = payloads.len();
            let part = part(channel, start..start + payload.len());
            match exit {
                Exit::Datagram(way) => {
                    payloads.extend_from_slice(payload);
                    departures.push(way, std::iter::once(part));
                }
                Exit::Stream(stream) => {
                    let refused = stream.send_packets(std::iter::once([part.head(), payload]));
                    self.count_refused(refused);
                }
            }
        });
    }
}

/// The channel of a datagram or frame and where its payload lies, if it is whole ChannelData.
pub(super) fn channel_data(bytes: &[u8]) -> Option<(u16, Range<usize>)> {
    let [n0 @ 0x40..=0x4F, n1, l0, l1, rest @ ..] = bytes else { return None };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    (length <= rest.len()).then(|| (u16::from_be_bytes([*n0, *n1]), CHANNEL_HEADER..CHANNEL_HEADER + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_channel_data_has_a_payload_and_nothing_else_has() {
        assert_eq!(channel_data(&[0x40, 1, 0, 2, 7, 8]), Some((0x4001, 4..6)));
        assert_eq!(channel_data(&[0x4F, 0xFF, 0, 1, 7, 0, 0, 0]), Some((0x4FFF, 4..5)), "padded");
        assert_eq!(channel_data(&[0x40, 1, 0, 0]), Some((0x4001, 4..4)));
        for bytes in [&[0x40, 1, 0, 3, 7, 8][..], &[0x50, 0, 0, 0], &[0x3F, 0, 0, 0], &[0x40, 1, 0], &[]] {
            assert_eq!(channel_data(bytes), None, "{bytes:?}");
        }
    }
}
