#!/bin/sh
# need.sh TOOL...: says in one line what to install for each tool that is missing or too old.
missing=0
say() { echo "Hearth needs $1" >&2; missing=1; }
for tool in "$@"; do
    case $tool in
    cargo) command -v cargo >/dev/null || say "Rust 1.95 or newer: install it with rustup (rustup.rs), or your system's packages rustc and cargo." ;;
    cc) command -v cc >/dev/null || say "a C compiler: install the package gcc (or build-essential)." ;;
    npm) command -v npm >/dev/null || say "npm: install the package npm." ;;
    node)
        if ! command -v node >/dev/null; then
            say "Node.js 20 or newer to build its web page: install the package nodejs."
        elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
            say "Node.js 20 or newer to build its web page; this is $(node --version). Install a newer package nodejs."
        fi ;;
    esac
done
exit $missing
