#!/bin/sh
# deb.sh: the life of the package on a small Debian of its own, under a real systemd: installed, killed, upgraded, removed, purged.
# The Debian is made once by debootstrap, from the mirror that this machine uses, and kept in target/; MIRROR names another.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin deb node debootstrap systemd-nspawn nsenter lintian

tree=$PWD/target/packaging/bookworm
machine=$work/machine
sockets="hearth.socket hearth-http.socket hearth-turns.socket"
nspawn=
leader=

# The first mirror of Debian in the sources of apt; without one, debootstrap knows where to go.
mirror() { apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 2>/dev/null | sed -n 's/^Debian [a-z]* //p' | head -n 1; }

make_tree() {
    [ ! -d "$tree" ] || return 0
    echo "  making a small Debian; this is done once"
    mkdir -p "$tree.new"
    # shellcheck disable=SC2046 -- no mirror is no argument
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,procps bookworm "$tree.new" ${MIRROR:-$(mirror)} >"$work/debootstrap.log" ||
        { tail -n 20 "$work/debootstrap.log" >&2; rm -rf "$tree.new"; fail "no Debian could be made"; }
    rm -rf "$tree.new"/var/cache/apt/archives/*.deb "$tree.new"/var/lib/apt/lists/*
    mv "$tree.new" "$tree"
}

boot() {
    systemd-nspawn --quiet --directory="$machine" --machine="$lab" --register=no --keep-unit --boot --console=passive \
        --network-namespace-path="/run/netns/$lab" </dev/null >"$work/console" 2>&1 &
    nspawn=$!
    waited=0
    until [ "$(there systemctl is-system-running 2>/dev/null)" = running ]; do
        kill -0 "$nspawn" 2>/dev/null || { cat "$work/console" >&2; fail "the machine did not start"; }
        waited=$((waited + 1))
        [ "$waited" -lt 120 ] || { there systemctl --failed >&2; fail "the machine did not start within 60 s"; }
        sleep 0.5
        leader=$(pgrep --parent "$nspawn" | head -n 1)
    done
}

# there COMMAND...: runs it on that machine.
there() {
    [ -n "$leader" ] || return 1
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= "$@"
}

also_end() {
    if [ "$code" != 0 ] && [ -n "$leader" ]; then
        echo "--- the machine ---" >&2
        there systemctl status --no-pager --lines=0 $sockets hearth.service >&2 || true
        there journalctl --no-pager --lines=60 -u hearth.service -u 'hearth*.socket' >&2 || true
    fi
    [ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true
    [ -z "${others:-}" ] || kill "$others" 2>/dev/null || true
    # SIGRTMIN+4, on which systemd powers off.
    [ -z "$leader" ] || kill -38 "$leader" 2>/dev/null || true
    waited=0
    while [ -n "$nspawn" ] && kill -0 "$nspawn" 2>/dev/null; do
        [ "$waited" -lt 100 ] || kill -KILL "$leader" "$nspawn" 2>/dev/null || true
        waited=$((waited + 1))
        sleep 0.1
    done
}

install_deb() {
    cp "$1" "$machine/root/hearth.deb"
    there dpkg --install /root/hearth.deb >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "$2"; }
}
state() { there systemctl is-active "$1" || true; }
property() { there systemctl show --property "$2" --value "$1"; }
must_be() { [ "$(state "$2")" = "$1" ] || fail "$2 is $(state "$2"), and should be $1: $3"; }
owner() { there stat -c '%U %a' /var/lib/hearth; }
# The link, found as the package says.
link() { there sh -c "$(sed -n 's/^ *sudo \(hearth setup-link\)/\1/p' "$work/dpkg")" | head -n 1; }

# The next one made takes the place of the one before.
make_deb() { cp "$(packaging/deb.sh | tail -n 1)" "$work"; }
make_deb
version=$(dpkg-deb --field "$work"/hearth_*.deb Version)
(export DEB_VERSION="$version+newer"; make_deb)
deb=$(find "$work" -name "hearth_*$version""_*.deb")
newer=$(find "$work" -name 'hearth_*+newer_*.deb')
# Who answers for the package is for whoever publishes it to say.
lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,mail-address-loops-or-bounces "$deb" ||
    fail "lintian finds errors"
ok "lintian finds no errors in $(basename "$deb"), $(stat -c %s "$deb") bytes"

make_tree
cp -a "$tree" "$machine"
boot

install_deb "$deb" "the package can't be installed"
for unit in $sockets hearth.service; do must_be active "$unit" "after the installation"; done
[ "$(there systemctl is-enabled $sockets hearth.service | sort -u)" = enabled ] || fail "it would not start with the machine"
[ "$(owner)" = "hearth 700" ] || fail "the data belong to $(owner)"
[ "$(there ps -C hearth -o user= | sort -u)" = hearth ] || fail "it runs as $(there ps -C hearth -o user=)"
ok "installed: it runs as hearth, and starts with the machine"
probe ready "$address"
there journalctl -u hearth -o cat | grep -q "^setup: https://$address/setup#" || fail "the log has no link that leads here from elsewhere"
link=$(link)
[ "${link%#*}" = "https://$address/setup" ] || fail "the link leads elsewhere: $link"
probe setup "$address" "$link"
! there hearth setup-link >/dev/null 2>&1 || fail "there is a link although there is an admin"
probe relay "$address"
there hearth health >/dev/null || fail "hearth health finds nobody"
ok "$(there hearth config check)"
there systemd-analyze security --no-pager --threshold=15 hearth.service >"$work/security" || { cat "$work/security" >&2; fail "it is exposed too much"; }
ok "$(tail -n 1 "$work/security" | sed 's/^[^O]*//')"

# The probe takes the program's place in the unit, and so in its sandbox. Perl, which is no part of it, is let in with its libraries.
install -D -m 0755 tests/packaging/sandbox.pl "$machine/usr/lib/hearth-probe/sandbox.pl"
there /usr/bin/perl /usr/lib/hearth-probe/sandbox.pl >"$work/free"
for possible in 'write /etc/hearth-probe' 'write /usr/bin/hearth-probe' 'write /root/hearth-probe' 'run a shell' ptrace 'raw socket' \
    'packet socket' mount 'make a user namespace' 'listen below 1024'; do
    grep -qx "$possible: done" "$work/free" || { cat "$work/free" >&2; fail "the probe does not work: $possible"; }
done
there mkdir -p /run/systemd/system/hearth.service.d
cat >"$work/probe.conf" <<'EOF'
[Service]
Type=oneshot
WatchdogSec=0
Restart=no
StandardOutput=file:/run/hearth-probe
ExecStart=
ExecStart=/usr/bin/perl /usr/lib/hearth-probe/sandbox.pl
ExecPaths=/usr/bin/perl /usr/lib
EOF
there tee /run/systemd/system/hearth.service.d/probe.conf <"$work/probe.conf" >/dev/null
there systemctl daemon-reload
there systemctl restart hearth.service || fail "the probe can't run in the sandbox"
there cat /run/hearth-probe >"$work/probed"
there rm -r /run/hearth-probe /run/systemd/system/hearth.service.d /usr/lib/hearth-probe
there systemctl daemon-reload
[ "$(wc -l <"$work/probed")" = "$(wc -l <"$work/free")" ] || { cat "$work/probed" >&2; fail "the probe did not come to its end"; }
[ "$(grep ': done$' "$work/probed")" = "write /var/lib/hearth/hearth-probe: done" ] || { cat "$work/probed" >&2; fail "the sandbox lets more through"; }
there systemctl restart hearth.service
probe ready "$address"
ok "in its sandbox: $(grep -c refused "$work/probed") things are refused, among them a shell, ptrace, raw sockets and modules"
there systemctl reload hearth.service
must_be active hearth.service "after its settings were read again"

there systemctl kill --signal=KILL hearth.service
probe ready "$address"
probe again "$address"
[ "$(property hearth.service NRestarts)" = 1 ] || fail "it was not started anew"
ok "killed: it came back by itself"

sed -i 's/^#name = .*/name = "Chess club"/' "$machine/etc/hearth/config.toml"
ip netns exec "$lab" node tests/packaging/probe.mjs watch "$address" &
watcher=$!
before=$(property hearth.service MainPID)
install_deb "$newer" "the package can't be upgraded"
must_be active hearth.service "after the upgrade"
[ "$(property hearth.service MainPID)" != "$before" ] || fail "the old program still runs"
probe ready "$address"
kill "$watcher"
wait "$watcher" || fail "during the upgrade somebody got no answer"
watcher=
grep -q '^name = "Chess club"' "$machine/etc/hearth/config.toml" || fail "the settings were overwritten"
probe again "$address"
ok "upgraded: settings and data are kept"

there systemctl disable --quiet --now hearth.socket hearth.service
install_deb "$newer" "the package can't be installed again"
for unit in $sockets hearth.service; do must_be inactive "$unit" "somebody had disabled it before"; done
there systemctl enable --quiet --now hearth.socket hearth.service
ok "upgraded while disabled: it stays so"

there dpkg --remove hearth >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "the package can't be removed"; }
for unit in $sockets hearth.service; do must_be inactive "$unit" "after the removal"; done
[ -z "$(there ps -C hearth -o pid=)" ] || fail "it still runs"
[ -d "$machine/var/lib/hearth/store" ] && [ -f "$machine/etc/hearth/config.toml" ] || fail "data or settings are gone"
ok "removed: data and settings are kept"
install_deb "$deb" "the package can't be installed after its removal"
must_be active hearth.socket "after the installation"
probe ready "$address"
probe again "$address"

# Other servers have the two ports that Hearth can do without, from the start of the machine on and through an installation.
there dpkg --remove hearth >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "the package can't be removed"; }
ip netns exec "$lab" node -e '
    const answer = (asked, reply) => reply.end("Welcome to another server!");
    for (const port of [80, 5349]) require("http").createServer(answer).listen(port, () => console.log("taken"));
' >"$work/taken" &
others=$!
until [ "$(grep -c taken "$work/taken")" = 2 ]; do kill -0 "$others" || fail "the ports can't be taken"; sleep 0.1; done
install_deb "$deb" "the package can't be installed where another server has port 80"
must_be active hearth.service "port 443 is free"
probe ready "$address"
probe again "$address"
probe relay "$address"
there hearth doctor >"$work/doctor" || true
for port in 80 5349; do
    there journalctl -u hearth -o cat | grep -q "port $port is not ours" || fail "the log does not say that port $port is not ours"
    property hearth.service StatusText | grep -q "port $port is not ours" || fail "the status does not say that port $port is not ours"
    grep -q "Another program has TCP port $port" "$work/doctor" || { cat "$work/doctor" >&2; fail "the doctor does not see port $port"; }
done
kill "$others"
wait "$others" 2>/dev/null || true
others=
there systemctl restart hearth.service
for unit in $sockets hearth.service; do must_be active "$unit" "its port is free again"; done
property hearth.service StatusText | grep -q "not ours" && fail "it has all its ports and says otherwise"
probe again "$address"
ok "ports 80 and 5349 taken: it runs on 443 and says so; after a restart it has them again"

there dpkg --purge hearth >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "the package can't be purged"; }
left=$(there find / -xdev -ipath '*hearth*' -not -path '/proc/*' -not -path '/root/*' -not -path '/var/log/journal/*')
[ -z "$left" ] || fail "this is left: $left"
ok "purged: nothing is left"
install_deb "$deb" "the package can't be installed after it was purged"
probe ready "$address"
probe setup "$address" "$(link)"
ok "installed anew: it begins from nothing"
