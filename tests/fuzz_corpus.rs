//! What the fuzzer kept of the relay core, played again with the same watchfulness on every run of the tests. The parsers' share of
//! the corpus is replayed beside them, in `turn` and `signaling`.

#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/play/mod.rs"]
mod play;

#[test]
fn t24_what_the_fuzzer_kept_of_the_core_holds_as_before() {
    corpus::replay("core", play::core);
}
