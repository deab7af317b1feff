//! What was measured: the table on the screen, and `target/bench-relay.json`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::generator::{Load, Outcome};
use crate::pair::Mode;
use crate::servers::Kind;

/// One kind of measurement, taken from every server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub mode: Mode,
    pub allocations: usize,
    pub payload: usize,
    pub load: Load,
}

/// The medians of one server in one case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub server: &'static str,
    pub mode: &'static str,
    /// Packets a second that were asked for; nothing when as many as possible.
    pub paced_pps: Option<u64>,
    pub allocations: usize,
    pub payload: usize,
    /// The server's processor time for each relayed packet.
    pub us_per_packet: f64,
    /// Packets a second that arrived.
    pub pps: f64,
    /// The part of the packets that did not arrive.
    pub loss: f64,
    /// Processors that the server kept busy.
    pub busy: f64,
    pub rtt_p50_us: Option<f64>,
    pub rtt_p99_us: Option<f64>,
    /// How many times as much the others need for a packet, in the same run.
    pub coturn_ratio: Option<f64>,
    pub turn_server_ratio: Option<f64>,
    pub floor_ratio: Option<f64>,
    #[serde(skip)]
    pub case: Case,
    #[serde(skip)]
    pub kind: Kind,
}

impl Row {
    pub fn new(kind: Kind, case: Case, outcomes: &[Outcome]) -> Self {
        let of = |figure: &dyn Fn(&Outcome) -> f64| median(outcomes.iter().map(figure).collect());
        let round_trip = |part: f64| {
            let known = outcomes.iter().all(|outcome| !outcome.round_trips.is_empty());
            known.then(|| of(&|outcome| quantile(&outcome.round_trips, part) / 1e3))
        };
        Self {
            server: kind.name(),
            mode: case.mode.name(),
            paced_pps: match case.load {
                Load::Saturated(_) => None,
                Load::Paced { per_second } => Some(per_second),
            },
            allocations: case.allocations,
            payload: case.payload,
            us_per_packet: of(&|outcome| outcome.cpu as f64 / outcome.relayed.max(1) as f64 / 1e3),
            pps: of(&|outcome| outcome.relayed as f64 * 1e9 / outcome.elapsed as f64),
            loss: of(&|outcome| 1.0 - outcome.arrived as f64 / outcome.sent.max(1) as f64),
            busy: of(&|outcome| outcome.cpu as f64 / outcome.elapsed as f64),
            rtt_p50_us: round_trip(0.5),
            rtt_p99_us: round_trip(0.99),
            coturn_ratio: None,
            turn_server_ratio: None,
            floor_ratio: None,
            case,
            kind,
        }
    }
}

/// Fills in how the rows of one case compare.
pub fn compare(rows: &mut [Row]) {
    let cost = |kind| rows.iter().find(|row| row.kind == kind).map(|row| row.us_per_packet);
    let (coturn, turn_server, floor) = (cost(Kind::Coturn), cost(Kind::TurnServer), cost(Kind::FloorBatch));
    for row in rows {
        let ratio = |other: Option<f64>| other.map(|other| other / row.us_per_packet);
        (row.coturn_ratio, row.turn_server_ratio, row.floor_ratio) = (ratio(coturn), ratio(turn_server), ratio(floor));
    }
}

/// One line for the reader.
pub fn line(text: &str) {
    println!("{text}");
}

/// One line about what can't be measured and why.
pub fn notice(text: &str) {
    eprintln!("bench-relay: {text}");
}

/// The heading of the table.
pub fn heading() {
    line(&format!(
        "{:<12} {:<12} {:>7} {:>6} {:>6} {:>8} {:>10} {:>7} {:>5} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "mode",
        "server",
        "pace/s",
        "alloc.",
        "bytes",
        "µs/pkt",
        "pkt/s",
        "loss",
        "busy",
        "p50 µs",
        "p99 µs",
        "coturn",
        "t-server",
        "floor"
    ));
}

/// The rows of one case. The last columns tell how many times as much the others need.
pub fn table(rows: &[Row]) {
    let some = |value: Option<f64>, places: usize| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.places$}"));
    for row in rows {
        line(&format!(
            "{:<12} {:<12} {:>7} {:>6} {:>6} {:>8.2} {:>10.0} {:>6.2}% {:>5.2} {:>8} {:>8} {:>8} {:>8} {:>8}",
            row.mode,
            row.server,
            row.paced_pps.map_or_else(|| "–".to_owned(), |pps| pps.to_string()),
            row.allocations,
            row.payload,
            row.us_per_packet,
            row.pps,
            row.loss * 100.0,
            row.busy,
            some(row.rtt_p50_us, 0),
            some(row.rtt_p99_us, 0),
            some(row.coturn_ratio, 2),
            some(row.turn_server_ratio, 2),
            some(row.floor_ratio, 2),
        ));
    }
    line("");
}

/// One figure that is no cost of a packet.
#[derive(Clone, Debug, Serialize)]
pub struct Extra {
    pub server: &'static str,
    /// What was measured.
    pub mode: &'static str,
    pub value: f64,
    pub unit: &'static str,
    #[serde(skip)]
    pub kind: Kind,
}

/// The other figures, one a line.
pub fn extras(extras: &[Extra]) {
    for Extra { server, mode, value, unit, .. } in extras {
        line(&format!("{mode:<30} {server:<12} {value:>10.1} {unit}"));
    }
    line("");
}

/// What was wanted, what came of it, and whether that is enough.
pub struct Goal {
    pub wanted: String,
    pub measured: String,
    pub met: bool,
}

/// The goals that this run can tell something about.
pub fn goals(goals: &[Goal]) {
    for Goal { wanted, measured, met } in goals {
        line(&format!("{:<7} {wanted}: {measured}", if *met { "met" } else { "missed" }));
    }
    line("");
}

/// Writes everything to a file, as one array.
pub fn write(path: &Path, rows: &[Row], extras: &[Extra]) -> Result<()> {
    let rows = rows.iter().map(serde_json::to_value);
    let all = rows.chain(extras.iter().map(serde_json::to_value)).collect::<Result<Vec<_>, _>>()?;
    fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
    line(&format!("written to {}", path.display()));
    Ok(())
}

/// The middle one of some figures; of two in the middle the lower.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// The figure below which this part of the sorted figures lies.
pub fn quantile(sorted: &[u64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).map_or(0.0, |&figure| figure as f64)
}
