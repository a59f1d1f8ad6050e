"""`make bench-memory`: the memory of each process after 10³ lessons, and after 2·10⁴, as the ratio. It takes ten minutes.

A process grows while its pools, caches and allocators fill; that is over after a thousand lessons. What grows later is a
leak. The lessons between are measured too, so that a curve which flattens can be told from a line.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from bench import cpu
from bench.lessons import Student, open_shop
from bench.machine import describe_machine
from bench.mesh import Mesh, run_mesh
from bench.plots import Plot
from bench.results_page import Page, table

STUDENTS = 8
#: An hour each: no lesson is more than a year ahead.
MOST_OF_A_SHOP = 5_000
LESSONS = (1_000, 2_000, 5_000, 10_000, 20_000)
MEGABYTE = 1024 * 1024


async def sell(mesh: Mesh, count: int) -> None:
    """Sell so many lessons, of tutors whom nobody knows yet: their calendars begin tomorrow again."""
    left = iter(range(count))

    async def shopping(student: Student) -> None:
        for _ in left:
            await student.buy_lesson()

    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(open_shop(mesh.layout))
        students = [await stack.enter_async_context(shop.student()) for _ in range(STUDENTS)]
        await asyncio.gather(*map(shopping, students))


async def grow(mesh: Mesh, sizes: Sequence[int]) -> list[dict[str, float]]:
    """The memory of each kind of process, in MB, after so many lessons in all."""
    found, sold = [], 0
    for size in sizes:
        while sold < size:
            some = min(size - sold, MOST_OF_A_SHOP)
            await sell(mesh, some)
            sold += some
        found.append({name: value / MEGABYTE for name, value in cpu.memory_of_mesh(mesh.launcher).items()})
        print(
            f"{size:,} lessons: " + ", ".join(f"{name} {value:.1f} MB" for name, value in found[-1].items()), flush=True
        )
    return found


def as_page(sizes: Sequence[int], found: Sequence[dict[str, float]], machine: str) -> Page:
    names = sorted(found[0])
    groups = [f"{size:,}" for size in sizes]
    rows = [
        [name, *(f"{each[name]:.0f} MB" for each in found), f"{found[-1][name] / found[0][name]:.2f}"] for name in names
    ]
    page = Page("memory", "Memory after many lessons", "make bench-memory", machine)
    page.plots.append(
        Plot("Resident memory", "MB", groups, {name: [each[name] for each in found] for name in names}, stacked=True)
    )
    page.sections.append(f"Each process's resident memory after so many lessons, {STUDENTS} students at a time.")
    page.sections.append(table(["", *(f"{group} lessons" for group in groups), "last / first"], rows))
    return page


async def main(sizes: Sequence[int]) -> Page:
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(run_mesh())
        found = await grow(mesh, sizes)
        return as_page(sizes, found, describe_machine(await mesh.read_postgres_version()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-memory", description=__doc__)
    parser.add_argument(
        "sizes", type=int, nargs="*", default=LESSONS, help="numbers of lessons, each more than the last"
    )
    parser.add_argument("--quick", action="store_true", help="few lessons, to see that it works; no page")
    chosen = parser.parse_args()
    if chosen.quick:
        print(asyncio.run(main((16, 32))).text)
        raise SystemExit
    made = asyncio.run(main(tuple(chosen.sizes)))
    print(made.text)
    made.write()
