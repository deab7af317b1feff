#!/bin/sh
# image.sh: the last stage of the Dockerfile makes an image that runs as nobody in particular, on a read-only root, and whose health
# check tells the truth. Its first stage compiles what packaging/static.sh compiles, in an image that would have to be fetched.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin image node chroot unshare buildah jq
also_end() { bud umount --all >/dev/null 2>&1 || true; }
bud() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }
setting() { bud inspect --type image hearth | jq -r ".Docker.config.$1"; }

binary=$(packaging/static.sh | tail -n 1)
context=$work/context
install -d -m 0700 "$context/image/own/data"
cp "$binary" "$context/image/hearth"
sed -n '/^FROM scratch/,$p' Dockerfile | sed 's/--from=build //' >"$context/Dockerfile"
bud build --quiet --isolation chroot --format docker --tag hearth "$context" >/dev/null
root=$(bud mount "$(bud from hearth)")

user=$(setting User)
[ "$user" = 10001:10001 ] || fail "the image runs as $user"
variables=$(setting 'Env | join(" ")')
program=$(setting 'Entrypoint | join(" ")')
check=$(setting 'Healthcheck.Test | .[1:] | join(" ")')
[ "$(find "$root" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)" = "data hearth" ] || fail "there is more in it: $(ls "$root")"
[ "$(stat -c '%u %a' "$root/data")" = "10001 700" ] || fail "the data are open to $(stat -c '%u %a' "$root/data")"
ok "the image holds the program and a directory for the data, and runs as $user"

healthy() { inside env -i $variables chroot --userspec="$user" "$root" $check; }
! healthy 2>"$work/said" || fail "the health check is content with a server that isn't there"
ok "the health check says: $(cat "$work/said")"

# As `docker run --read-only --volume hearth:/data` would: the data are a volume that begins as the image's directory.
cp -a "$root/data" "$work/data"
launch $variables unshare --mount sh -euc '
    root=$1 user=$3
    mount --bind "$root" "$root"
    mount --bind "$2" "$root/data"
    mount -o remount,bind,ro "$root"
    shift 3
    exec chroot --userspec="$user" "$root" "$@"' sh "$root" "$work/data" "$user" $program
probe ready "$address:8443"
ok "the health check says: $(healthy)"
probe setup "$address:8443" "$(said setup)"
probe relay "$address:8443"
stop TERM
grep -q 'dropped' "$work/log" && fail "it did not end in good order"
! healthy 2>/dev/null || fail "the health check is content with a server that has ended"
ok "as the first process it ends when it is told to"
