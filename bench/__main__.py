"""`make bench`: lessons booked and confirmed per second, and what they cost beside bare echoes and bare commits.

Rounds alternate (lessons, echoes, commits, at each number of students) so that a machine's mood touches all alike;
what is printed are medians of rounds. Bounded: it ends within three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import psutil

from bench import cpu, floor, lessons, report
from bench.lessons import Shop, Sold, Student
from bench.mesh import Mesh, running
from bench.report import Batch

#: Lessons per round at this many concurrent students.
SIZES = {1: 24, 8: 80, 32: 160}
ROUNDS = 3
#: Write transactions of a sold lesson, over all services (tests/ counts them).
COMMITS = 9
BATCH_SECONDS = 14.0
#: The benchmark's own way of hearing of CONFIRMED; an app's subscription would cost the same.
OBSERVING = "BookingService/WatchBooking"


async def measured(mesh: Mesh, others: list[psutil.Process], work: Awaitable[int]) -> Batch:
    """Wall and CPU seconds of a piece of work that gives how many items it did."""
    me, before, began = psutil.Process(), cpu.of_mesh(mesh.launcher), time.perf_counter()
    mine, theirs = cpu.own(me), sum(map(cpu.own, others))
    count = await work
    wall = time.perf_counter() - began
    used = {name: seconds - before.get(name, 0.0) for name, seconds in cpu.of_mesh(mesh.launcher).items()}
    return Batch(count, wall, used, cpu.own(me) - mine + sum(map(cpu.own, others)) - theirs)


async def sell(students: list[Student], count: int, sold: list[Sold]) -> int:
    """Sell lessons, each student one after the other, until there are enough or the time is over."""
    end, left = time.perf_counter() + BATCH_SECONDS, iter(range(count))
    before = len(sold)

    async def shopping(student: Student) -> None:
        for _ in left:
            sold.append(await student.buys_a_lesson())
            if time.perf_counter() > end:
                return

    await asyncio.gather(*map(shopping, students))
    return len(sold) - before


async def repeat(once: Callable[[], Awaitable[None]], concurrent: int, count: int) -> int:
    """Do a thing `count` times, so many at once."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await once()

    await asyncio.gather(*(worker() for _ in range(concurrent)))
    return count


async def calls_of_a_lesson(mesh: Mesh, student: Student, count: int) -> dict[str, float]:
    """Which RPCs a lesson really takes, from the log lines of those who served them."""
    before = mesh.served()
    await sell([student], count, [])
    await asyncio.sleep(0.5)  # the launcher writes the lines a little later
    counted = mesh.served() - before
    return {name: number / count for name, number in counted.items() if name != OBSERVING}


async def bench(mesh: Mesh, sizes: dict[int, int], rounds: int) -> report.Result:
    async with AsyncExitStack() as stack:
        shop: Shop = await stack.enter_async_context(lessons.opened(mesh.layout))
        bare = await stack.enter_async_context(floor.opened(mesh))
        students = [await stack.enter_async_context(shop.student()) for _ in range(max(sizes))]
        await sell(students, len(students), [])  # warm
        calls = await calls_of_a_lesson(mesh, students[0], min(10, sizes[min(sizes)]))
        per_lesson = round(sum(calls.values()))
        result = report.Result(calls, per_lesson, COMMITS)
        for _ in range(rounds):
            for number, size in sizes.items():
                row = result.row(number)
                row.lessons.append(await measured(mesh, [], sell(students[:number], size, row.sold)))
                row.echoes.append(
                    await measured(mesh, [bare.server], repeat(bare.echo, number, size * max(per_lesson, 1)))
                )
                row.commits.append(await measured(mesh, [], repeat(bare.commit, number, size * COMMITS)))
        return result


async def main(sizes: dict[int, int], rounds: int) -> None:
    async with running() as mesh:
        print(report.written(await bench(mesh, sizes, rounds)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round, to see that it works")
    quick = parser.parse_args().quick
    asyncio.run(main({1: 4, 4: 8} if quick else SIZES, 1 if quick else ROUNDS))
