#!/bin/sh
# config.sh: makes the configuration of the package out of config.example.toml, from standard input to standard output. A packaged
# server has a machine of its own: it answers where browsers look first.
set -eu
awk '
    /^# Start the server with this file:/ { print "# After a change of an address, a port or the certificate: systemctl restart hearth"; next }
    /^# Look for mistakes without starting:/ { print "# Look for mistakes first: hearth config check --config /etc/hearth/config.toml"; next }
    /^# This file is made by:/ { next }
    { print }
    /^#listen = .*:8443"/ { print "listen = [\"0.0.0.0:443\", \"[::]:443\"]"; ports++ }
    /^#listen_http = / { print "listen_http = [\"0.0.0.0:80\", \"[::]:80\"]"; ports++ }
    /^#data_dir = / { print "data_dir = \"/var/lib/hearth\""; dirs++ }
    END { if (ports != 2 || dirs != 1) { print "config.sh: the example has changed" > "/dev/stderr"; exit 1 } }
'
