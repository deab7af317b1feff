#![no_main]

#[path = "../play/mod.rs"]
mod play;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| play::core(bytes));
