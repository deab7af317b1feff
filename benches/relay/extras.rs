//! Figures that are no cost of a packet: memory, threads, and how soon an allocation is there.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::allocation::{Account, Allocation, Prepared};
use crate::clock::{in_nanos, nanos};
use crate::datagrams::Inbox;
use crate::generator::{self, Load, Outcome, Traffic};
use crate::link::Link;
use crate::options::Options;
use crate::pair::{self, Mode, Pair};
use crate::process::resident_bytes;
use crate::report::{self, Extra, median, quantile};
use crate::servers::{Kind, Server};

pub const IDLE_MEMORY: &str = "memory of an idle allocation";
pub const SECOND_THREAD: &str = "two threads beside one";
pub const ALLOCATE_P50: &str = "Allocate under load, p50";
pub const ALLOCATE_P99: &str = "Allocate under load, p99";

/// Allocations made before the first look at the memory: what the first ones cost is not what one more costs.
const SETTLED: usize = 100;
/// Allocations between the two looks.
const IDLE: usize = 2000;

/// Processors below which two threads and the traffic for them have no room beside each other.
const ENOUGH_PROCESSORS: usize = 4;

/// Packets of 1200 bytes a second that make 100 Mbit/s.
const HUNDRED_MEGABITS: u64 = 10_400;
/// How many Allocates are timed.
const ALLOCATES: usize = 500;
/// How long the traffic flows by itself between two of them.
const BETWEEN: Duration = Duration::from_millis(5);

/// Measures what the servers can be compared in. What can't be had is left out with a notice.
pub fn measure(kinds: &[Kind], options: &Options) -> Vec<Extra> {
    let mut extras = Vec::new();
    for &kind in kinds.iter().filter(|kind| matches!(kind, Kind::Hearth | Kind::Coturn)) {
        let figures = [memory(kind), second_thread(kind, options), allocate(kind)];
        for figure in figures {
            match figure {
                Ok(figures) => extras.extend(figures),
                Err(why) => report::notice(&format!("left out a figure of {}: {why:#}", kind.name())),
            }
        }
    }
    extras
}

fn extra(kind: Kind, mode: &'static str, value: f64, unit: &'static str) -> Extra {
    Extra { server: kind.name(), mode, value, unit, kind }
}

fn memory(kind: Kind) -> Result<Vec<Extra>> {
    let server = Server::start(kind, 1)?;
    let mut inbox = Inbox::new();
    let mut open = |count: usize| -> Result<Vec<Allocation>> {
        (0..count).map(|_| Allocation::open(Link::udp(server.udp)?, &server.account(), &mut inbox)).collect()
    };
    let settled = open(SETTLED)?;
    let before = resident_bytes(server.pid())?;
    let idle = open(IDLE)?;
    let after = resident_bytes(server.pid())?;
    drop((settled, idle));
    Ok(vec![extra(kind, IDLE_MEMORY, after.saturating_sub(before) as f64 / IDLE as f64, "bytes")])
}

fn second_thread(kind: Kind, options: &Options) -> Result<Vec<Extra>> {
    let processors = thread::available_parallelism()?.get();
    if processors < ENOUGH_PROCESSORS {
        anyhow::bail!("two threads show nothing on {processors} processors, it takes {ENOUGH_PROCESSORS}");
    }
    let mut carried = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds() {
        for (threads, carried) in (1..).zip(&mut carried) {
            let server = Server::start(kind, threads)?;
            let mut pairs = pair::connect(&server, Mode::ClientPeer, 100, 1200)?;
            carried.push(from_two_threads(&mut pairs, &server, options)?);
        }
    }
    let [one, two] = carried.map(median);
    Ok(vec![extra(kind, SECOND_THREAD, two / one, "times as many packets")])
}

/// Packets a second that a server carries when two threads send.
fn from_two_threads(pairs: &mut [Pair], server: &Server, options: &Options) -> Result<f64> {
    let (load, span, pid) = (options.saturation(), options.span(), server.pid());
    let half = pairs.len() / 2;
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let threads: Vec<_> =
            pairs.chunks_mut(half).map(|pairs| scope.spawn(move || generator::run(pairs, load, span, pid))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread of the generator panics")).collect::<Result<_>>()
    })?;
    Ok(outcomes.iter().map(|outcome| outcome.relayed as f64 * 1e9 / outcome.elapsed as f64).sum())
}

fn allocate(kind: Kind) -> Result<Vec<Extra>> {
    let server = Server::start(kind, 1)?;
    let mut pairs = pair::connect(&server, Mode::ClientPeer, 100, 1200)?;
    let mut traffic = Traffic::new(&mut pairs, Load::Paced { per_second: HUNDRED_MEGABITS })?;
    let (mut inbox, mut times, mut kept) = (Inbox::new(), Vec::new(), Vec::new());
    for _ in 0..ALLOCATES {
        let Account::Credential { name, password } = server.account() else { return Ok(Vec::new()) };
        let mut prepared = Prepared::new(Link::udp(server.udp)?, &name, &password, &mut inbox)?;
        traffic.until(nanos() + in_nanos(BETWEEN))?;
        let sent = nanos();
        prepared.send()?;
        while !prepared.is_answered(&mut inbox)? {
            traffic.step()?;
            (nanos() - sent < 1_000_000_000).then_some(()).context("an Allocate was not answered within a second")?;
        }
        times.push(nanos() - sent);
        kept.push(prepared);
    }
    times.sort_unstable();
    let figure = |mode, part| extra(kind, mode, quantile(&times, part) / 1e3, "µs");
    Ok(vec![figure(ALLOCATE_P50, 0.5), figure(ALLOCATE_P99, 0.99)])
}
