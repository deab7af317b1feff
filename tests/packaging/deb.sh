#!/bin/sh
# deb.sh: the life of the package on a small Debian of its own, under a real systemd: installed, killed,
# hung, damaged, restored, upgraded, removed, purged.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin deb node debootstrap systemd-nspawn nsenter lintian

. tests/packaging/machine.sh

install_deb() {
    cp "$1" "$machine/root/hearth.deb"
    otherwise=$2
    shift 2
    # With nobody there to answer a question.
    there dpkg "$@" --install /root/hearth.deb >"$work/dpkg" 2>&1 </dev/null || { cat "$work/dpkg" >&2; fail "$otherwise"; }
}
owner() { there stat -c '%U %a' /var/lib/hearth; }
# The link, found as the package says.
link() { there sh -c "$(sed -n 's/^ *sudo \(hearth setup-link\)/\1/p' "$work/dpkg")" | head -n 1; }

deb=$(built packaging/deb.sh)
version=$(dpkg-deb --field "$deb" Version)
cp "$deb" "$work"
deb=$work/$(basename "$deb")
# like VERSION COMMAND...: makes a package of another version, after the command has changed what is in it. Prints its path.
like() {
    rm -rf "$work/like"
    dpkg-deb --raw-extract "$deb" "$work/like"
    sed -i "s/^Version: .*/Version: $1/" "$work/like/DEBIAN/control"
    made=$work/hearth-$1.deb
    shift
    (cd "$work/like" && "$@")
    dpkg-deb --root-owner-group --build "$work/like" "$made" >/dev/null
    echo "$made"
}
newer=$(like "$version+newer" true)
other_settings=$(like "$version+settings" sed -i 's/^# The settings of Hearth/# These are the settings of Hearth/' etc/hearth/config.toml)
# As the units once were.
one_socket() {
    rm usr/lib/systemd/system/hearth-http.socket usr/lib/systemd/system/hearth-turns.socket
    sed -i 's/ hearth-http.socket hearth-turns.socket//' usr/lib/systemd/system/hearth.service DEBIAN/postinst DEBIAN/prerm DEBIAN/postrm
    sed -i '/hearth-http.socket/d' DEBIAN/postinst
}
older=$(like "$version~older" one_socket)
# Who answers for the package is for whoever publishes it to say.
lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,mail-address-loops-or-bounces "$deb" ||
    fail "lintian finds errors"
ok "lintian finds no errors in $(basename "$deb"), $(stat -c %s "$deb") bytes"

boot
typed '**Debian, Ubuntu, Raspberry Pi OS.**' 1
type_in "$deb"
no_warning
link=$(answered_link)
sed -n '/^Hearth is installed/,$p' "$work/answer" | tr -d '\r' >"$work/dpkg"
for unit in $sockets hearth.service; do must_be active "$unit" "after the installation"; done
[ "$(there systemctl is-enabled $sockets hearth.service | sort -u)" = enabled ] || fail "it would not start with the machine"
[ "$(owner)" = "hearth 700" ] || fail "the data belong to $(owner)"
[ "$(there ps -C hearth -o user= | sort -u)" = hearth ] || fail "it runs as $(there ps -C hearth -o user=)"
ok "installed: it runs as hearth, and starts with the machine"
probe ready "$address"
there journalctl -u hearth -o cat | grep -q "^setup: https://$address/setup#" || fail "the log has no link that leads here from elsewhere"
[ "${link%#*}" = "https://$address/setup" ] || fail "the link leads elsewhere: $link"
probe setup "$address" "$link"
! there hearth setup-link >/dev/null 2>&1 || fail "there is a link although there is an admin"
probe relay "$address"
there hearth health >/dev/null || fail "hearth health finds nobody"
ok "$(there hearth config check)"
there systemd-analyze security --no-pager --threshold=15 hearth.service >"$work/security" || { cat "$work/security" >&2; fail "it is exposed too much"; }
ok "$(tail -n 1 "$work/security" | sed 's/^[^O]*//')"

typed '**Debian, Ubuntu, Raspberry Pi OS.**' 2
type_in
no_warning
there ufw show added | grep '^ufw allow' >"$work/rules" || fail "the firewall has no new rules"
ok "the firewall: $(paste -s -d ' ' "$work/rules")"

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

# Every new setting would change it, and every change asks those who have changed a line of their own.
! grep -q '^#[a-z_]* = ' "$machine/etc/hearth/config.toml" || fail "the package's settings list what is not set"
[ -s "$machine/usr/share/doc/hearth/config.example.toml" ] || fail "the settings are explained nowhere"
echo 'name = "Chess club"' >>"$machine/etc/hearth/config.toml"
there systemctl reload hearth.service
must_be active hearth.service "after its settings were read again"
probe named "$address" "Chess club"

token=0123456789abcdef0123456789abcdef
echo "$token" | there install -m 0600 /dev/stdin /etc/hearth/metrics-token
printf '\n[metrics]\ntoken_file = "credential:metrics-token"\n' >>"$machine/etc/hearth/config.toml"
drop_in() {
    there mkdir -p /run/systemd/system/hearth.service.d
    printf '[Service]\n%s\n' "$1" | there tee /run/systemd/system/hearth.service.d/tried.conf >/dev/null
    there systemctl daemon-reload
    there systemctl restart hearth.service || fail "it does not start with $1"
    probe ready "$address"
}
drop_in LoadCredential=metrics-token:/etc/hearth/metrics-token
probe token "$address" "$token"
sed -i '/^\[metrics\]/,$d' "$machine/etc/hearth/config.toml"
drop_in WatchdogSec=30

there systemctl kill --signal=KILL hearth.service
probe ready "$address"
probe again "$address"
[ "$(property hearth.service NRestarts)" = 1 ] || fail "it was not started anew"
ok "killed: it came back by itself"
drop_in WatchdogSec=3
# A program that hangs, as far as anybody can see.
there systemctl kill --kill-who=main --signal=STOP hearth.service
probe ready "$address"
probe again "$address"
there journalctl -u hearth -o cat | grep -q 'Watchdog timeout' || fail "it was not the watchdog that ended it"
must_be active hearth.service "after it hung"
ok "hung: the watchdog ended it, and it came back by itself"
there rm -r /run/systemd/system/hearth.service.d
there systemctl daemon-reload
there systemctl restart hearth.service
probe ready "$address"

# The newest automatic backup, and data that can't be read. Others ask again and again meanwhile.
there hearth backup /root/hearth.backup >/dev/null 2>&1 || fail "no backup can be made"
there install -d -o hearth -g hearth -m 0700 /var/lib/hearth/backups
there install -o hearth -g hearth -m 0600 /root/hearth.backup /var/lib/hearth/backups/hearth-20260101T000000Z.backup
there systemctl kill --signal=STOP hearth.service
there truncate --size=0 /var/lib/hearth/store/db
there systemctl kill --signal=KILL hearth.service
waited=0
until [ "$(property hearth.service ExecMainStatus)" = 74 ]; do
    waited=$((waited + 1))
    [ "$waited" -lt 150 ] || fail "damaged data are not refused"
    sleep 0.2
done
ip netns exec "$lab" node -e '
    const again = () => require("net").connect(443, process.argv[1]).on("error", () => {}).on("connect", function () { this.destroy(); });
    setInterval(again, 100);
' "$address" &
others=$!
# The way out is in the log. It is typed as it stands there.
there journalctl -u hearth -o cat | sed -n 's/^sudo \(systemctl .*\)/\1/p; s/^sudo \(hearth restore .*\)/\1/p' | head -n 3 >"$work/steps"
restore() {
    [ "$(wc -l <"$work/steps")" = 3 ] || { cat "$work/steps" >&2; fail "$1 does not say how to restore"; }
    there sh -euc "$(cat "$work/steps")" >"$work/restored" 2>&1 || { cat "$work/steps" "$work/restored" >&2; fail "what $1 says does not work"; }
    grep -q '^Restored the backup' "$work/restored" || { cat "$work/restored" >&2; fail "nothing was restored"; }
    for unit in $sockets hearth.service; do must_be active "$unit" "after the restore"; done
    probe ready "$address"
    probe again "$address"
    ok "restored as $1 says, while others keep asking"
}
restore "the log"
sed -n '/^### Backups/,/^### Watching/p' README.md >"$work/backups"
sed -n 's/^ *sudo \(systemctl [^#]*\).*/\1/p; s/^ *sudo hearth restore FILE.*/hearth restore \/root\/hearth.backup/p' "$work/backups" >"$work/steps"
restore README
kill "$others"
wait "$others" 2>/dev/null || true
others=

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
ok "upgraded: nothing was asked, settings and data are kept"
# The package has other settings now. This is how unattended upgrades do it.
install_deb "$other_settings" "with changed settings it can't be upgraded unattended" --force-confdef --force-confold
grep -q '^name = "Chess club"' "$machine/etc/hearth/config.toml" || fail "the settings were overwritten"
grep -q '^# These are' "$machine/etc/hearth/config.toml.dpkg-dist" || fail "the package's settings are not there to compare with"
there rm /etc/hearth/config.toml.dpkg-dist
probe ready "$address"
probe named "$address" "Chess club"

there systemctl disable --quiet --now hearth.socket hearth.service
install_deb "$other_settings" "the package can't be installed again"
for unit in $sockets hearth.service; do must_be inactive "$unit" "somebody had disabled it before"; done
there systemctl enable --quiet --now hearth.socket hearth.service
ok "upgraded while disabled: it stays so"

there dpkg --remove hearth >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "the package can't be removed"; }
for unit in $sockets hearth.service; do must_be inactive "$unit" "after the removal"; done
[ -z "$(there ps -C hearth -o pid=)" ] || fail "it still runs"
[ -d "$machine/var/lib/hearth/store" ] && [ -f "$machine/etc/hearth/config.toml" ] || fail "data or settings are gone"
ok "removed: data and settings are kept"
install_deb "$other_settings" "the package can't be installed after its removal"
must_be active hearth.socket "after the installation"
probe ready "$address"
probe again "$address"

# Other servers have the two ports that Hearth can do without, from the start of the machine on and through an installation.
: >"$work/taken"
there dpkg --remove hearth >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "the package can't be removed"; }
ip netns exec "$lab" node -e '
    const answer = (asked, reply) => reply.end("Welcome to another server!");
    for (const port of [80, 5349]) require("http").createServer(answer).listen(port, () => console.log("taken"));
' >"$work/taken" &
others=$!
until [ "$(grep -c taken "$work/taken")" = 2 ]; do kill -0 "$others" || fail "the ports can't be taken"; sleep 0.1; done
install_deb "$other_settings" "the package can't be installed where another server has port 80"
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

# What README and the units name beside the settings.
there touch /etc/hearth/relay-secret /etc/hearth/metrics-token /etc/hearth/hearth.env
purge() { there dpkg --purge hearth >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fail "the package can't be purged"; }; }
purge
left=$(there find / -xdev -ipath '*hearth*' -not -path '/proc/*' -not -path '/root/*' -not -path '/home/*' -not -path '/var/log/journal/*')
[ -z "$left" ] || fail "this is left: $left"
ok "purged: nothing is left"
install_deb "$deb" "the package can't be installed after it was purged"
probe ready "$address"
probe setup "$address" "$(link)"
ok "installed anew: it begins from nothing"

purge
install_deb "$older" "the package with one socket can't be installed"
probe ready "$address"
there systemctl disable --quiet --now hearth.socket hearth.service
install_deb "$deb" "the package with one socket can't be upgraded"
for unit in $sockets hearth.service; do
    must_be inactive "$unit" "somebody had disabled it before there were more sockets"
    [ "$(there systemctl is-enabled "$unit")" = disabled ] || fail "$unit is $(there systemctl is-enabled "$unit") after an upgrade while disabled"
done
purge
install_deb "$older" "the package with one socket can't be installed"
install_deb "$deb" "the package with one socket can't be upgraded"
for unit in $sockets hearth.service; do must_be active "$unit" "it was in use before there were more sockets"; done
ok "upgraded from one socket: the others come, but not where it is disabled"
