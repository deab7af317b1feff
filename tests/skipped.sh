#!/bin/sh
# What was skipped of the tests. Those written in Rust note it in the same file (tests/api/harness/skipping.rs).
#   tests/skipped.sh forget          begins anew
#   tests/skipped.sh note NAME WHY   says that this is skipped; fails where TESTS_MUST_RUN=1 lets nothing be skipped
#   tests/skipped.sh tell            says in one line how many were, and why
set -eu
cd "$(dirname "$0")/.."
list=${CARGO_TARGET_DIR:-target}/tmp/skipped

case $1 in
forget)
    rm -f "$list"
    ;;
note)
    if [ "${TESTS_MUST_RUN:-}" = 1 ]; then
        echo "$2: $3, and TESTS_MUST_RUN=1 lets nothing be skipped." >&2
        exit 1
    fi
    echo "$2: skipped, because $3."
    mkdir -p "$(dirname "$list")"
    echo "$2: $3" >>"$list"
    ;;
tell)
    if [ -s "$list" ]; then
        reasons=$(sed 's/^[^ ]*: //' "$list" | sort | uniq -c | sort -rn | sed -E 's/^ *([0-9]+) (.*)/\1 because \2/' | paste -s -d ';' | sed 's/;/; /g')
        echo "Skipped: $(wc -l <"$list") ($reasons). $list names them."
    else
        echo "No test was skipped."
    fi
    ;;
esac
