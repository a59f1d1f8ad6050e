"""Batches of work on a mesh, with the CPU and the wall time that they took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import psutil

from bench import cpu
from bench.lessons import Sold, Student
from bench.mesh import Mesh
from bench.report import Batch

BATCH_SECONDS = 14.0


async def measure(mesh: Mesh, others: list[psutil.Process], work: Awaitable[int]) -> Batch:
    """Measure the wall and CPU seconds of a piece of work, which returns how many items it did."""
    me, before, began = psutil.Process(), cpu.of_mesh(mesh.launcher), time.perf_counter()
    mine, theirs = cpu.own(me), sum(map(cpu.own, others))
    count = await work
    wall = time.perf_counter() - began
    used = {name: seconds - before.get(name, 0.0) for name, seconds in cpu.of_mesh(mesh.launcher).items()}
    return Batch(count, wall, used, cpu.own(me) - mine + sum(map(cpu.own, others)) - theirs)


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
