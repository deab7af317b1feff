#!/bin/sh
# static.sh [amd64|arm64|armhf]: builds a Hearth that needs nothing of the system it runs on, for this machine or for another
# architecture. It lies in target/TRIPLE/release, and its path is the last line printed.
#
# For another architecture than this machine's, cross.sh looks for the compilers; see there.
set -eu
cd "$(dirname "$0")/.."
packaging/need.sh cargo cc node npm
target=$(packaging/target.sh "$@")
[ "$target" = "$(packaging/target.sh)" ] || . packaging/cross.sh

# Without the second, the program would look for the system's source of randomness in the C library, which is not there to be asked.
RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'
export RUSTFLAGS
# With the target named, the flags are for the program only and not for the compiler's plug-ins.
cargo build --release --locked --target "$target"
echo "${CARGO_TARGET_DIR:-target}/$target/release/hearth"
