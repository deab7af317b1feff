#!/bin/sh
# changelog.sh VERSION MAINTAINER: a changelog as Debian wants it, which leads to ours.
set -eu
# The time of the last commit, so that the same sources make the same package.
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
cat <<EOF
hearth ($1) unstable; urgency=medium

  * See CHANGELOG.md beside this file.

 -- $2  $(LC_ALL=C date -u -R -d "@$when")
EOF
