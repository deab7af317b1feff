#!/bin/sh
# An internet of network namespaces that leads nowhere, for the browser tests of `make networks`.
#
#   alice 46.0.1.2 ── 46.0.1.1 ra 45.0.0.21 ──┐
#                                             ├── server 45.0.0.10
#   bob   46.0.2.2 ── 46.0.2.1 rb 45.0.0.22 ──┘
#
# alice and bob stand behind routers of their own, which translate addresses and let in only what was asked for. What the server sends
# to alice's own network fails with EHOSTUNREACH, to bob's with ENETUNREACH. All addresses look public, because the relay refuses others.
#
#   world.sh up PREFIX             makes it; every namespace's name begins with PREFIX
#   world.sh allow PREFIX WHAT     what the two routers do from now on:
#       cone       each address and port inside keeps one port outside
#       symmetric  every destination gets another port
#       noudp      symmetric, and no UDP leaves
#       tcp443     nothing but TCP to port 443 leaves
#   world.sh down PREFIX           ends what runs in it, and takes it away
set -eu

places="alice bob ra rb server"

# connect PLACE INTERFACE ADDRESS WHERE FAR_INTERFACE: a cable between two places, with an address at the near end.
connect() {
    ip -n "$prefix$4" link add "$5" type veth peer name "$2" netns "$prefix$1"
    ip -n "$prefix$4" link set "$5" up
    ip -n "$prefix$1" addr add "$3" dev "$2"
    ip -n "$prefix$1" link set "$2" up
}

# home PERSON ROUTER N: a person's network behind the router, and the router's way to the server.
home() {
    connect "$1" eth0 "46.0.$3.2/24" "$2" lan0
    ip -n "$prefix$2" addr add "46.0.$3.1/24" dev lan0
    ip -n "$prefix$1" route add default via "46.0.$3.1"
    connect "$2" wan0 "45.0.0.2$3/24" server "to-$2"
    ip -n "${prefix}server" link set "to-$2" master wan
    ip netns exec "$prefix$2" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
}

up() {
    for place in $places; do
        ip netns add "$prefix$place"
        ip -n "$prefix$place" link set lo up
    done
    ip -n "${prefix}server" link add wan type bridge
    ip -n "${prefix}server" addr add 45.0.0.10/24 dev wan
    ip -n "${prefix}server" link set wan up
    home alice ra 1
    home bob rb 2
    ip -n "${prefix}server" route add unreachable 46.0.1.0/24
    allow symmetric
}

allow() {
    translation="masquerade fully-random"
    leaves=accept
    case $1 in
        cone) translation=masquerade ;;
        symmetric) ;;
        noudp) leaves="meta l4proto != udp accept" ;;
        tcp443) leaves="tcp dport 443 accept" ;;
        *) echo "No such network: $1" >&2; exit 2 ;;
    esac
    for router in ra rb; do
        # What leaves is looked at packet by packet, so that a change holds for connections that are there already. What comes
        # uninvited is dropped without a word: an answer would make the kernel remember it, and take away the very port that the
        # person inside is about to use.
        ip netns exec "$prefix$router" nft -f - <<RULES
table ip home
delete table ip home
table ip home {
    chain translate {
        type nat hook postrouting priority srcnat;
        oifname "wan0" $translation
    }
    chain uninvited {
        type filter hook input priority filter; policy accept;
        iifname "wan0" ct state new drop
    }
    chain through {
        type filter hook forward priority filter; policy drop;
        iifname "wan0" ct state established,related accept
        iifname "lan0" oifname "wan0" $leaves
        iifname "lan0" reject with icmp type admin-prohibited
    }
}
RULES
    done
}

down() {
    for place in $places; do
        for process in $(ip netns pids "$prefix$place" 2>/dev/null); do
            kill -KILL "$process" 2>/dev/null || true
        done
        ip netns del "$prefix$place" 2>/dev/null || true
    done
}

order=$1
prefix=$2
shift 2
"$order" "$@"
