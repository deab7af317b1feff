#!/bin/sh
# image.sh: the Dockerfile makes an image that runs as nobody in particular, on a read-only root, and whose health check tells the truth.
# What its first stage begins with, fetched or made, and what that compiles is kept in target/.
cd "$(dirname "$0")/../.."
. tests/packaging/lab.sh
begin image node chroot unshare buildah jq
store=$PWD/target/packaging/images
compiled=$PWD/target/packaging/compiled
also_end() { bud rm --all >/dev/null 2>&1 || true; }
bud() { buildah --root "$store" --runroot "$work/run" "$@"; }
setting() { bud inspect --type image hearth | jq -r ".Docker.config.$1"; }
# build DIRECTORY OPTION...: makes the image of the Dockerfile there.
build() {
    directory=$1
    shift
    bud build --isolation chroot --format docker --pull-never --tag hearth "$@" "$directory" >"$work/build.log" 2>&1 ||
        { tail -n 30 "$work/build.log" >&2; fail "the image can't be built"; }
}
. tests/packaging/base.sh

if have_base; then
    mkdir -p "$compiled/target" "$compiled/registry"
    build . --layers --volume "$compiled/target:/hearth/target" --volume "$compiled/registry:/usr/local/cargo/registry"
    ok "the Dockerfile builds, from $base on"
else
    tests/skipped.sh note "$lab-first-stage" "$why"
    # It compiles what packaging/static.sh compiles.
    binary=$(built packaging/static.sh)
    context=$work/context
    install -d -m 0700 "$context/image/own/data"
    cp "$binary" "$context/image/hearth"
    sed -n '/^FROM scratch/,$p' Dockerfile | sed 's/--from=build //' >"$context/Dockerfile"
    build "$context"
fi
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
