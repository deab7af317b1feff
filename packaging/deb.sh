#!/bin/sh
# deb.sh [amd64|arm64|armhf]: makes a package for Debian and what comes of it, in target/debian. Its path is the last line printed.
# DEB_VERSION gives it another version than Cargo.toml's; DEBFULLNAME and DEBEMAIL say who answers for it.
set -eu
cd "$(dirname "$0")/.."
cargo deb --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-deb
packaging/static.sh "$@"
target=$(packaging/target.sh "$@")
version=${DEB_VERSION:-$(cargo pkgid | sed 's/.*[#@]//')-1}
maintainer="${DEBFULLNAME:-Hearth} <${DEBEMAIL:-hearth@localhost}>"

# What Cargo.toml names among the contents and is made here.
made=target/packaging
mkdir -p "$made" target/debian
packaging/deb/changelog.sh "$version" "$maintainer" | gzip -9n >"$made/changelog.gz"

cargo deb --quiet --no-build --no-strip --target "$target" --deb-version "$version" --maintainer "$maintainer" --output target/debian/
