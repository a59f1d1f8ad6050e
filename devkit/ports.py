"""Free ports for tests, benchmarks and chaos, below the range from which the kernel gives ports to clients.

A server binds its port long after it was found free. Therefore the process keeps a lock on each port until it ends,
and no two runs on a machine get the same port.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import tempfile
from functools import cache
from pathlib import Path

from devkit.layout import HOST, OFFSETS

FIRST, END, STEP = 10_000, 31_000, 10
_bases = itertools.cycle(range(FIRST, END, STEP))


def reserve_ports(count: int = 1 + max(OFFSETS)) -> int:
    """Lock `count` free ports in a row (at most 10; by default as many as a mesh has), and return the first."""
    for base in itertools.islice(_bases, (END - FIRST) // STEP):
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, base)
            for port in range(base, base + count):
                probes.enter_context(socket.socket()).bind((HOST, port))
            return base
    raise OSError("no free ports")


def reserve_port() -> int:
    """Lock one free port and return it."""
    return reserve_ports(1)


@cache
def _locks() -> int:
    """A file with one byte to lock for each port. It is never closed, as that would release all locks."""
    return os.open(Path(tempfile.gettempdir()) / f"tutormesh-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
