# cross.sh: read by static.sh, with the target in $target. Finds what compiles for an architecture that is not this machine's: Rust's
# standard library, which rustup fetches, and Debian's C compiler.

case $target in
x86_64-*) cross_gcc=x86_64-linux-gnu-gcc cross_packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;;
aarch64-*) cross_gcc=aarch64-linux-gnu-gcc cross_packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
armv7-*) cross_gcc=arm-linux-gnueabihf-gcc cross_packages="gcc-arm-linux-gnueabihf libc6-dev-armhf-cross" ;;
esac
if ! command -v "$cross_gcc" >/dev/null; then
    echo "Hearth needs a C compiler for $target: install the packages $cross_packages." >&2
    exit 1
fi
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    if ! command -v rustup >/dev/null || ! rustup --quiet target add "$target"; then
        echo "Hearth needs Rust's standard library for $target: install Rust with rustup (rustup.rs), which fetches it." >&2
        exit 1
    fi
fi
cross_name=$(echo "$target" | tr - _)
cross_upper=$(echo "$cross_name" | tr '[:lower:]' '[:upper:]')
export "CC_$cross_name=$cross_gcc" "AR_$cross_name=${cross_gcc%gcc}ar" "CARGO_TARGET_${cross_upper}_LINKER=$cross_gcc"
