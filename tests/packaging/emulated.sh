#!/bin/sh
# emulated.sh arm64|armhf: the program for a Raspberry Pi, built here and run by an emulator, works, with the data of a server on this
# machine, too.
cd "$(dirname "$0")/../.."
case ${1:-} in
arm64) emulator=qemu-aarch64-static compiler=aarch64-linux-gnu-gcc ;;
armhf) emulator=qemu-arm-static compiler=arm-linux-gnueabihf-gcc ;;
*) echo "emulated.sh arm64|armhf" >&2; exit 2 ;;
esac
. tests/packaging/lab.sh
begin "$1" node readelf "$emulator" "$compiler"

own=$(built packaging/static.sh)
binary=$(built packaging/static.sh "$1")
! readelf --program-headers "$binary" | grep -q INTERP || fail "$binary asks for a dynamic linker"
machine=$(readelf --file-header "$binary" | sed -n 's/^ *Machine: *//p')
[ "$machine" != "$(readelf --file-header "$own" | sed -n 's/^ *Machine: *//p')" ] || fail "$binary is for this machine's processor"
ok "one file that needs no other, for $machine, $(stat -c %s "$binary") bytes"

data=HEARTH_SERVER_DATA_DIR=$work/data
launch "$data" "$emulator" "$binary"
probe ready "$address:8443"
probe setup "$address:8443" "$(said setup)"
probe relay "$address:8443"
stop KILL
launch "$data" "$own"
probe again "$address:8443"
stop KILL
launch "$data" "$emulator" "$binary"
probe again "$address:8443"
probe relay "$address:8443"
stop TERM
ok "the data went from one architecture to the other and back"

# carry FROM TO DIRECTORY: a backup made by one program is restored by the other into a directory that is not there yet, and serves.
carry() {
    env -i $1 backup --data-dir "$carried" "$3.backup" >/dev/null 2>>"$work/log" || fail "$1 makes no backup"
    env -i $2 restore --data-dir "$3" "$3.backup" >/dev/null 2>>"$work/log" || fail "$2 restores no backup of $1"
    launch "HEARTH_SERVER_DATA_DIR=$3" $2
    probe again "$address:8443"
    probe relay "$address:8443"
    stop TERM
    carried=$3
}
carried=$work/data
carry "$own" "$emulator $binary" "$work/there"
carry "$emulator $binary" "$own" "$work/back"
ok "so did backups"
