"""Free ports for meshes and servers of tests, benchmarks and chaos: below the range the kernel lends to clients.

A server binds its port long after it was found free, so whoever was given one keeps a lock on it until their process
ends: no two runs on a machine get the same.
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


def free_base(count: int = 1 + max(OFFSETS)) -> int:
    """The first of `count` ports in a row (at most 10; a mesh's own, unless told) that nobody has or was given."""
    for base in itertools.islice(_bases, (END - FIRST) // STEP):
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, base)
            for port in range(base, base + count):
                probes.enter_context(socket.socket()).bind((HOST, port))
            return base
    raise OSError("no free ports")


def free_port() -> int:
    """One free port."""
    return free_base(1)


@cache
def _locks() -> int:
    """A file with a byte for each port; never closed, as that would let go of all of them."""
    return os.open(Path(tempfile.gettempdir()) / f"tutormesh-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
