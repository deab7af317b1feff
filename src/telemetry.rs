//! Logs: what is written, how, and where to.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Crates that tell every packet or page at `info` and above: only what is out of order, unless it is asked for by name.
const QUIETED: &str = "turn=error,stun=error,webrtc_util=error,sled=warn";

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people; in colour on a terminal.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

/// What to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Directives of `tracing_subscriber::EnvFilter`, such as `info,hearth::turn=debug`. Ones that can't be read are passed over.
    pub directives: String,
    /// How a line is written.
    pub format: Format,
}

/// What is let through. Logs go to one place for the whole program, and so does what is said about them.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends the program's logs to the standard error stream from now on. Where that was done before, everything stays as it was.
pub fn init(settings: &Settings) {
    let (filter, handle) = reload::Layer::new(filter(&settings.directives));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let outcome = match settings.format {
        Format::Pretty => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    match outcome {
        Ok(()) => drop(FILTER.set(handle)),
        Err(_) => tracing::debug!("logging was set up before and stays as it was"),
    }
}

/// Logs what `directives` ask for from now on, if logging was set up here.
pub fn reconfigure(directives: &str) {
    if let Some(Err(error)) = FILTER.get().map(|handle| handle.reload(filter(directives))) {
        tracing::warn!(%error, "what is logged could not be changed");
    }
}

/// What is asked for by name comes later and so wins over the crates kept quiet.
fn filter(directives: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("{QUIETED},{directives}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(directives: &str) -> String {
        use std::io::Write;
        use std::sync::{Arc, Mutex};

        #[derive(Clone, Default)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let sink = Sink::default();
        let writer = sink.clone();
        let lines = fmt::layer().with_writer(move || writer.clone()).with_ansi(false).without_time();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter(directives)).with(lines), || {
            tracing::info!(target: "hearth::turn", "ours");
            tracing::warn!(target: "turn::server", "theirs");
            tracing::debug!(target: "hearth::hub", "detail");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
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
            init(&Settings { directives: String::from("warn,not a directive"), format });
        }
    }
}
