#!/bin/sh
# Starts Chromium in the network namespace that HEARTH_NAMESPACE names.
exec ip netns exec "$HEARTH_NAMESPACE" "${CHROMIUM_BIN:-/usr/bin/chromium}" "$@"
