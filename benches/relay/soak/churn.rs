//! The restless part of the soak: allocations that are made, used and ended all the time.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Tally;
use crate::allocation::{Allocation, channel_data};
use crate::clock::{in_nanos, nanos};
use crate::datagrams::Inbox;
use crate::link::Link;
use crate::pair::{self, Mode};
use crate::servers::Server;

/// How many are made in a second.
pub const PER_SECOND: u64 = 100;
/// How long the server keeps one that nobody ends (RFC 8656 §3.2), in nanoseconds: no shorter life can be asked for.
const LIFETIME: u64 = 600_000_000_000;
/// Bytes of the packets that go each way. Multiples of four, because streams pad the others.
const SIZES: [usize; 3] = [4, 200, 1200];
/// A packet that has not come after this long is lost.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Clients by streams spread over as many addresses as this number of them takes.
const SPREAD: u64 = 4096;

/// How an allocation ends.
enum End {
    Refreshed,
    Closed,
    Forgotten,
}

/// How the client of this number comes and goes: of ten, one by TCP and one by TLS; of a thousand, one is forgotten.
fn kind(number: u64) -> (Mode, End) {
    match (number % 10, number % 1000) {
        (4, _) => (Mode::Tcp, End::Closed),
        (9, _) => (Mode::Tls, End::Closed),
        (_, 500) => (Mode::ClientPeer, End::Forgotten),
        (..) => (Mode::ClientPeer, End::Refreshed),
    }
}

/// Makes one allocation after the other until told to stop.
pub fn run(server: &Server, tally: &Tally) {
    let (mut inbox, begun, mut forgotten) = (Inbox::new(), nanos(), VecDeque::new());
    for number in 0.. {
        let due = begun + number * in_nanos(Duration::from_secs(1)) / PER_SECOND;
        thread::sleep(Duration::from_nanos(due.saturating_sub(nanos())));
        if tally.stop.load(Relaxed) {
            break;
        }
        match one(server, number, &mut inbox, tally) {
            Ok(kept) => forgotten.extend(kept.map(|link| (nanos(), link))),
            Err(why) => {
                tally.failed.fetch_add(1, Relaxed);
                tally.tell(&format!("allocation {number}: {why:#}"));
            }
        }
        tally.churned.fetch_add(1, Relaxed);
        while forgotten.front().is_some_and(|(at, _)| at + LIFETIME < nanos()) {
            forgotten.pop_front();
        }
        tally.forgotten.store(forgotten.len() as u64, Relaxed);
    }
}

/// Makes an allocation, sends through it both ways, and ends it. One that is to be forgotten leaves its socket: another client
/// from the same port would be taken for it.
fn one(server: &Server, number: u64, inbox: &mut Inbox, tally: &Tally) -> Result<Option<Link>> {
    let (mode, end) = kind(number);
    let link = pair::link(server, mode, usize::try_from(number % SPREAD)?)?;
    let mut client = Allocation::open(link, &server.account(), inbox)?;
    let (mut peer, address) = pair::peer_of(client.relayed)?;
    client.bind(address, inbox)?;
    let payloads = SIZES.map(|size| (0..size as u64).map(|index| (number * 31 + index * 7) as u8).collect::<Vec<u8>>());
    let frames = [0, 1, 2].map(|index: usize| channel_data(&payloads[index]));
    let link = &mut client.link;
    let outward = carry(link, &frames, &mut peer, &payloads, inbox, tally).context("from the client");
    let inward = carry(&mut peer, &payloads, link, &frames, inbox, tally).context("to the client");
    // Also when something was lost, so that nothing stays behind unnoticed.
    match end {
        End::Refreshed => client.end(inbox)?,
        End::Closed => {}
        End::Forgotten => return outward.and(inward).map(|()| Some(client.link)),
    }
    outward.and(inward).map(|()| None)
}

/// Sends frames from here to there, where each must arrive as it is wanted.
fn carry(from: &mut Link, sent: &[Vec<u8>], to: &mut Link, wanted: &[Vec<u8>], inbox: &mut Inbox, tally: &Tally) -> Result<()> {
    sent.iter().try_for_each(|frame| from.send(frame, frame.len()))?;
    tally.sent.fetch_add(sent.len() as u64, Relaxed);
    let mut missing: Vec<&Vec<u8>> = wanted.iter().collect();
    while !missing.is_empty() && poll(&mut [PollFd::new(&*to, PollFlags::IN)], Some(&PATIENCE))? > 0 {
        to.receive(inbox, |frame| match missing.iter().position(|wanted| *wanted == frame) {
            Some(place) => {
                tally.arrived.fetch_add(1, Relaxed);
                tally.bytes.fetch_add(missing.swap_remove(place).len() as u64, Relaxed);
            }
            None => drop(tally.spoiled.fetch_add(1, Relaxed)),
        })?;
    }
    ensure!(missing.is_empty(), "{} of {} packets did not arrive", missing.len(), wanted.len());
    Ok(())
}
