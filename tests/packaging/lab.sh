# lab.sh: read by the tests beside it, which run as root on Linux. Gives them a network of their own that leads nowhere, a server in
# it, and words for what holds. Everything is taken away again at the end, whatever happened.
set -eu
PATH=$PATH:/usr/sbin:/sbin
# The server's address in that network.
address=10.77.0.1

skip() {
    tests/skipped.sh note "$lab" "$1"
    exit 0
}
ok() { echo "  ok: $1"; }
fail() {
    echo "  FAILED: $1" >&2
    exit 1
}

# The first mirror of Debian in the sources of apt; without one, debootstrap knows where to go.
mirror() { apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 2>/dev/null | sed -n 's/^Debian [a-z]* //p' | head -n 1; }

# built COMMAND...: the path that a script of packaging/ prints last.
built() {
    "$@" >"$work/built" || fail "$* fails"
    tail -n 1 "$work/built"
}

# begin NAME TOOL...: makes the network, called $lab, and a directory, $work.
begin() {
    lab=hearth-$1-$$
    echo "$1:"
    shift
    [ "$(uname)" = Linux ] || skip "it needs Linux"
    [ "$(id -u)" = 0 ] || skip "it needs root"
    for tool in ip "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is missing (tests/packaging/setup.sh installs it)"
    done
    work=$(mktemp -d)
    server=
    trap end EXIT
    trap 'exit 1' HUP INT TERM
    ip netns add "$lab" 2>/dev/null || skip "this system lets nobody make network namespaces"
    # The other end leads nowhere; what matters is that there is an address which isn't loopback, and a way out.
    ip -n "$lab" link add outside type veth peer name nowhere
    ip -n "$lab" addr add "$address/24" dev outside
    for link in lo outside nowhere; do ip -n "$lab" link set "$link" up; done
    ip -n "$lab" route add default via 10.77.0.254
}

end() {
    code=$?
    trap '' HUP INT TERM
    # What a test adds to this, it takes away itself.
    if command -v also_end >/dev/null; then also_end; fi
    stop KILL
    if [ "$code" != 0 ] && [ -s "$work/log" ]; then
        echo "--- log of the server ---" >&2
        tail -n 60 "$work/log" >&2
    fi
    ip netns del "$lab" 2>/dev/null || true
    rm -rf "$work"
    exit "$code"
}

# inside COMMAND...: runs it in that network.
inside() { ip netns exec "$lab" "$@"; }

# probe CHECK ADDRESS [WORD]: see probe.mjs.
probe() { inside node tests/packaging/probe.mjs "$@"; }

# launch COMMAND...: starts a server in that network and waits until it is there. Nothing of this environment reaches it.
launch() {
    : >"$work/out"
    ip netns exec "$lab" env -i PATH="$PATH" "$@" >"$work/out" 2>>"$work/log" &
    server=$!
    waited=0
    until grep -q '^Press Ctrl-C' "$work/out"; do
        kill -0 "$server" 2>/dev/null || fail "the server did not start"
        waited=$((waited + 1))
        [ "$waited" -lt 300 ] || fail "the server did not start within 30 s"
        sleep 0.1
    done
}

# What launch's server said: the first value after "NAME: ".
said() { sed -n "s/^$1: //p" "$work/out" | head -n 1; }

# stop SIGNAL: ends that server.
stop() {
    [ -n "$server" ] || return 0
    kill "-$1" "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
