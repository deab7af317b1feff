#!/bin/sh
# target.sh [amd64|arm64|armhf]: what the Rust compiler calls this architecture; without one, this machine's.
set -eu
case ${1:-$(uname -m)} in
amd64 | x86_64) echo x86_64-unknown-linux-gnu ;;
arm64 | aarch64) echo aarch64-unknown-linux-gnu ;;
armhf | armv7l) echo armv7-unknown-linux-gnueabihf ;;
*) echo "Hearth is built for amd64, arm64 and armhf, and not for ${1:-$(uname -m)}." >&2; exit 2 ;;
esac
