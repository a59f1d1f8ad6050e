"""On a schedule, a lesson's time counts from when it was due."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bench.open_loop import OpenLoop, run_open_loop


class SlowApp:
    """Takes 20 ms for a lesson, and has one at a time."""

    async def buy_lesson(self) -> None:
        await asyncio.sleep(0.02)


async def test_a_lesson_that_waits_for_an_app_is_slow_from_its_place_in_the_schedule() -> None:
    apps: Any = [SlowApp()]
    loop = await run_open_loop(apps, rate=200, seconds=0.05)
    assert len(loop.taken) == 10
    assert max(loop.taken) >= 10 * 0.02 - 9 / 200


def test_the_percentiles_are_of_all_lessons() -> None:
    loop = OpenLoop(5.0, [0.1] * 90 + [1.0] * 10)
    assert (loop.p50, loop.p99) == (pytest.approx(0.1), pytest.approx(1.0))
