#!/bin/sh
# Lets browsers behind routers and firewalls meet: makes the networks, runs the browser tests in them, and takes them away again.
# HEARTH_BIN names the program to test. Where networks can't be made, it says why and is content, unless
# TESTS_MUST_RUN=1 is set.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin

skip() {
    tests/skipped.sh note networks "$1"
    exit 0
}
[ "$(uname)" = Linux ] || skip "network namespaces are Linux's"
[ "$(id -u)" = 0 ] || skip "making network namespaces needs root"
for tool in ip nft; do
    command -v $tool >/dev/null || skip "$tool is missing ('make setup' installs it)"
done

# Two runs at once don't meet.
HEARTH_NETWORKS=hearth-$$-
export HEARTH_NETWORKS
world=$PWD/tests/networks/world.sh
trap '"$world" down "$HEARTH_NETWORKS"' EXIT
trap 'exit 1' HUP INT TERM
ip netns add "${HEARTH_NETWORKS}server" 2>/dev/null || skip "this system lets nobody make network namespaces"
ip netns del "${HEARTH_NETWORKS}server"
"$world" up "$HEARTH_NETWORKS"

HEARTH_BIN=$(realpath "${HEARTH_BIN:-target/release/hearth}")
export HEARTH_BIN
cd web
ip netns exec "${HEARTH_NETWORKS}server" npx --no-install playwright test --project=networks "$@"
