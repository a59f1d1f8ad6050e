"""`tutormesh up` as a process: SIGINT and SIGTERM end everything that it started."""

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
from tests import prepared
from tests.devkit.fake_mesh import ONLY_LINUX, ROOT, reserve_ports, wait_until

#: The command itself, PostgreSQL, and a process for each program.
PROCESSES = 2 + len(PROGRAMS)


def mesh_processes(data: Path) -> Iterator[psutil.Process]:
    """The living processes of the mesh with this data folder.

    Their environment names the folder. PostgreSQL hides its environment, and is found by its working folder.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            names_data = process.environ().get("TUTORMESH_DATA") == str(data)
            if names_data or Path(process.cwd()).is_relative_to(data):
                yield process


@contextlib.asynccontextmanager
async def run_up(data: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `tutormesh up` at the head of a process group, as a shell does."""
    settings = {"TUTORMESH_DATA": str(data), "TUTORMESH_PORT_BASE": str(reserve_ports())}
    command = [str(Path(sys.executable).with_name("tutormesh")), "up"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=os.environ | settings, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        for left in mesh_processes(data):
            left.kill()
        await process.wait()


async def assert_ends(process: asyncio.subprocess.Process, send_signal: Callable[[], None], data: Path) -> None:
    send_signal()
    _, status = await asyncio.wait_for(asyncio.gather(read_to_end(process), process.wait()), 40)
    assert status == 0
    assert list(mesh_processes(data)) == []


async def read_to_end(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.read()


async def wait_for_ready_line(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if line == b"ready\n":
            return
    raise AssertionError("the mesh ended before it was ready")


@ONLY_LINUX
async def test_ctrl_c_stops_a_mesh_that_is_ready_and_leaves_no_process(tmp_path: Path) -> None:
    async with run_up(tmp_path / "data") as process:
        await asyncio.wait_for(wait_for_ready_line(process), 90)
        assert len(list(mesh_processes(tmp_path / "data"))) >= PROCESSES
        await assert_ends(process, lambda: os.killpg(process.pid, signal.SIGINT), tmp_path / "data")


@ONLY_LINUX
async def test_sigterm_stops_a_mesh_that_is_starting_and_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    prepared.copy_to(tmp_path / "data" / "postgres")
    async with run_up(tmp_path / "data") as process:
        await wait_until(lambda: len(list(mesh_processes(tmp_path / "data"))) >= PROCESSES, 90)
        await assert_ends(process, process.terminate, tmp_path / "data")
