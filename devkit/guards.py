"""What must be so before a mesh starts: its data folder is nobody else's, its ports are free."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from devkit.layout import HOST, Layout

#: A killed launcher's processes die with it, but not in the same instant.
_PATIENCE = 2.0


class Refused(Exception):
    """The mesh cannot start; the message says why in one line."""


@contextlib.contextmanager
def sole_owner(data: Path) -> Iterator[None]:
    """Hold the data folder for this process; the kernel lets go of it however we end. Raises Refused."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "launcher.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Refused(f"{data} is in use by another mesh (process {lock.read().strip() or 'unknown'})") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


async def ports_are_free(layout: Layout, names: list[str]) -> None:
    """Raises Refused, naming the first program whose port is taken."""
    deadline = time.monotonic() + _PATIENCE
    ports = {name: layout.port(name) for name in names} | ({"mail": layout.mail_port} if "sandbox" in names else {})
    for name, port in ports.items():
        while _is_taken(port):
            if time.monotonic() > deadline:
                raise Refused(f"port {port} for {name} is taken; TUTORMESH_PORT_BASE=N moves all ports of this mesh")
            await asyncio.sleep(0.05)


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that is only lingering is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False
