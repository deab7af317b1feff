# machine.sh: read by the tests beside it, after lab.sh. Gives them a small Debian of its own under a real systemd, in the network of
# lab.sh. It is made once by debootstrap, from the mirror that this machine uses, and kept in target/; MIRROR names another.
tree=$PWD/target/packaging/bookworm
sockets="hearth.socket hearth-http.socket hearth-turns.socket"
nspawn=
leader=

make_tree() {
    # One that was made for an earlier version of these tests may lack something.
    [ ! -x "$tree/usr/sbin/ufw" ] || return 0
    echo "  making a small Debian; this is done once"
    rm -rf "$tree" "$tree.new"
    mkdir -p "$tree.new"
    # shellcheck disable=SC2046 -- no mirror is no argument
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,procps,sudo,ufw bookworm "$tree.new" ${MIRROR:-$(mirror)} >"$work/debootstrap.log" ||
        { tail -n 20 "$work/debootstrap.log" >&2; rm -rf "$tree.new"; fail "no Debian could be made"; }
    rm -rf "$tree.new"/var/cache/apt/archives/*.deb "$tree.new"/var/lib/apt/lists/*
    mv "$tree.new" "$tree"
}

# boot: makes the machine, in $machine, and waits until it has started.
boot() {
    make_tree
    machine=$work/machine
    cp -a "$tree" "$machine"
    # Who types what README says.
    echo "$lab" >"$machine/etc/hostname"
    echo "127.0.1.1 $lab" >>"$machine/etc/hosts"
    chroot "$machine" useradd --create-home --shell /bin/bash ada
    # As Debian's adduser and Ubuntu's installer leave it.
    chmod 700 "$machine/home/ada"
    echo 'ada ALL=(ALL) NOPASSWD: ALL' >"$machine/etc/sudoers.d/ada"
    systemd-nspawn --quiet --directory="$machine" --machine="$lab" --register=no --keep-unit --boot --console=passive \
        --network-namespace-path="/run/netns/$lab" </dev/null >"$work/console" 2>&1 &
    nspawn=$!
    waited=0
    until [ "$(there systemctl is-system-running 2>/dev/null)" = running ]; do
        kill -0 "$nspawn" 2>/dev/null || { cat "$work/console" >&2; fail "the machine did not start"; }
        waited=$((waited + 1))
        [ "$waited" -lt 120 ] || { there systemctl --failed >&2; fail "the machine did not start within 60 s"; }
        sleep 0.5
        leader=$(pgrep --parent "$nspawn" | head -n 1)
    done
}

# there COMMAND...: runs it on that machine.
there() {
    [ -n "$leader" ] || return 1
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= "$@"
}

# typed PLACE NUMBER: finds the commands of README, in the block of that number after the line that begins with PLACE.
typed() {
    awk -v from="$1" -v wanted="$2" '
        !found { found = index($0, from) == 1; next }
        /^```/ { inside = !inside; blocks += inside; next }
        inside && blocks == wanted' README.md | sed "s/amd64/$(dpkg --print-architecture)/g" >"$machine/home/ada/typed"
    [ -s "$machine/home/ada/typed" ] || fail "README has no such commands any more: $1"
}

# type_in [FILE]: types what "typed" found, as Ada in her home at a terminal, where she has put this file. The answer is in $work/answer.
type_in() {
    if [ $# -gt 0 ]; then
        grep -qF "$(basename "$1")" "$machine/home/ada/typed" || { cat "$machine/home/ada/typed" >&2; fail "README calls it something else than $(basename "$1")"; }
        cp "$1" "$machine/home/ada/"
    fi
    there su --login ada --command 'script --quiet --return --command "sh -ex typed" /dev/null' </dev/null >"$work/answer" 2>&1 ||
        { cat "$work/answer" >&2; fail "what README says fails"; }
}

# no_warning: fails if the answer warns of something that README does not explain.
no_warning() {
    ! grep -v -e '^+ ' -e "couldn't be accessed by user '_apt'" "$work/answer" | grep -iE 'warn|deprecat|error|fail|denied|not found' || { cat "$work/answer" >&2; fail "what README says ends in a warning"; }
}

# The link to make the first admin that the answer names first.
answered_link() { tr -d '\r' <"$work/answer" | grep '^https://' | head -n 1; }

state() { there systemctl is-active "$1" || true; }
property() { there systemctl show --property "$2" --value "$1"; }
must_be() { [ "$(state "$2")" = "$1" ] || fail "$2 is $(state "$2"), and should be $1: $3"; }

also_end() {
    if [ "$code" != 0 ] && [ -n "$leader" ]; then
        echo "--- the machine ---" >&2
        there systemctl status --no-pager --lines=0 $sockets hearth.service >&2 || true
        there journalctl --no-pager --lines=60 -u hearth.service -u 'hearth*.socket' >&2 || true
    fi
    [ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true
    [ -z "${others:-}" ] || kill "$others" 2>/dev/null || true
    # SIGRTMIN+4, on which systemd powers off.
    [ -z "$leader" ] || kill -38 "$leader" 2>/dev/null || true
    waited=0
    while [ -n "$nspawn" ] && kill -0 "$nspawn" 2>/dev/null; do
        [ "$waited" -lt 100 ] || kill -KILL "$leader" "$nspawn" 2>/dev/null || true
        waited=$((waited + 1))
        sleep 0.1
    done
}
