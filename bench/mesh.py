"""A mesh to measure, started as `make up` does: PostgreSQL is durable, and ports and data folder are its own."""

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
from uuid import uuid4

import asyncpg
import psutil

from bench.counters import Written, read_version, read_written
from devkit.databases import embedded
from devkit.layout import PROGRAMS, Layout
from devkit.ports import reserve_ports
from devkit.readiness import wait_until_ready

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120
STOP_SECONDS = 20
#: The log line that a service writes for each RPC.
_SERVED = re.compile(r'"method": "/[\w.]+\.(\w+/\w+)".*"event": "rpc"')


@dataclass(frozen=True)
class Mesh:
    """A running mesh: its layout, its launcher, and its log."""

    layout: Layout
    launcher: psutil.Process
    log: Path

    def count_served(self) -> Counter[str]:
        """How many RPCs of each name the services have served so far."""
        return Counter(_SERVED.findall(_text(self.log)))

    @property
    def server_url(self) -> str:
        """The PostgreSQL of this mesh, for asyncpg."""
        return embedded(self.layout).url().replace("+asyncpg", "", 1)

    async def read_written(self) -> Written:
        """What the mesh's PostgreSQL has written so far."""
        connection = await asyncpg.connect(self.server_url)
        try:
            return await read_written(connection)
        finally:
            await connection.close()

    async def read_postgres_version(self) -> str:
        """Such as "PostgreSQL 15.4"."""
        connection = await asyncpg.connect(self.server_url)
        try:
            return await read_version(connection)
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def run_mesh(**more: str) -> AsyncIterator[Mesh]:
    """Run a mesh with these settings, which is ready inside. Afterwards it is stopped and its data is removed.

    Its log lines are those of production, JSON. It makes no traces unless a setting says so.
    """
    folder = ROOT / ".data" / f"bench-{os.getpid()}"
    folder /= uuid4().hex[:8]  # on the disk of the real data, as its fsync is measured too
    folder.mkdir(parents=True)
    settings = {**os.environ, "TUTORMESH_DATA": str(folder / "data"), "TUTORMESH_PORT_BASE": str(reserve_ports())}
    for name in ("TUTORMESH_DATABASE", "MAKELEVEL", *(f"{name.upper()}_REPLICAS" for name in PROGRAMS)):
        settings.pop(name, None)
    settings |= {"OTEL_SDK_DISABLED": "true", "LOG_FORMAT": "json"} | more
    settings["TUTORMESH_MAIL"] = "off"  # messages are no part of selling a lesson
    log = folder / "log"
    try:
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ops", "up", cwd=ROOT, env=settings, stdout=out, stderr=out
            )
        try:
            layout = Layout(ROOT, settings)
            await _wait_until_ready(process, layout, log)
            yield Mesh(layout, psutil.Process(process.pid), log)
        finally:
            await _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another mesh of this process is still there
            folder.parent.rmdir()


async def _wait_until_ready(process: asyncio.subprocess.Process, layout: Layout, log: Path) -> None:
    came_up = asyncio.create_task(_poll_until_ready(layout, log))
    ended = asyncio.create_task(process.wait())
    done, waiting = await asyncio.wait({came_up, ended}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if came_up not in done:
        raise SystemExit(f"bench: the mesh does not start:\n{_text(log)[-2000:]}")


async def _poll_until_ready(layout: Layout, log: Path) -> None:
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
