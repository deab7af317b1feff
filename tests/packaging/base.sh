# base.sh: read by image.sh. Gives it the image that the first stage of the Dockerfile begins with. Where it can't be fetched, one like it
# is made: a Debian by debootstrap, from the mirror that this machine uses, with this machine's Rust.

# What the Dockerfile asks for.
base=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' Dockerfile)
rust=$(sed -n 's/.*RUSTUP_TOOLCHAIN=\([0-9.]*\).*/\1/p' Dockerfile)
[ -n "$base" ] && [ -n "$rust" ] || fail "the Dockerfile no longer says which Rust it begins with"

# Whether the image is there now. Otherwise the reason is in $why.
have_base() {
    name=docker.io/library/$base
    bud inspect --type image "$name" >/dev/null 2>&1 && return 0
    # Somebody who has a network beyond Debian's mirrors.
    timeout 600 buildah --root "$store" --runroot "$work/run" pull --quiet "$name" >/dev/null 2>&1 && return 0

    why="$base can't be fetched, and"
    command -v debootstrap >/dev/null || { why="$why debootstrap, to make one like it, is missing"; return 1; }
    rustup=$(command -v rustup) || { why="$why rustup, to make one like it, is missing"; return 1; }
    [ "$(rustc --version | cut -d ' ' -f 2)" = "$rust" ] || { why="$why Rust is another here than in it: $(rustc --version)"; return 1; }
    echo "  making an image in place of $base; this is done once"
    # shellcheck disable=SC2046 -- no mirror is no argument
    debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates "${base##*-}" "$work/base" ${MIRROR:-$(mirror)} >"$work/debootstrap.log" ||
        { tail -n 20 "$work/debootstrap.log" >&2; why="$why no Debian ${base##*-} can be made"; return 1; }
    make_base || { why="$why one like it can't be put together"; return 1; }
}

# Makes the image out of that Debian. Each step hangs on the one before: where a condition asks, the shell does not end at an error.
make_base() {
    add_rust "$work/base" &&
        # What this machine trusts beside the usual authorities, as a proxy at work.
        cp -R /usr/local/share/ca-certificates "$work/base/usr/local/share/" &&
        chroot "$work/base" update-ca-certificates >/dev/null 2>&1 &&
        container=$(bud from scratch) &&
        bud add --quiet "$container" "$work/base" / >/dev/null &&
        bud config --env RUSTUP_HOME=/usr/local/rustup --env CARGO_HOME=/usr/local/cargo \
            --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container" &&
        bud commit --quiet --rm "$container" "$name" >/dev/null &&
        rm -rf "$work/base"
}

# add_rust ROOT: lays this machine's Rust out there as that image has it, without what serves other architectures.
add_rust() {
    host=$(rustc -vV | sed -n 's/^host: //p')
    from=$(rustc --print sysroot)
    to=$1/usr/local/rustup/toolchains/$rust-$host
    install -d "$to/lib/rustlib" "$1/usr/local/cargo/bin" &&
        cp -a "$from/bin" "$to/" &&
        find "$from/lib" -maxdepth 1 ! -type d -exec cp -a {} "$to/lib/" \; &&
        cp -a "$from/lib/rustlib/$host" "$to/lib/rustlib/" &&
        cp -L "$rustup" "$1/usr/local/cargo/bin/rustup" &&
        ln -s rustup "$1/usr/local/cargo/bin/cargo" &&
        ln -s rustup "$1/usr/local/cargo/bin/rustc"
}
