//! ChannelData of clients that come by streams, on its way without the core.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use super::Edge;
use super::departures::Departures;
use super::packets::Exit;
use super::routes::{Routes, Verdict};
use crate::clock::Now;
use crate::turn::channel_data;
use crate::turn::server::{ClientSocket, Server};

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
        let verdict = channel_data::read(frame).map(|(channel, payload)| {
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

    fn note(&self, exit: &Exit, channel: Option<u16>, payload: &[u8]) {
        let refused = OUTGOING.with_borrow_mut(|Outgoing { payloads, departures }| {
            let start = payloads.len();
            payloads.extend_from_slice(payload);
            departures.leave(exit, channel, std::iter::once(start..payloads.len()), payloads)
        });
        self.count_refused(refused);
    }
}
