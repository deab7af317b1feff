#!/bin/sh
# need.sh TOOL...: says in one line what to install for each tool that is missing or too old.
missing=0
say() { echo "Hearth needs $1" >&2; missing=1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Whether Vite runs on this version of Node.js, which looks like v20.19.0. build.rs has the same rule.
is_new_enough() {
    version=${1#v}.
    major=${version%%.*}
    rest=${version#*.}
    minor=${rest%%.*}
    case $major:$minor in
    *[!0-9:]* | :* | *:) return 1 ;;
    20:*) [ "$minor" -ge 19 ] ;;
    22:*) [ "$minor" -ge 12 ] ;;
    *) [ "$major" -gt 22 ] ;;
    esac
}

for tool in "$@"; do
    case $tool in
    cargo) has cargo || say "Rust 1.95 or newer: install it with rustup (rustup.rs), or your system's packages rustc and cargo." ;;
    cc) has cc || say "a C compiler: install the package gcc (or build-essential)." ;;
    c++) has c++ || say "a C++ compiler, to build the fuzzer: install the package g++." ;;
    npm) has npm || say "npm: install the package npm." ;;
    node)
        if ! has node; then
            say "Node.js 20.19, or 22.12 or newer, to build its web page: install the package nodejs."
        elif ! is_new_enough "$(node --version)"; then
            say "Node.js 20.19, or 22.12 or newer, to build its web page; this is $(node --version). Install a newer package nodejs."
        fi ;;
    esac
done
exit $missing
