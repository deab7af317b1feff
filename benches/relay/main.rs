//! `make bench-relay`: what relaying a packet costs, here and in other servers, with the same traffic in the same run.
//!
//! The method and its figures stand in `docs/PERFORMANCE.md`.

mod allocation;
mod clock;
mod datagrams;
mod extras;
mod forwarder;
mod generator;
mod goals;
mod link;
mod markdown;
mod options;
mod pair;
mod process;
mod readiness;
mod report;
mod servers;
mod soak;
mod stream;

use std::thread;

use anyhow::{Result, bail};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::datagrams::Gait;
use crate::generator::{Load, Outcome};
use crate::options::{Options, Part};
use crate::pair::Mode;
use crate::report::{Case, Row};
use crate::servers::{Kind, Server, floor};

fn main() -> Result<()> {
    let options = Options::parse();
    match options.forward.as_deref() {
        None => match options.soak {
            None => measure(&options),
            Some(minutes) => {
                raise_file_limit()?;
                soak::run(minutes, options.window)
            }
        },
        Some(floor::ONE) => match forwarder::run(Gait::OneAtATime)? {},
        Some(floor::BATCHES) => match forwarder::run(Gait::Batches)? {},
        Some(other) => bail!("there is no way to forward called {other}"),
    }
}

fn measure(options: &Options) -> Result<()> {
    raise_file_limit()?;
    warn_of_load()?;
    let kinds = present(options);
    let (mut all, mut extras) = (Vec::new(), Vec::new());
    report::heading();
    for case in cases(options) {
        let mut rows = measure_case(case, &kinds, options);
        report::compare(&mut rows);
        report::table(&rows);
        all.extend(rows);
    }
    if options.wants(Part::Extras) {
        extras = extras::measure(&kinds, options);
        report::extras(&extras);
    }
    if options.markdown {
        markdown::print(&all);
    }
    report::goals(&goals::judge(&all, &extras));
    report::write(&options.json, &all, &extras)
}

/// Thousands of allocations need as many sockets, here and in the servers, which inherit the limit.
fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// The generator and a server want a processor each for themselves.
fn warn_of_load() -> Result<()> {
    let (load, processors) = (process::load_average()?, thread::available_parallelism()?);
    if load > 0.5 {
        report::notice(&format!("this machine is busy (load {load}, {processors} processors): trust ratios, not times"));
    }
    Ok(())
}

/// The servers that are wanted and can be started.
fn present(options: &Options) -> Vec<Kind> {
    let mut kinds = options.servers();
    kinds.retain(|kind| match kind.missing() {
        None => true,
        Some(why) => {
            report::notice(&format!("left out {}: {why}", kind.name()));
            false
        }
    });
    kinds
}

fn cases(options: &Options) -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in options.modes() {
        for load in options.saturations(mode) {
            for &allocations in &options.allocations {
                cases.extend(options.payloads.iter().map(|&payload| Case { mode, allocations, payload, load }));
            }
        }
    }
    if options.wants(Part::Paced) {
        cases.extend(options.rates.iter().map(|&per_second| Case {
            mode: Mode::ClientPeer,
            allocations: 100,
            payload: 1200,
            load: Load::Paced { per_second },
        }));
    }
    cases
}

/// Measures every server that can do it, in turns, several times, and takes the medians.
fn measure_case(case: Case, kinds: &[Kind], options: &Options) -> Vec<Row> {
    let mut outcomes: Vec<(Kind, Vec<Outcome>)> =
        kinds.iter().filter(|kind| kind.can(case.mode)).map(|&kind| (kind, Vec::new())).collect();
    for _ in 0..options.rounds() {
        // One that failed once is left out of the case: a median of fewer rounds would not compare.
        outcomes.retain_mut(|(kind, outcomes)| match measure_once(case, *kind, options) {
            Ok(outcome) => {
                outcomes.push(outcome);
                true
            }
            Err(why) => {
                report::notice(&format!("left out {} in {}: {why:#}", kind.name(), case.mode.name()));
                false
            }
        });
    }
    outcomes.iter().map(|(kind, outcomes)| Row::new(*kind, case, outcomes)).collect()
}

fn measure_once(case: Case, kind: Kind, options: &Options) -> Result<Outcome> {
    let server = Server::start(kind, options.threads)?;
    let mut pairs = pair::connect(&server, case.mode, case.allocations, case.payload)?;
    generator::run(&mut pairs, case.load, options.span(), server.pid())
}
