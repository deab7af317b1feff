//! Logs: what is written, how, and where to; and what of it the admin page shows.
//!
//! One event makes one line, whatever stands in it ([`render`]). Nobody who logs ever waits for whoever reads (fault R42): lines go
//! into a bounded queue, a thread of their own takes them from there to the outlet, and what finds no room is dropped and counted
//! ([`sink`]). Nor can strangers fill a disk with lines (attack D9): above so many a second they are left out and counted
//! ([`pace`]). Whatever is left out in either way is told in a line of its own.

mod journal;
mod pace;
mod panics;
mod recent;
mod record;
mod render;
mod sink;

use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use tracing::{Event, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::{Tick, Timestamp};
use pace::Pace;
use recent::Recent;
pub use recent::Remark;
use record::Record;
use render::Style;
use sink::{Outlet, Sink};

/// Crates that tell every packet, page or odd frame at `info` and above: only what is out of order, unless it is asked for by name.
/// And those that tell at `trace` what people send, tokens and all: nothing.
const QUIETED: &str = "turn=error,stun=error,webrtc_util=error,sled=warn,h2::proto::ping_pong=error,\
    tungstenite=off,tokio_tungstenite=off";

/// Under which name the log speaks of itself. Such lines are outside of the limit on lines.
const OF_THE_LOG: &str = "hearth::telemetry";

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As fields of the journal where the standard error stream leads there, else for people.
    Auto,
    /// For people; in colour on a terminal.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
    /// As fields of the systemd journal, by its own protocol; for people where there is no journal.
    Journald,
}

/// What to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Directives of `tracing_subscriber::EnvFilter`, such as `info,hearth::turn=debug`. Ones that can't be read are passed over.
    pub directives: String,
    /// How a line is written.
    pub format: Format,
    /// How many lines a second are written, on average; `None` for all.
    pub lines_per_second: Option<NonZeroU32>,
    /// What the variable `JOURNAL_STREAM` says, by which systemd tells a service that its streams lead to the journal.
    pub journal_stream: Option<String>,
}

/// What became of the lines that are not in the log, and of what should never happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines lost because nobody took them.
    pub dropped: u64,
    /// Lines left out because there were too many in a second.
    pub left_out: u64,
    /// Panics. Each has cost a request, a connection or a room, and is a fault of the program.
    pub panics: u64,
}

/// Writes what still waits when it is dropped, if somebody takes it soon.
#[derive(Debug)]
#[must_use = "the last lines are written when this is dropped"]
pub struct Logs {
    sink: Option<Arc<Sink>>,
}

/// What is the same for all of the process, as the subscriber of its events is.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();
static SINK: OnceLock<Arc<Sink>> = OnceLock::new();
static PACE: OnceLock<Arc<Pace>> = OnceLock::new();
static RECENT: Recent = Recent::new();

/// Sends the program's logs where `settings` want them from now on, panics among them. Where that was done before, everything stays
/// as it was.
pub fn init(settings: &Settings) -> Logs {
    let (style, outlet, missing) = choose(settings);
    let sink = Arc::new(Sink::new());
    let pace = settings.lines_per_second.map(|lines| Arc::new(Pace::new(lines, Tick::now())));
    let (filter, handle) = reload::Layer::new(filter(&settings.directives));
    let lines = Lines { style, sink: Arc::clone(&sink), pace: pace.clone() };
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_err() {
        tracing::debug!("logging was set up before and stays as it was");
        return Logs { sink: None };
    }
    // Whoever comes second has not come this far.
    let _ = (FILTER.set(handle), SINK.set(Arc::clone(&sink)));
    if let Some(pace) = &pace {
        let _ = PACE.set(Arc::clone(pace));
    }
    panics::watch();
    if let Err(error) = sink::start(Arc::clone(&sink), outlet, pace) {
        tracing::error!(%error, "no thread could be started to write the log");
    }
    if missing {
        tracing::warn!("log.format is \"journald\", but there is no journal at {}; writing lines instead", journal::SOCKET);
    }
    Logs { sink: Some(sink) }
}

/// Logs by these directives from now on. Ones that can't be read are passed over.
pub fn reconfigure(directives: &str) {
    if let Some(handle) = FILTER.get() {
        // It fails only when the subscriber is gone, and with it the log.
        let _ = handle.reload(filter(directives));
    }
}

/// What became of the lines that are not in the log, and how many panics there were.
pub fn figures() -> Figures {
    Figures {
        dropped: SINK.get().map_or(0, |sink| sink.dropped()),
        left_out: PACE.get().map_or(0, |pace| pace.left_out()),
        panics: panics::count(),
    }
}

/// The last warnings and errors, newest first.
pub fn recent() -> Vec<Remark> {
    RECENT.list()
}

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(sink) = &self.sink {
            sink.close();
        }
    }
}

/// How and where to, and whether a journal was asked for that is not there.
fn choose(settings: &Settings) -> (Style, Outlet, bool) {
    let lines = |style| (style, Outlet::standard_error());
    let pretty = || lines(Style::Pretty { colours: std::io::stderr().is_terminal() });
    let by_journal = match settings.format {
        Format::Pretty => false,
        Format::Json => {
            let (style, outlet) = lines(Style::Json);
            return (style, outlet, false);
        }
        Format::Auto => journal::is_standard_error(settings.journal_stream.as_deref()),
        Format::Journald => true,
    };
    match by_journal.then(Outlet::journal) {
        Some(Some(outlet)) => (Style::Journal, outlet, false),
        Some(None) => {
            let (style, outlet) = pretty();
            (style, outlet, settings.format == Format::Journald)
        }
        None => {
            let (style, outlet) = pretty();
            (style, outlet, false)
        }
    }
}

/// What is asked for by name comes later and so wins over the crates kept quiet.
fn filter(directives: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("{QUIETED},{directives}"))
}

/// Makes lines out of events.
struct Lines {
    style: Style,
    sink: Arc<Sink>,
    pace: Option<Arc<Pace>>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let Some(pace) = &self.pace else { return true };
        let metadata = event.metadata();
        let admitted = metadata.target() == OF_THE_LOG || pace.admit(*metadata.level(), Tick::now());
        if !admitted {
            self.sink.wake();
        }
        admitted
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = Record::of(event, Timestamp::now());
        let of_the_log = record.target == OF_THE_LOG;
        if record.level <= tracing::Level::WARN && !of_the_log {
            RECENT.add(&record);
        }
        self.sink.push(render::line(&record, self.style), of_the_log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(directives: &str) -> String {
        let sink = Arc::new(Sink::new());
        let lines = Lines { style: Style::Pretty { colours: false }, sink: Arc::clone(&sink), pace: None };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter(directives)).with(lines), || {
            tracing::info!(target: "hearth::turn", "ours");
            tracing::warn!(target: "turn::server", "theirs");
            tracing::debug!(target: "hearth::hub", "detail");
        });
        sink.waiting()
    }

    #[test]
    fn crates_that_chatter_are_quiet_unless_asked_for() {
        let usual = logged("info");
        assert!(usual.contains("ours") && !usual.contains("theirs") && !usual.contains("detail"), "{usual}");
        let asked = logged("info,turn=debug,hearth::hub=debug");
        assert!(asked.contains("theirs") && asked.contains("detail"), "{asked}");
    }

    #[test]
    fn setting_up_twice_is_harmless() {
        for format in [Format::Pretty, Format::Json] {
            let settings = Settings {
                directives: String::from("warn,not a directive"),
                format,
                lines_per_second: NonZeroU32::new(100),
                journal_stream: None,
            };
            drop(init(&settings));
        }
    }
}
