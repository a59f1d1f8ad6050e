"""`tutormesh up` as it is typed: what a terminal and a supervisor send it ends everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil

from devkit.layout import PROGRAMS
from tests.devkit.stage import ONLY_LINUX, ROOT, free_base, until

#: The command itself, PostgreSQL, and a process for each program.
MOST_OF_IT = 2 + len(PROGRAMS)


def of_mesh(data: Path) -> Iterator[psutil.Process]:
    """What lives of the mesh with this data folder: by its environment; PostgreSQL, which hides its own, by its folder."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            told = process.environ().get("TUTORMESH_DATA") == str(data)
            if told or Path(process.cwd()).is_relative_to(data):
                yield process


@contextlib.asynccontextmanager
async def typed(data: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, at the head of a process group as a shell puts it."""
    told = {"TUTORMESH_DATA": str(data), "TUTORMESH_PORT_BASE": str(free_base())}
    command = [str(Path(sys.executable).with_name("tutormesh")), "up"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=os.environ | told, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        for left in of_mesh(data):
            left.kill()
        await process.wait()


async def ends(process: asyncio.subprocess.Process, send: Callable[[], None], data: Path) -> None:
    assert len(list(of_mesh(data))) >= MOST_OF_IT
    send()
    _, status = await asyncio.wait_for(asyncio.gather(rest_of(process), process.wait()), 40)
    assert status == 0
    assert list(of_mesh(data)) == []


async def rest_of(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.read()


async def ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if line == b"ready\n":
            return
    raise AssertionError("it ended before it was ready")


@ONLY_LINUX
async def test_ctrl_c_stops_a_mesh_that_is_ready_and_leaves_no_process(tmp_path: Path) -> None:
    async with typed(tmp_path / "data") as process:
        await asyncio.wait_for(ready(process), 90)
        await ends(process, lambda: os.killpg(process.pid, signal.SIGINT), tmp_path / "data")


@ONLY_LINUX
async def test_sigterm_stops_a_mesh_amid_its_start_and_leaves_no_process(tmp_path: Path) -> None:
    async with typed(tmp_path / "data") as process:
        await until(lambda: len(list(of_mesh(tmp_path / "data"))) >= MOST_OF_IT, 90)
        await ends(process, process.terminate, tmp_path / "data")
