#!/bin/sh
# Installs what the tests need and is not there. Asks for nothing and changes nothing that is already good. With "coturn" only what
# `make foreign` needs besides.
set -eu
cd "$(dirname "$0")/.."
packaging/need.sh cargo cc node npm

install() {
    if ! command -v apt-get >/dev/null; then
        echo "The tests need $1: install it with your system's package manager." >&2
        exit 1
    fi
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    # The lists of a fresh machine are empty or old.
    [ -n "${updated:-}" ] || $sudo apt-get update -qq
    updated=yes
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if [ "${1:-}" = coturn ]; then
    command -v turnutils_uclient >/dev/null || install coturn
    exit 0
fi

[ -x /usr/bin/chromium ] || install chromium
# Tells a browser of the tests which authorities to trust.
command -v certutil >/dev/null || install libnss3-tools
# Starts the server with a clock that is wrong.
command -v faketime >/dev/null || install faketime
# Tests of what happens when the system refuses something, and of addresses and firewalls that only networks of their own can have.
command -v strace >/dev/null || install strace
# Makes what the server of a certificate authority shows.
command -v openssl >/dev/null || install openssl
# What the units are looked over with; no service manager has to run.
command -v systemd-analyze >/dev/null || install systemd
# What holds sockets for a server that is restarted.
command -v python3 >/dev/null || install python3
# The certificate authority that the tests of certificates ask.
command -v pebble >/dev/null || install pebble
[ -x /usr/sbin/ip ] || [ -x /sbin/ip ] || install iproute2
[ -x /usr/sbin/nft ] || install nftables
cargo nextest --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-nextest
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || rustup component add "$(echo $component | sed 's/^fmt/rustfmt/')"
done
