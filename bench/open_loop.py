"""Lessons at a fixed rate: apps arrive on a schedule, whatever the mesh does.

A lesson's time counts from its place in the schedule, not from when an app was free for it. A mesh that stalls for a second
is therefore slow for all that should have come in that second (Gil Tene: coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from bench.lessons import Student

#: Most lessons of one run, so that it is bounded on a fast machine too.
MOST_LESSONS = 4000


@dataclass(frozen=True)
class OpenLoop:
    """Lessons a second that were asked for, and the seconds that each took since its place in the schedule."""

    rate: float
    taken: list[float]

    @property
    def p50(self) -> float:
        return self._points[49]

    @property
    def p99(self) -> float:
        return self._points[98]

    @property
    def _points(self) -> list[float]:
        return quantiles(self.taken, n=100, method="inclusive")


async def run_open_loop(students: Sequence[Student], rate: float, seconds: float) -> OpenLoop:
    """Sell `rate` lessons a second, evenly spaced. A lesson for which no app is free waits for one."""
    free: asyncio.Queue[Student] = asyncio.Queue()
    for student in students:
        free.put_nowait(student)
    began, taken = time.perf_counter(), list[float]()

    async def sell_one(due: float) -> None:
        student = await free.get()
        try:
            await student.buy_lesson()
        finally:
            free.put_nowait(student)
        taken.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        for number in range(min(round(rate * seconds), MOST_LESSONS)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(sell_one(due))
    return OpenLoop(rate, taken)
