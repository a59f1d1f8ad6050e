"""A durable PostgreSQL for a benchmark: fsync is on, as on the mesh that `make up` starts."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import psutil

from bench import cpu
from bench.counters import Written, read_version, read_written
from bench.mesh import ROOT
from devkit.postgres import Postgres


@dataclass(frozen=True)
class Server:
    """A running server, and a connection that looks at its counters."""

    postgres: Postgres
    _process: psutil.Process
    _connection: asyncpg.Connection

    def cpu(self) -> float:
        """The CPU seconds of all its processes so far."""
        return cpu.of_server(self._process)

    async def written(self) -> Written:
        return await read_written(self._connection)

    async def version(self) -> str:
        return await read_version(self._connection)


@contextlib.asynccontextmanager
async def run_server() -> AsyncIterator[Server]:
    """A server of its own while inside. Afterwards its data is removed."""
    folder = ROOT / ".data" / f"bench-{os.getpid()}" / uuid4().hex[:8]  # the disk of the real data: fsync is measured
    folder.mkdir(parents=True)
    try:
        with Postgres(folder / "postgres") as postgres:
            connection = await asyncpg.connect(postgres.url().replace("+asyncpg", "", 1))
            try:
                yield Server(postgres, psutil.Process(_pid(postgres)), connection)
            finally:
                await connection.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another server of this process is still there
            folder.parent.rmdir()


def _pid(postgres: Postgres) -> int:
    return int((postgres.folder / "postmaster.pid").read_text().split("\n")[0])
