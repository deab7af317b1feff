//! Panics: counted and logged (fault R30). Each costs the request, connection or room that it happened in, and nothing else.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Logs panics from now on instead of printing them: printing would wait for whoever reads the standard error stream.
pub(super) fn watch() {
    std::panic::set_hook(Box::new(report));
}

/// How many there were.
pub(super) fn count() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

fn report(panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let cause = panic.payload_as_str().unwrap_or("unknown");
    let place = panic.location().map_or_else(|| String::from("unknown"), ToString::to_string);
    tracing::error!(event = "panic", cause, place, "a part of the program failed; please report this");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_a_panic_is_counted_with_its_cause_and_place() {
        let before = count();
        watch();
        let outcome = std::thread::spawn(|| panic!("for the test")).join();
        drop(std::panic::take_hook());
        assert!(outcome.is_err());
        assert_eq!(count(), before + 1);
    }
}
