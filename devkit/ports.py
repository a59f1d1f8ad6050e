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
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from devkit.layout import HOST, MESH_PORTS

#: The first ports of meshes, each with its MESH_PORTS behind it; and the ports that are given one by one.
_BASES, _SINGLE = range(10_000, 25_000, MESH_PORTS), range(25_000, 31_000, 10)
_bases, _ports = itertools.cycle(_BASES), itertools.cycle(_SINGLE)


def reserve_ports() -> int:
    """Lock the free ports of a mesh, MESH_PORTS in a row, and return the first."""
    return _reserve(itertools.islice(_bases, len(_BASES)), MESH_PORTS)


def reserve_port() -> int:
    """Lock one free port and return it."""
    return _reserve(itertools.islice(_ports, len(_SINGLE)), 1)


def _reserve(candidates: Iterable[int], count: int) -> int:
    for base in candidates:
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, base)
            for port in range(base, base + count):
                probes.enter_context(socket.socket()).bind((HOST, port))
            return base
    raise OSError("no free ports")


@cache
def _locks() -> int:
    """A file with one byte to lock for each port. It is never closed, as that would release all locks."""
    return os.open(Path(tempfile.gettempdir()) / f"tutormesh-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
