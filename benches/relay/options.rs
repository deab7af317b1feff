//! What can be asked for on the command line.

use std::time::Duration;

use clap::Parser;

use crate::generator::{Load, Saturation, Span};
use crate::pair::Mode;
use crate::servers::Kind;

/// Compares the relay with others, on loopback, with the same traffic.
#[derive(Debug, Parser)]
#[command(name = "bench-relay")]
pub struct Options {
    /// One round of short measurements.
    #[arg(long)]
    pub quick: bool,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Only these servers.
    #[arg(long, value_delimiter = ',')]
    pub servers: Vec<Kind>,
    /// How often each measurement is taken; the median is told. 5, or 1 with --quick.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// How long each measurement takes. 1, or 0.5 with --quick.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// How many allocations there are.
    #[arg(long, value_delimiter = ',', default_value = "10,100")]
    pub allocations: Vec<usize>,
    /// How many bytes a payload has.
    #[arg(long, value_delimiter = ',', default_value = "200,1200")]
    pub payloads: Vec<usize>,
    /// Packets a second of the paced measurements, in all.
    #[arg(long, value_delimiter = ',', default_value = "2000,10000")]
    pub rates: Vec<u64>,
    /// How many packets go in a row in the saturated measurements before the next pair has its turn. Each is measured by UDP; by TCP
    /// and TLS, where packets always run together, only the first.
    #[arg(long, value_delimiter = ',', default_value = "5,1")]
    pub rows: Vec<usize>,
    /// How many packets of the saturated measurements may be under way in each direction, spread evenly over all pairs.
    #[arg(long, default_value_t = 2000)]
    pub window: usize,
    /// How many threads the servers relay with.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Instead of comparing: keep our own relay busy for so many minutes, with allocations that come and go, and see whether
    /// anything is lost or grows.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1200))]
    pub soak: Option<u64>,
    /// Print the costs as tables in Markdown, too.
    #[arg(long)]
    pub markdown: bool,
    /// Where the figures are written.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-relay.json"))]
    pub json: std::path::PathBuf,
    /// Forwards instead of measuring: "one" or "batches".
    #[arg(long, hide = true)]
    pub forward: Option<String>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// A part of the whole run: saturated traffic in one mode, paced traffic, or what is no cost of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    ClientPeer,
    RelayRelay,
    Tcp,
    Tls,
    Paced,
    Extras,
}

impl Options {
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    pub fn servers(&self) -> Vec<Kind> {
        if self.servers.is_empty() { Kind::ALL.to_vec() } else { self.servers.clone() }
    }

    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }

    pub fn span(&self) -> Span {
        let seconds = self.seconds.unwrap_or(if self.quick { 0.5 } else { 1.0 });
        Span { warm_up: Duration::from_millis(300), measured: Duration::from_secs_f64(seconds) }
    }

    /// The kinds of saturated traffic that are wanted in this mode.
    pub fn saturations(&self, mode: Mode) -> impl Iterator<Item = Load> {
        let kinds = match mode {
            Mode::ClientPeer | Mode::RelayRelay => self.rows.len(),
            Mode::Tcp | Mode::Tls => 1,
        };
        self.rows.iter().take(kinds).map(|&row| Load::Saturated(Saturation { row, window: self.window }))
    }

    /// The saturated modes that are wanted.
    pub fn modes(&self) -> Vec<Mode> {
        let all = [
            (Part::ClientPeer, Mode::ClientPeer),
            (Part::RelayRelay, Mode::RelayRelay),
            (Part::Tcp, Mode::Tcp),
            (Part::Tls, Mode::Tls),
        ];
        all.into_iter().filter(|&(part, _)| self.wants(part)).map(|(_, mode)| mode).collect()
    }
}
