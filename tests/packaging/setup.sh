#!/bin/sh
# setup.sh [arm64|armhf]: installs what the tests of the packages need and is not there, with apt; with an architecture, what is needed
# to build for it and to emulate it.
set -eu
PATH=$PATH:/usr/sbin:/sbin
missing=
want() { command -v "$1" >/dev/null || missing="$missing $2"; }
want ip iproute2
want readelf binutils
case ${1:-} in
arm64)
    want qemu-aarch64-static qemu-user-static
    want aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    ;;
armhf)
    want qemu-arm-static qemu-user-static
    want arm-linux-gnueabihf-gcc "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"
    ;;
*)
    want nft nftables
    want unshare util-linux
    want pgrep procps
    want jq jq
    want buildah buildah
    want debootstrap debootstrap
    want systemd-nspawn systemd-container
    want lintian lintian
    ;;
esac
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "These tests need$missing: install them with your system's package manager." >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
