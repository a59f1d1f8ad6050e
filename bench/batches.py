"""Batches of work on a mesh, with the CPU and the wall time that they took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from bench import cpu
from bench.lessons import Sold, Student
from bench.mesh import Mesh

BATCH_SECONDS = 14.0


@dataclass(frozen=True)
class Batch:
    """One measured piece of work, in seconds.

    `mesh` is the CPU of each kind of process; `bench` is the CPU of the benchmark and of the echo server. `writes` counts
    the write transactions of the mesh's PostgreSQL, and `wal_bytes` what they wrote to its log.
    """

    count: int
    wall: float
    mesh: dict[str, float]
    bench: float
    writes: int = 0
    wal_bytes: int = 0

    @property
    def wall_each(self) -> float:
        return self.wall / self.count


async def measure(mesh: Mesh, others: list[psutil.Process], work: Awaitable[int]) -> Batch:
    """Measure the wall and CPU seconds of a piece of work, which returns how many items it did."""
    me, written = psutil.Process(), await mesh.read_written()
    before, began = cpu.of_mesh(mesh.launcher), time.perf_counter()
    mine, theirs = cpu.own(me), sum(map(cpu.own, others))
    count = await work
    wall = time.perf_counter() - began
    # Before the mesh's: to look at all of its processes takes CPU of our own.
    ours = cpu.own(me) - mine + sum(map(cpu.own, others)) - theirs
    used = {name: seconds - before.get(name, 0.0) for name, seconds in cpu.of_mesh(mesh.launcher).items()}
    written = await mesh.read_written() - written
    return Batch(count, wall, used, ours, written.writes, written.wal_bytes)


async def repeat(once: Callable[[], Awaitable[None]], concurrent: int, count: int) -> int:
    """Run `once` `count` times, `concurrent` at a time."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await once()

    await asyncio.gather(*(worker() for _ in range(concurrent)))
    return count


async def sell(students: list[Student], count: int, sold: list[Sold]) -> int:
    """Sell lessons until there are `count` of them, or the time is over. Each student buys one after the other."""
    end, left = time.perf_counter() + BATCH_SECONDS, iter(range(count))
    before = len(sold)

    async def shopping(student: Student) -> None:
        for _ in left:
            sold.append(await student.buy_lesson())
            if time.perf_counter() > end:
                return

    await asyncio.gather(*map(shopping, students))
    return len(sold) - before
