#!/bin/sh
# archive.sh [amd64|arm64|armhf]: puts the static program, the units and the settings into one file for any Linux with systemd, in
# target/archive. Its path is the last line printed. README tells how to install it.
set -eu
cd "$(dirname "$0")/.."
packaging/static.sh "$@"
target=$(packaging/target.sh "$@")
case $target in
x86_64-*) architecture=amd64 ;;
aarch64-*) architecture=arm64 ;;
armv7-*) architecture=armhf ;;
esac
name=hearth-$(cargo pkgid | sed 's/.*[#@]//')
# The time of the last commit, so that the same sources make the same file.
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

made=target/archive
rm -rf "${made:?}/$name"
install -d -m 755 "$made/$name"
install -m 755 "${CARGO_TARGET_DIR:-target}/$target/release/hearth" "$made/$name/"
install -m 644 systemd/* packaging/deb/config.toml packaging/deb/package.conf "$made/$name/"
install -m 644 README.md CHANGELOG.md LICENSE-* "$made/$name/"
tar --create --directory "$made" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$when" "$name" |
    gzip -9n >"$made/$name-$architecture.tar.gz"
rm -r "${made:?}/$name"
echo "$made/$name-$architecture.tar.gz"
