"""A mesh for the tests of the launcher, of stand-ins or of real services, with a console that can be read."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from devkit.launcher import Launcher
from devkit.layout import PROGRAMS, Layout
from devkit.ports import reserve_ports
from devkit.processes.console import Console
from tests import prepared

ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
M = TypeVar("M", bound="Mesh")
FAKE = Path(__file__).with_name("fake_service.py")
ROOT = Path(__file__).parents[2]


class RecordingConsole(Console):
    """A console whose lines can be read."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        super().__init__(self.text)

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


async def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def stand_ins(journal: Path) -> dict[str, Sequence[str]]:
    """The command line of a stand-in for each program."""
    return {name: [sys.executable, "-S", str(FAKE), str(journal), name] for name in PROGRAMS}


class Mesh:
    """A launcher in this process, with stand-ins for the services."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self.console = RecordingConsole()
        given = {"TUTORMESH_DATA": str(folder / "data"), "TUTORMESH_PORT_BASE": str(reserve_ports())}
        self.layout = Layout(ROOT, dict(os.environ) | given | settings)
        self.layout.data.mkdir()
        self.stopping = asyncio.Event()
        #: Its databases are made and migrated at its start, as those of a user who starts for the first time.
        self.is_new = False
        self.commands = stand_ins(self.journal)

    async def run(self) -> None:
        (self.layout.data / "demo.loaded").touch()
        await Launcher(self.layout, self.console, self.commands).run(self.stopping)

    def noted(self, name: str, what: str = "started") -> list[int]:
        return [int(pid) for who, how, pid in map(str.split, self.notes()) if (who, how) == (name, what)]

    def notes(self) -> list[str]:
        return self.journal.read_text().splitlines()


class RealMesh(Mesh):
    """A launcher in this process, with the real services."""

    async def run(self) -> None:
        self.launcher = Launcher(self.layout, self.console)
        await self.launcher.run(self.stopping)

    def pid(self, name: str) -> int:
        """The id of a program's present process."""
        (child,) = (child for child in self.launcher.children if child.name == name)
        assert child.process is not None
        return child.process.pid


@contextlib.asynccontextmanager
async def run_mesh(mesh: M) -> AsyncIterator[M]:
    """Run it while inside, on a copy of the prepared databases unless it `is_new`."""
    if not mesh.is_new:
        prepared.copy_to(mesh.layout.data / "postgres")
    task = asyncio.create_task(mesh.run())
    try:
        try:
            await wait_until(lambda: task.done() or "ready" in mesh.console.lines, 60)
        except AssertionError as error:
            raise AssertionError(f"the mesh is not ready: {mesh.console.text.getvalue()[-2000:]}") from error
        if task.done():
            await task
        yield mesh
    finally:
        mesh.stopping.set()
        await asyncio.wait([task])
