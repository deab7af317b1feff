#!/bin/sh
# Installs the servers that the relay is compared with, where they are missing. What can't be had is left out of the comparison.
set -u
cd "$(dirname "$0")/../.."

if ! command -v turnserver >/dev/null; then
    if command -v apt-get >/dev/null; then
        sudo=
        [ "$(id -u)" = 0 ] || sudo=sudo
        # The package would start a relay on this machine's addresses. A policy file keeps it from doing so, unless there is one.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
            $sudo chmod +x "$policy"
            trap '$sudo rm -f "$policy"' EXIT
        fi
        $sudo apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends coturn >/dev/null ||
            echo "coturn can't be installed: it is left out." >&2
    else
        echo "coturn is missing: install it with your system's package manager to compare with it." >&2
    fi
fi

if [ ! -x target/turn-server/bin/turn-server ]; then
    echo "Building turn-server 4.1.5 to compare with (once; takes some minutes)." >&2
    cargo install --quiet --locked turn-server --version 4.1.5 --no-default-features --features udp,tcp \
        --root target/turn-server || echo "turn-server can't be built here: it is left out." >&2
fi
