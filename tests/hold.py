#!/usr/bin/env python3
"""Holds sockets for a program across its restarts, as systemd does (sd_listen_fds(3)).

    hold.py tcp:127.0.0.1:8443 udp:127.0.0.1:3478 ... -- PROGRAM [ARGUMENT ...]

Starts the program at each line that it reads, and writes "started PID", and "ended STATUS" when that has come to its end; the status is
negative for a signal. What the program prints comes out at the standard error stream. Ends with its input.
"""

import fcntl
import os
import socket
import sys

FIRST_DESCRIPTOR = 3
BACKLOG = 1024


def hold(what):
    kind, host, port = what.split(":")
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, int(port)))
    if kind == "tcp":
        held.listen(BACKLOG)
    return held


def become(program, sockets):
    os.dup2(2, 1)
    # Out of the way first: one of them may lie where another belongs.
    above = FIRST_DESCRIPTOR + len(sockets)
    for place, copy in enumerate([fcntl.fcntl(held, fcntl.F_DUPFD, above) for held in sockets], FIRST_DESCRIPTOR):
        os.dup2(copy, place)
        os.close(copy)
    os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()))
    os.execvp(program[0], program)


def main():
    separator = sys.argv.index("--")
    sockets, program = [hold(what) for what in sys.argv[1:separator]], sys.argv[separator + 1 :]
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            become(program, sockets)
        print("started", child, flush=True)
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
