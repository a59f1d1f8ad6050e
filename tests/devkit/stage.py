"""What the tests of the launcher share: a console to read, waiting for a state, and a mesh of stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from devkit.console import Console
from devkit.launcher import Launcher
from devkit.layout import PROGRAMS, Layout

FAKE = Path(__file__).with_name("fake_service.py")


class Written(Console):
    """A console whose lines can be read."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        super().__init__(self.text)

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def free_base() -> int:
    """A port base whose seven ports are free now."""
    for base in range(23000, 60000, 10):
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for port in range(base, base + 7):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base
    raise AssertionError("no free ports")


class Mesh:
    """A launcher running in this process, over stand-ins."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self.console = Written()
        given = {"TUTORMESH_DATA": str(folder / "data"), "TUTORMESH_PORT_BASE": str(free_base())}
        self.layout = Layout(Path(__file__).parents[2], dict(os.environ) | given | settings)
        self.layout.data.mkdir()
        (self.layout.data / "demo.loaded").touch()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        commands = {name: [sys.executable, "-S", str(FAKE), str(self.journal), name] for name in PROGRAMS}
        await Launcher(self.layout, self.console, commands).run(self.stopping)

    def noted(self, name: str, what: str = "started") -> list[int]:
        return [int(pid) for who, how, pid in map(str.split, self.notes()) if (who, how) == (name, what)]

    def notes(self) -> list[str]:
        return self.journal.read_text().splitlines()


@contextlib.asynccontextmanager
async def running(mesh: Mesh) -> AsyncIterator[Mesh]:
    task = asyncio.create_task(mesh.run())
    try:
        await until(lambda: task.done() or "ready" in mesh.console.lines, 60)
        if task.done():
            await task
        yield mesh
    finally:
        mesh.stopping.set()
        await asyncio.wait([task])
