//! What the fuzz targets begin with and what they have kept, for the tests that go through it again on every run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Hands every committed input of `target` to `body`, which panics where something doesn't hold.
pub fn replay(target: &str, body: impl Fn(&[u8])) {
    let inputs: Vec<PathBuf> = ["seeds", "corpus"].into_iter().flat_map(|folder| inputs(folder, target)).collect();
    for input in inputs {
        let bytes = fs::read(&input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
        let held = catch_unwind(AssertUnwindSafe(|| body(&bytes)));
        assert!(held.is_ok(), "the input was {}", input.display());
    }
}

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder).join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries.map(|entry| entry.expect("the folder is still there").path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs.sort();
    inputs
}
