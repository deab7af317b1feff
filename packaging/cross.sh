# cross.sh: read by static.sh, with the target in $target. Finds the compilers for an architecture that is not this machine's.
#
# The C compiler is Debian's: gcc-aarch64-linux-gnu with libc6-dev-arm64-cross, or gcc-arm-linux-gnueabihf with libc6-dev-armhf-cross.
# Rust's standard library comes from rustup. Where rustup can't get it, Debian's compiler of web browsers (rustc-web) and its library
# are unpacked below target/cross; nothing of that is installed. Debian has that library new enough for arm64, and not for armhf:
# for a Raspberry Pi with a 32-bit system, build where rustup works.

case $target in
x86_64-*) cross_gcc=x86_64-linux-gnu-gcc cross_packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" cross_arch=amd64 ;;
aarch64-*) cross_gcc=aarch64-linux-gnu-gcc cross_packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" cross_arch=arm64 ;;
armv7-*) cross_gcc=arm-linux-gnueabihf-gcc cross_packages="gcc-arm-linux-gnueabihf libc6-dev-armhf-cross" cross_arch=armhf ;;
esac
if ! command -v "$cross_gcc" >/dev/null; then
    echo "Hearth needs a C compiler for $cross_arch: install the packages $cross_packages." >&2
    exit 1
fi
cross_name=$(echo "$target" | tr - _)
cross_upper=$(echo "$cross_name" | tr '[:lower:]' '[:upper:]')
export "CC_$cross_name=$cross_gcc" "AR_$cross_name=${cross_gcc%gcc}ar" "CARGO_TARGET_${cross_upper}_LINKER=$cross_gcc"

# Whether the standard library of the target is there, or rustup can get it.
cross_has_std() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && return
    command -v rustup >/dev/null && rustup target add "$target" >&2
}

# Unpacks Debian's compiler into the directory $1.
cross_from_debian() {
    echo "Taking Debian's compiler instead." >&2
    mkdir -p "$1/debs/partial" "$1/lists/partial" "$1/root"
    # Lists of its own, so that this machine needs not to know of the other architecture.
    foreign="-o APT::Architecture=$cross_arch -o APT::Architectures=$cross_arch -o Dir::State::Lists=$1/lists -o Dir::Cache=$1 -q"
    std=$(apt-cache depends libstd-rust-web-dev | sed -n 's/^ *Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p')
    llvm=$(apt-cache depends ${std:-rustc-web} | sed -n 's/^ *Depends: \(libllvm[0-9.]*\)$/\1/p')
    (
        cd "$1/debs"
        apt-get $foreign update
        apt-get $foreign download "libstd-rust-web-dev:$cross_arch"
        apt-get -q download rustc-web libstd-rust-web-dev $std $llvm
    ) >&2 || return
    for package in "$1"/debs/*.deb; do dpkg-deb -x "$package" "$1/root" || return; done
    # Its libraries lie beside it and not where the system looks.
    host=$(basename "$(dirname "$(find "$1/root/usr/lib" -maxdepth 2 -name 'librustc_driver-*.so')")")
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$1/root/usr/lib/$host" "$1/root/usr/bin/rustc" >"$1/rustc.new"
    chmod +x "$1/rustc.new"
    mv "$1/rustc.new" "$1/rustc"
}

if ! cross_has_std; then
    cross_dir=$(pwd)/target/cross/$cross_arch
    if [ ! -x "$cross_dir/rustc" ] && ! cross_from_debian "$cross_dir"; then
        echo "Rust's standard library for $target is missing: run 'rustup target add $target'." >&2
        exit 1
    fi
    RUSTC=$cross_dir/rustc
    export RUSTC
fi
