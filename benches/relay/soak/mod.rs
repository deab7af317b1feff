//! `make soak`: our own relay kept half busy for a long time, while allocations come and go. Nothing may be lost and nothing grow.

mod churn;
mod flow;

use std::collections::HashMap;
use std::process;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock::{in_nanos, nanos};
use crate::generator::{self, Load, Saturation, Span};
use crate::pair::{self, Mode};
use crate::process::{cpu_nanos, descriptors, overflows, resident_bytes, starved_nanos};
use crate::report::{self, Goal, median};
use crate::servers::{Kind, Server};

/// The most threads that the server starts by itself.
const MOST_THREADS: usize = 4;
const SAMPLE: Duration = Duration::from_secs(10);
/// How soon the server closes what its clients have ended.
const SETTLE: Duration = Duration::from_secs(3);
/// A window this narrow, a row for each allocation, can't be narrowed.
const NARROW: usize = flow::ALLOCATIONS * flow::ROW;
/// By how much memory may differ without growing: what an allocator keeps, and the allocations that nobody ended.
const MEMORY_NOISE: f64 = 0.5;
/// By how much descriptors may: those of the allocations just being made.
const DESCRIPTOR_NOISE: f64 = 4.0;

/// What both parts count, and the sign to stop.
#[derive(Default)]
struct Tally {
    begun: u64,
    stop: AtomicBool,
    sent: AtomicU64,
    /// Whole, each byte as it was sent; those that came after a later one are late as well.
    arrived: AtomicU64,
    late: AtomicU64,
    bytes: AtomicU64,
    /// Arrived, but never sent like this.
    spoiled: AtomicU64,
    /// Since the last sample.
    gaps: AtomicU64,
    renewals: AtomicU64,
    churned: AtomicU64,
    failed: AtomicU64,
    /// Allocations that nobody ended and that live on.
    forgotten: AtomicU64,
}

impl Tally {
    fn tell(&self, text: &str) {
        let seconds = (nanos() - self.begun) / 1_000_000_000;
        report::line(&format!("{:>4}:{:02}  {text}", seconds / 60, seconds % 60));
    }
}

/// The server at one moment.
struct Sample {
    /// In MiB.
    memory: f64,
    /// Without those of allocations that nobody ended.
    descriptors: f64,
}

/// Soaks for so many minutes. Fails when a goal is missed.
pub fn run(minutes: u64, window: usize) -> Result<()> {
    // As many as it starts by itself.
    let threads = thread::available_parallelism()?.get().min(MOST_THREADS);
    let per_second = saturation(threads, window)? / 2.0;
    let server = Server::start(Kind::Hearth, threads)?;
    thread::sleep(SETTLE);
    let tally = Tally { begun: nanos(), ..Tally::default() };
    let before = descriptors(server.pid())?;
    let mut watch =
        Watch { server: &server, tally: &tally, samples: Vec::new(), lost_here: HashMap::new(), lost_there: HashMap::new() };
    thread::scope(|scope| {
        let steady = scope.spawn(|| flow::run(&server, per_second, &tally));
        scope.spawn(|| churn::run(&server, &tally));
        let watched = watch.over(minutes, || steady.is_finished());
        tally.stop.store(true, Relaxed);
        steady.join().expect("the steady part does not panic").and(watched)
    })?;
    thread::sleep(SETTLE);
    let after = descriptors(server.pid())? as f64 - tally.forgotten.load(Relaxed) as f64;
    let goals = watch.goals(before as f64, after);
    report::goals(&goals);
    ensure!(goals.iter().all(|goal| goal.met), "the soak missed a goal");
    Ok(())
}

/// Packets a second that a server carries and loses none.
fn saturation(threads: usize, mut window: usize) -> Result<f64> {
    loop {
        let server = Server::start(Kind::Hearth, threads)?;
        let mut pairs = pair::connect(&server, Mode::ClientPeer, flow::ALLOCATIONS, flow::PAYLOAD)?;
        let span = Span { warm_up: Duration::from_millis(500), measured: Duration::from_secs(3) };
        let outcome = generator::run(&mut pairs, Load::Saturated(Saturation { row: flow::ROW, window }), span, server.pid())?;
        let (lost, elapsed) = (outcome.sent - outcome.arrived, outcome.elapsed as f64);
        let (pps, busy) = (outcome.relayed as f64 * 1e9 / elapsed, outcome.cpu as f64 / elapsed);
        report::line(&format!("saturated, {window} under way: {pps:.0} packets/s, {lost} lost, {busy:.2} processors busy"));
        if lost == 0 || window <= NARROW {
            return Ok(pps);
        }
        window /= 2;
    }
}

/// Who looks at the server from time to time.
struct Watch<'a> {
    server: &'a Server,
    tally: &'a Tally,
    samples: Vec<Sample>,
    /// Datagrams that did not fit into sockets of ours, and of the server's, by inode; churned sockets are seen only by chance.
    lost_here: HashMap<u64, u64>,
    lost_there: HashMap<u64, u64>,
}

impl Watch<'_> {
    fn over(&mut self, minutes: u64, is_over: impl Fn() -> bool) -> Result<()> {
        let pid = self.server.pid();
        let (mut cpu, mut starved, mut arrived) = (cpu_nanos(pid)?, starved_nanos(pid)?, 0);
        let end = nanos() + in_nanos(Duration::from_secs(60 * minutes));
        while nanos() < end {
            let at = nanos();
            thread::sleep(SAMPLE);
            ensure!(!is_over(), "the steady part ended early");
            let (elapsed, cpu_then, starved_then, arrived_then) = ((nanos() - at) as f64, cpu, starved, arrived);
            (cpu, starved, arrived) = (cpu_nanos(pid)?, starved_nanos(pid)?, self.tally.arrived.load(Relaxed));
            let pps = (arrived - arrived_then) as f64 * 1e9 / elapsed;
            self.sample(pps, (cpu - cpu_then) as f64 / elapsed, (starved - starved_then) as f64 / elapsed)?;
        }
        Ok(())
    }

    fn sample(&mut self, pps: f64, busy: f64, starved: f64) -> Result<()> {
        let (pid, tally) = (self.server.pid(), self.tally);
        self.lost_here.extend(overflows(process::id())?);
        self.lost_there.extend(overflows(pid)?);
        let memory = resident_bytes(pid)? as f64 / f64::from(1 << 20);
        let (open, forgotten) = (descriptors(pid)?, tally.forgotten.load(Relaxed));
        self.samples.push(Sample { memory, descriptors: open as f64 - forgotten as f64 });
        tally.gaps.store(0, Relaxed);
        let (churned, failed) = (tally.churned.load(Relaxed), tally.failed.load(Relaxed));
        tally.tell(&format!(
            "{memory:.2} MiB, {open} descriptors ({forgotten} forgotten), {busy:.2} busy, {starved:.2} starved, {pps:.0} packets/s, \
             {churned} churned, {failed} failed, overflowed here {}, there {}",
            self.lost_here.values().sum::<u64>(),
            self.lost_there.values().sum::<u64>(),
        ));
        Ok(())
    }

    /// What came of it, beside what was wanted.
    fn goals(&self, before: f64, after: f64) -> Vec<Goal> {
        let of = |count: &AtomicU64| count.load(Relaxed);
        let tally = self.tally;
        let (sent, arrived, spoiled) = (of(&tally.sent), of(&tally.arrived), of(&tally.spoiled));
        let lost = sent.saturating_sub(arrived);
        report::line(&format!(
            "{} packets relayed, {} bytes; {} late, {} renewals; {} allocations churned; overflowed here {}, there {}",
            arrived,
            of(&tally.bytes),
            of(&tally.late),
            of(&tally.renewals),
            of(&tally.churned),
            self.lost_here.values().sum::<u64>(),
            self.lost_there.values().sum::<u64>(),
        ));
        let goal = |wanted: &str, measured: String, met| Goal { wanted: wanted.to_owned(), measured, met };
        vec![
            goal("every packet arrives byte for byte", format!("{lost} of {sent} lost, {spoiled} spoiled"), lost + spoiled == 0),
            goal("every allocation that is asked for is made", format!("{} failed", of(&tally.failed)), of(&tally.failed) == 0),
            self.flat("memory in MiB is flat", |sample| sample.memory, MEMORY_NOISE),
            self.flat("descriptors are flat", |sample| sample.descriptors, DESCRIPTOR_NOISE),
            goal("descriptors return to where they began", format!("{before:.0} before, {after:.0} after"), after <= before),
        ]
    }

    /// Whether a figure is no higher in the last quarter than in the second. In the first one, what is kept for bursts comes into use.
    fn flat(&self, wanted: &str, figure: fn(&Sample) -> f64, noise: f64) -> Goal {
        let figures: Vec<f64> = self.samples.iter().map(figure).collect();
        let quarter = figures.len().div_ceil(4);
        let median_from = |start: usize| median(figures[start..figures.len().min(start + quarter)].to_vec());
        let (second, last) = (median_from(quarter.min(figures.len() - 1)), median_from(figures.len() - quarter));
        let most = figures.iter().copied().fold(0.0, f64::max);
        let met = last <= second + noise;
        let verdict = if met { "flat" } else { "grows" };
        let measured = format!("{second:.2} in the second quarter, {last:.2} in the last, {most:.2} at most: {verdict}");
        Goal { wanted: wanted.to_owned(), measured, met }
    }
}
