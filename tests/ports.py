"""Ports for servers of the tests: below the range the kernel lends to clients, and apart for each test process."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

FIRST, PER_PROCESS, STEP = 10_000, 7_000, 10
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw2").removeprefix("gw")) % 3  # gw0, gw1, or the only one
_OFFSET = os.getpid() * STEP % PER_PROCESS  # two runs on one machine seldom begin alike
_bases = itertools.cycle(
    FIRST + _WORKER * PER_PROCESS + (_OFFSET + at) % PER_PROCESS for at in range(0, PER_PROCESS - STEP, STEP)
)


def free_base(count: int = 8) -> int:
    """The first of `count` ports in a row (at most 10) that nobody has, and that no other call here was given lately."""
    for base in itertools.islice(_bases, PER_PROCESS // STEP):
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for port in range(base, base + count):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base
    raise AssertionError("no free ports")


def free_port() -> int:
    """One free port."""
    return free_base(1)
