#!/bin/sh
# by_hand.sh: what README says about any other Linux is typed as it stands there, on a small Debian of its own under a real systemd:
# the static program and its units are installed, killed, restarted, upgraded and removed.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin by-hand node debootstrap systemd-nspawn nsenter
. tests/packaging/machine.sh
place='**Any other Linux with systemd'

archive=$(built packaging/archive.sh)
boot

typed "$place" 1
type_in "$archive"
no_warning
for unit in $sockets hearth.service; do must_be active "$unit" "after the installation"; done
[ "$(there systemctl is-enabled $sockets hearth.service | sort -u)" = enabled ] || fail "it would not start with the machine"
[ "$(there ps -C hearth -o user= | sort -u)" = hearth ] || fail "it runs as $(there ps -C hearth -o user=)"
[ "$(there stat -c '%U %a' /var/lib/hearth)" = "hearth 700" ] || fail "the data are open to others"
complaints=$(there journalctl --quiet --priority=warning _PID=1)
! echo "$complaints" | grep -i hearth || fail "systemd complains of the units"
ok "installed in $(grep -c . "$machine/home/ada/typed") lines: it runs as hearth, and starts with the machine"

link=$(answered_link)
[ "${link%#*}" = "https://$address/setup" ] || fail "the link leads elsewhere: $link"
probe ready "$address"
probe setup "$address" "$link"
probe relay "$address"
# What README says further on about an installed server.
typed "### When something doesn't work" 1
type_in
grep -q 'Hearth runs here' "$work/answer" || { cat "$work/answer" >&2; fail "the doctor does not find the server"; }
ok "the doctor: $(tail -n 1 "$work/answer" | tr -d '\r')"
for command in health 'config check' 'backup /root/hearth.backup'; do there hearth $command >/dev/null || fail "hearth $command fails"; done
echo 'name = "Chess club"' >>"$machine/etc/hearth/config.toml"
there systemctl reload hearth.service
probe named "$address" "Chess club"

there systemctl kill --signal=KILL hearth.service
probe ready "$address"
probe again "$address"
[ "$(property hearth.service NRestarts)" = 1 ] || fail "it was not started anew"
ok "killed: it came back by itself"

# The numbers of the sockets that listen; others get other ones.
listening() { there awk '$4 == "0A" && $2 ~ /:(01BB|0050|0D96|14E5)$/ { print $2, $10 }' /proc/net/tcp /proc/net/tcp6 | sort; }
before=$(listening)
[ "$(echo "$before" | wc -l)" = 8 ] || fail "these listen: $before"
program=$(property hearth.service MainPID)
ip netns exec "$lab" node tests/packaging/probe.mjs watch "$address" &
watcher=$!
there systemctl restart hearth.service
[ "$(property hearth.service MainPID)" != "$program" ] || fail "it was not restarted"
[ "$(listening)" = "$before" ] || fail "the sockets were opened anew: $(listening)"
probe again "$address"
ok "restarted: its eight sockets for TCP stayed as they were"

# A newer archive: what stands behind the end of a program changes nothing.
mkdir "$work/newer"
tar xf "$archive" -C "$work/newer"
echo newer >>"$(echo "$work"/newer/*/hearth)"
tar czf "$work/newer/$(basename "$archive")" -C "$work/newer" "$(cd "$work/newer" && ls -d hearth-*)"
program=$(property hearth.service MainPID)
typed "$place" 2
type_in "$work/newer/$(basename "$archive")"
no_warning
must_be active hearth.service "after the upgrade"
probe ready "$address"
running=$(property hearth.service MainPID)
[ "$running" != "$program" ] || fail "the old program still runs"
there cmp -s "/proc/$running/exe" "$(there sh -c 'echo /home/ada/hearth-*/hearth')" || fail "another program runs than the newer one"
[ "$(listening)" = "$before" ] || fail "the sockets were opened anew: $(listening)"
kill "$watcher"
wait "$watcher" || fail "during a restart somebody got no answer"
watcher=
probe again "$address"
probe named "$address" "Chess club"
ok "upgraded: the new program runs with the old sockets, settings and data"

typed "$place" 3
type_in
no_warning
for unit in $sockets hearth.service; do must_be inactive "$unit" "after the removal"; done
[ -z "$(there ps -C hearth -o pid=)" ] || fail "it still runs"
left=$(there find /usr /etc/systemd -iname '*hearth*')
[ -z "$left" ] || fail "this is left: $left"
[ -d "$machine/var/lib/hearth/store" ] && [ -f "$machine/etc/hearth/config.toml" ] || fail "data or settings are gone"
ok "removed: data and settings are kept"

typed "$place" 1
# The last line asks for a link, which is refused where there is an admin.
sed -i '$d' "$machine/home/ada/typed"
type_in
no_warning
probe ready "$address"
probe again "$address"
probe named "$address" "Chess club"
ok "installed again: it found its data and its settings"
