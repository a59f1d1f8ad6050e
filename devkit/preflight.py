"""Checks before a mesh starts: no other mesh uses its data folder, and its ports are free."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from devkit.layout import HOST, Layout

#: Seconds to wait for a taken port. The children of a killed launcher die a moment after it.
_WAIT_SECONDS = 2.0


class CannotStart(Exception):
    """The mesh cannot start; the message says why in one line."""


@contextlib.contextmanager
def lock_data_folder(data: Path) -> Iterator[None]:
    """Lock the data folder for this process. The kernel releases it when the process ends.

    Raises CannotStart when another mesh uses the folder, or nothing can be written there.
    """
    with _open_lock(data) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"{data} is in use by another mesh (process {lock.read().strip() or 'unknown'})"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _open_lock(data: Path) -> TextIO:
    """The lock's file, after a file was written into each folder that is there. Raises CannotStart."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        for folder in (data, data / "keys"):
            if folder.exists():
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"x")
        return (data / "launcher.lock").open("a+")
    except OSError as error:
        why = f"{data} cannot be written to ({error.strerror})"
        raise CannotStart(f"{why}; TUTORMESH_DATA names another data folder") from None


async def check_ports(layout: Layout, names: list[str]) -> None:
    """Raise CannotStart with the name of the first program whose port is taken."""
    deadline = time.monotonic() + _WAIT_SECONDS
    for name, port in _ports(layout, names).items():
        while _is_taken(port):
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"port {port} for {name} is taken; TUTORMESH_PORT_BASE=N moves all ports of this mesh"
                )
            await asyncio.sleep(0.05)


def _ports(layout: Layout, names: list[str]) -> dict[str, int]:
    ports = {name: layout.port(name) for name in names} | ({"mail": layout.mail_port} if "sandbox" in names else {})
    for name in names:
        for number in range(1, layout.replicas(name) + 1):
            if (port := layout.metrics_port(name, number)) is not None:
                ports[f"the metrics of {name}" + (f".{number}" if number > 1 else "")] = port
    return ports


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT counts as free
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False
