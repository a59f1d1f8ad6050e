"""Processes of engines, what they do when they are told to, and what that costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import psutil

from bench import cpu
from bench.mesh import ROOT
from bench.postgres import Server, run_server
from bench.results_page import table

#: At most so many sagas in a batch; usually its time ends first.
MOST_SAGAS = 20_000
#: The first process of an engine makes its tables, some engines in dozens of transactions.
READY_SECONDS, ANSWER_SECONDS = 180, 60
LEGEND = """\
CPU, writes (write transactions) and bytes are of one saga. The engine's process has its customers in it. MB is its resident
memory. PostgreSQL's CPU is that of all its processes."""


@dataclass(frozen=True)
class EngineBatch:
    """What one closed loop of sagas cost. Seconds; `cpu` is the engine's process with its customers in it."""

    engine: str
    concurrent: int
    count: int
    wall: float
    p50: float
    p99: float
    cpu: float
    postgres: float
    writes: int
    wal_bytes: int
    memory: int

    @property
    def rate(self) -> float:
        return self.count / self.wall


class Worker:
    """A running process of an engine."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, server: Server) -> None:
        self._name, self._process, self._server = name, process, server
        self._measured = psutil.Process(process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def measure(self, concurrent: int, seconds: float, count: int = MOST_SAGAS) -> EngineBatch:
        """Run so many sagas at once, until the time is over."""
        written, used, postgres = await self._server.written(), cpu.own(self._measured), self._server.cpu()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{concurrent} {count} {seconds}\n".encode())
        answer = json.loads(await self.read_line(seconds + ANSWER_SECONDS))
        used, postgres = cpu.own(self._measured) - used, self._server.cpu() - postgres
        written, taken = await self._server.written() - written, sorted(answer["taken"])
        return EngineBatch(
            self._name, concurrent, len(taken), answer["wall"], median(taken), taken[len(taken) * 99 // 100],
            used, postgres, written.writes, written.wal_bytes, self._measured.memory_info().rss,
        )  # fmt: skip

    async def read_line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        if not line:
            raise SystemExit(f"bench: {self._name} has ended")
        return line.decode()


@contextlib.asynccontextmanager
async def run_worker(
    name: str, server: Server, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncIterator[Worker]:
    """A process of an engine, warm, while inside."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, **(environment or {})}, limit=2**26,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        worker = Worker(name, process, server)
        if (said := await worker.read_line(READY_SECONDS)) != "ready\n":
            raise SystemExit(f"bench: {name} says {said!r}")
        yield worker
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def own_command(database_url: str) -> list[str]:
    """The command of a process of our engine."""
    return [sys.executable, "-m", "bench.engine", "--serve", database_url]


async def measure_alone(sizes: Sequence[int], seconds: float, rounds: int = 1) -> list[EngineBatch]:
    """Measure our engine at each number of sagas at once."""
    async with run_server() as server:
        url = await server.postgres.create_database("payment")
        async with run_worker("tutormesh", server, own_command(url)) as worker:
            print(f"the engine's process is {worker.pid}", file=sys.stderr)
            return [await worker.measure(size, seconds) for _ in range(rounds) for size in sizes]


def batches_table(batches: Sequence[EngineBatch]) -> str:
    """A Markdown table: for each engine and number of sagas at once the medians of its batches."""
    columns = (
        "engine",
        "at once",
        "sagas/s",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "PostgreSQL CPU ms",
        "writes",
        "WAL bytes",
        "MB",
    )
    rows = []
    for engine, concurrent in dict.fromkeys((batch.engine, batch.concurrent) for batch in batches):
        some = [batch for batch in batches if (batch.engine, batch.concurrent) == (engine, concurrent)]
        values = (
            f"{median(batch.rate for batch in some):.1f}",
            f"{median(batch.p50 for batch in some) * 1000:.1f}",
            f"{median(batch.p99 for batch in some) * 1000:.1f}",
            f"{median(batch.cpu / batch.count for batch in some) * 1000:.2f}",
            f"{median(batch.postgres / batch.count for batch in some) * 1000:.2f}",
            f"{median(batch.writes / batch.count for batch in some):.1f}",
            f"{median(batch.wal_bytes / batch.count for batch in some):.0f}",
            f"{median(batch.memory for batch in some) / 2**20:.0f}",
        )
        rows.append((engine, concurrent, *values))
    return f"{table(columns, rows)}\n\n{LEGEND}"
