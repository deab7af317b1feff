#!/bin/sh
# arm64.sh: the program for a Raspberry Pi, built here and run by an emulator, works with data from this machine and the other way round.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin arm64 node qemu-aarch64-static readelf aarch64-linux-gnu-gcc

own=$(packaging/static.sh | tail -n 1)
binary=$(packaging/static.sh arm64 | tail -n 1)
readelf --file-header "$binary" | grep -q AArch64 || fail "$binary is for another processor"
ok "one file for arm64, $(stat -c %s "$binary") bytes"

data=HEARTH_SERVER_DATA_DIR=$work/data
launch "$data" qemu-aarch64-static "$binary"
probe ready "$address:8443"
probe setup "$address:8443" "$(said setup)"
probe relay "$address:8443"
stop KILL
launch "$data" "$own"
probe again "$address:8443"
stop KILL
launch "$data" qemu-aarch64-static "$binary"
probe again "$address:8443"
probe relay "$address:8443"
stop TERM
ok "the data went from one architecture to the other and back"
