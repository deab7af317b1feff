#!/bin/sh
# run.sh [--keep] [RUNS]: feeds every target made-up inputs until one of them breaks what must hold, and says so when none did.
# RUNS is how many for each. What it finds on the way stays in target/fuzz/corpus; with --keep it also replaces the committed
# corpus, minimised: the inputs that reach something which neither the seeds nor one another reach.
set -eu
cd "$(dirname "$0")/../.."
keep=
if [ "${1:-}" = --keep ]; then
    keep=yes
    shift
fi
packaging/need.sh cargo cc c++
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-fuzz

here=tests/fuzz
found=target/fuzz/corpus
# Without a sanitizer: no target reaches unsafe code of ours, it runs several times as fast, and no nightly compiler is needed.
fuzz() { target=$1; shift; cargo fuzz run --fuzz-dir "$here" --sanitizer none --target-dir target/fuzz "$target" "$@"; }

# TARGET, how many inputs, how long they get at most.
while read -r target runs longest; do
    seeds=$here/seeds/$target
    corpus=$here/corpus/$target
    mkdir -p "$found/$target" "$corpus"
    echo "$target: ${1:-$runs} inputs"
    # New inputs go to the first folder, the others are only read.
    fuzz "$target" "$found/$target" "$corpus" "$seeds" -- \
        -runs="${1:-$runs}" -max_len="$longest" -timeout=10 -rss_limit_mb=1024 -verbosity=1 -print_final_stats=1 </dev/null
    [ -n "$keep" ] || continue
    kept=$(mktemp -d)
    cp "$seeds"/* "$kept"
    fuzz "$target" "$kept" "$corpus" "$found/$target" -- \
        -set_cover_merge=1 -use_counters=0 -max_len="$longest" -verbosity=0 </dev/null
    for seed in "$seeds"/*; do rm "$kept/$(basename "$seed")"; done
    rm -rf "$corpus"
    mkdir "$corpus"
    find "$kept" -type f -exec cp {} "$corpus" \;
    rm -rf "$kept"
done <<TARGETS
message 3500000 1500
frames 1500000 2000
username 1500000 100
nonce 1500000 60
wire 1500000 2000
core 1000000 600
TARGETS
echo "fuzz: nothing was broken"
