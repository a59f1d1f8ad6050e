"""A mesh of its own to measure: started as `make up` does, durable PostgreSQL, its own ports and data folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from devkit.databases import embedded
from devkit.layout import PROGRAMS, Layout
from devkit.ports import free_base
from devkit.readiness import wait_until_ready

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 20
#: The line that each process writes for each RPC it has served.
_SERVED = re.compile(r"\brpc\b.*?\bmethod=/(?:[\w.]+)\.(\w+/\w+)")


@dataclass(frozen=True)
class Mesh:
    """A running mesh: where it is, its launcher, and what it writes."""

    layout: Layout
    launcher: psutil.Process
    log: Path

    def served(self) -> Counter[str]:
        """How many RPCs of each name have been served so far."""
        return Counter(_SERVED.findall(_text(self.log)))

    @property
    def server_url(self) -> str:
        """The PostgreSQL of this mesh, for asyncpg."""
        return embedded(self.layout).url().replace("+asyncpg", "", 1)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Mesh]:
    """A mesh that is ready; stopped, and its data removed, at the end."""
    folder = ROOT / ".data" / f"bench-{os.getpid()}"  # beside the real data: on the disk whose fsync counts
    folder.mkdir(parents=True)
    settings = {**os.environ, "TUTORMESH_DATA": str(folder / "data"), "TUTORMESH_PORT_BASE": str(free_base())}
    settings["TUTORMESH_MAIL"] = "off"  # what people are told is no part of selling a lesson
    for name in ("TUTORMESH_DATABASE", "MAKELEVEL", "LOG_FORMAT", *(f"{name.upper()}_REPLICAS" for name in PROGRAMS)):
        settings.pop(name, None)
    log = folder / "log"
    try:
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ops", "up", cwd=ROOT, env=settings, stdout=out, stderr=out
            )
        try:
            layout = Layout(ROOT, settings)
            await _until_ready(process, layout, log)
            yield Mesh(layout, psutil.Process(process.pid), log)
        finally:
            await _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _until_ready(process: asyncio.subprocess.Process, layout: Layout, log: Path) -> None:
    came_up = asyncio.create_task(_ready(layout, log))
    ended = asyncio.create_task(process.wait())
    done, waiting = await asyncio.wait({came_up, ended}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if came_up not in done:
        raise SystemExit(f"bench: the mesh does not start:\n{_text(log)[-2000:]}")


async def _ready(layout: Layout, log: Path) -> None:
    await wait_until_ready(layout.port("bff"))
    while "\nready\n" not in _text(log):  # noqa: ASYNC110 - a file has no event for it
        await asyncio.sleep(0.1)


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
