#!/bin/sh
# static.sh: the static program runs where there is nothing but itself and a directory for its data.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin static node chroot nft readelf

binary=$(built packaging/static.sh)
! readelf --program-headers "$binary" | grep -q INTERP || fail "$binary asks for a dynamic linker"
size=$(stat -c %s "$binary")
[ "$size" -le 25000000 ] || fail "it has $size bytes, and may have 25000000"
ok "one file that needs no other, $size bytes"

# Without a resolv.conf, names are asked for at port 53 of loopback.
inside nft -f - <<'EOF'
table inet names {
    counter asked {}
    chain out {
        type filter hook output priority 0;
        meta l4proto { tcp, udp } th dport { 53, 5353, 5355 } counter name asked;
    }
}
EOF
root=$work/root
mkdir -p "$root/data"
cp "$binary" "$root/hearth"
chown -R 10001:10001 "$root/data"

launch HEARTH_SERVER_DATA_DIR=/data chroot --userspec=10001:10001 "$root" /hearth
probe ready "$address:8443"
memory=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$server/status")
[ "$(readlink "/proc/$server/exe")" = "$root/hearth" ] || fail "this is the memory of something else: $(readlink "/proc/$server/exe")"
[ "$memory" -gt 1000 ] && [ "$memory" -le 39062 ] || fail "it takes $memory KiB of memory with nobody there, and may take 39062 (40 MB)"
ok "with nobody there it takes $memory KiB of memory"
probe setup "$address:8443" "$(said setup)"
probe relay "$address:8443"
stop KILL
launch HEARTH_SERVER_DATA_DIR=/data chroot --userspec=10001:10001 "$root" /hearth
probe again "$address:8443"
stop TERM

asked=$(inside nft list counter inet names asked)
echo "$asked" | grep -q 'packets 0 ' || fail "it looked names up that nobody asked it for: $asked"
ok "no name was looked up"
[ "$(find "$root" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)" = "data hearth" ] || fail "it wrote outside of its data: $(ls "$root")"
ok "nothing was written outside of its data"
