"""`make bench`: lessons booked and confirmed per second, and what they cost beside bare echoes and bare commits.

Lessons, echoes with and without certificates, and commits alternate, at each number of students, so that a slow moment
of the machine affects all of them. The report has the medians of the rounds. It takes at most three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench import baseline, lessons, report, traces
from bench.batches import measure, sell
from bench.lessons import Shop, Student
from bench.mesh import Mesh, run_mesh

#: Lessons per round at this many concurrent students.
SIZES = {1: 24, 8: 80, 32: 160}
ROUNDS = 3
#: Write transactions of a sold lesson, over all services. A test counts them.
COMMITS = 9
#: The stream by which the benchmark learns of CONFIRMED; an app's subscription would cost the same.
OBSERVING = "BookingService/WatchBooking"


async def repeat(once: Callable[[], Awaitable[None]], concurrent: int, count: int) -> int:
    """Run `once` `count` times, `concurrent` at a time."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await once()

    await asyncio.gather(*(worker() for _ in range(concurrent)))
    return count


async def count_calls(mesh: Mesh, student: Student, count: int) -> dict[str, float]:
    """Count the RPCs of a lesson by name, from the log lines of the services."""
    before = mesh.count_served()
    await sell([student], count, [])
    await asyncio.sleep(0.5)  # the launcher writes the log lines a little later
    counted = mesh.count_served() - before
    return {name: number / count for name, number in counted.items() if name != OBSERVING}


async def bench(mesh: Mesh, sizes: dict[int, int], rounds: int) -> report.Result:
    async with AsyncExitStack() as stack:
        shop: Shop = await stack.enter_async_context(lessons.open_shop(mesh.layout))
        bare = await stack.enter_async_context(baseline.open_baseline(mesh))
        students = [await stack.enter_async_context(shop.student()) for _ in range(max(sizes))]
        await sell(students, len(students), [])  # warm
        calls = await count_calls(mesh, students[0], min(10, sizes[min(sizes)]))
        per_lesson = round(sum(calls.values()))
        result = report.Result(calls, per_lesson, COMMITS)
        for _ in range(rounds):
            for number, size in sizes.items():
                row = result.row(number)
                row.lessons.append(await measure(mesh, [], sell(students[:number], size, row.sold)))
                row.echoes.append(
                    await measure(mesh, [bare.server], repeat(bare.echo, number, size * max(per_lesson, 1)))
                )
                row.certified.append(
                    await measure(mesh, [bare.server], repeat(bare.certified_echo, number, size * max(per_lesson, 1)))
                )
                row.commits.append(await measure(mesh, [], repeat(bare.commit, number, size * COMMITS)))
        return result


async def main(sizes: dict[int, int], rounds: int) -> None:
    async with run_mesh() as mesh:
        print(report.format_report(await bench(mesh, sizes, rounds)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round, to see that it works")
    parser.add_argument("--traces", action="store_true", help="what traces cost")
    chosen = parser.parse_args()
    quick = chosen.quick
    if chosen.traces:
        print(asyncio.run(traces.compare()))
        raise SystemExit
    asyncio.run(main({1: 4, 4: 8} if quick else SIZES, 1 if quick else ROUNDS))
