"""`make bench`: lessons booked and confirmed per second, and what they cost beside bare echoes and bare commits.

Lessons, echoes with and without certificates, and commits alternate, at each number of students, so that a slow moment
of the machine affects all of them. The report has the medians of the rounds. Then lessons come on a schedule at half the
peak, and the engine, the apps and the sandbox are measured alone. All of it takes at most six minutes.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop

from bench import alone, baseline, cpu, engines, lessons, replicas, report, traces
from bench.batches import measure, repeat, sell
from bench.lessons import Shop, Student
from bench.machine import describe_machine
from bench.mesh import Mesh, run_mesh
from bench.open_loop import run_open_loop
from bench.results_page import Page

#: Write transactions of a sold lesson, over all services. A test counts them.
COMMITS = 9
#: The stream by which the benchmark learns of CONFIRMED; an app's subscription would cost the same.
OBSERVING = "BookingService/WatchBooking"
#: The launcher writes the services' log lines a little later.
LOG_SECONDS = 0.5
#: Apps that an open loop may have at once.
APPS = 64


@dataclass(frozen=True)
class Plan:
    """How much is measured. `sizes`: lessons of a round by the number of students; the others are counts and seconds.

    A student buys 20 lessons or more in a round: at its end some have bought their last one, and others still buy.
    """

    sizes: Mapping[int, int] = field(default_factory=lambda: {1: 40, 8: 240, 32: 640})
    rounds: int = 5
    open_seconds: float = 40.0
    engine_sizes: tuple[int, ...] = (1, 8, 32)
    engine_seconds: float = 4.0
    alone: int = 200


QUICK = Plan({1: 4, 4: 8}, 1, open_seconds=2.0, engine_sizes=(4,), engine_seconds=0.5, alone=16)


async def count_calls(mesh: Mesh, student: Student, count: int) -> dict[str, float]:
    """Count the RPCs of a lesson by name, from the log lines of the services."""
    await asyncio.sleep(LOG_SECONDS)
    before = mesh.count_served()
    await sell([student], count, [])
    await asyncio.sleep(LOG_SECONDS)
    counted = mesh.count_served() - before
    return {name: number / count for name, number in counted.items() if name != OBSERVING}


async def bench_mesh(mesh: Mesh, plan: Plan) -> report.Result:
    """Closed loops with their floor, then the open loop."""
    async with AsyncExitStack() as stack:
        shop: Shop = await stack.enter_async_context(lessons.open_shop(mesh.layout))
        bare = await stack.enter_async_context(baseline.open_baseline(mesh))
        students = [await stack.enter_async_context(shop.student()) for _ in range(max(plan.sizes))]
        await sell(students, len(students), [])  # warm
        calls = await count_calls(mesh, students[0], min(10, plan.sizes[min(plan.sizes)]))
        result = report.Result(calls, round(sum(calls.values())), COMMITS)
        for _ in range(plan.rounds):
            for number, size in plan.sizes.items():
                await _run_round(mesh, bare, students[:number], size, result)
        result.memory = cpu.memory_of_mesh(mesh.launcher)
        more = [await stack.enter_async_context(shop.student()) for _ in range(APPS - len(students))]
        result.open_loop = await run_open_loop(students + more, result.peak / 2, plan.open_seconds)
        return result


async def _run_round(
    mesh: Mesh, bare: baseline.Baseline, students: list[Student], size: int, result: report.Result
) -> None:
    """Lessons, echoes, echoes with certificates, commits: one batch of each."""
    number, echoes = len(students), size * max(result.echoes_per_lesson, 1)
    row = result.row(number)
    row.lessons.append(await measure(mesh, [], sell(students, size, row.sold)))
    row.echoes.append(await measure(mesh, [bare.server], repeat(bare.echo, number, echoes)))
    row.certified.append(await measure(mesh, [bare.server], repeat(bare.certified_echo, number, echoes)))
    row.commits.append(await measure(mesh, [], repeat(bare.commit, number, size * COMMITS)))


async def bench(plan: Plan) -> Page:
    """Everything, one after the other."""
    async with run_mesh() as mesh:
        machine = describe_machine(await mesh.read_postgres_version())
        result = await bench_mesh(mesh, plan)
    result.engine = await engines.measure_alone(plan.engine_sizes, plan.engine_seconds, plan.rounds)
    result.alone = await alone.measure_alone(plan.alone)
    return report.make_page(result, machine)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one small round, to see that it works; no page is written"
    )
    parser.add_argument("--traces", action="store_true", help="what traces cost")
    parser.add_argument(
        "--replicas", action="store_true", help="two payment and two booking replicas beside one of each"
    )
    chosen = parser.parse_args()
    if chosen.replicas:
        print(uvloop.run(replicas.compare()))
        return
    page = uvloop.run(traces.compare() if chosen.traces else bench(QUICK if chosen.quick else Plan()))
    print(page.text)
    if not chosen.quick:
        page.write()


if __name__ == "__main__":
    main()
