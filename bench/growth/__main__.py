"""`make bench-growth`: lessons and lists beside 10³, 10⁵ and 10⁶ sales that are over, as ratios to 10³.

A mesh for each number of sales; their batches alternate, so that a slow moment of the machine affects all of them. Other
numbers: ARGS="1000 10000000".

A million of sales takes about 22 GB of disk: 9 kB a sale in the sandbox, 8 kB in PostgreSQL, and 5 kB in the file of an
audit of everything. It begins when the disk has 30 GB a million.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

from bench import cpu
from bench.batches import Batch, measure, repeat, sell
from bench.growth.audits import Audited, audit, keep_mark_of_now
from bench.growth.fill import fill
from bench.growth.listings import LISTINGS, list_once
from bench.growth.people import Plan
from bench.growth.selling import sell_a_sample, urls_of
from bench.lessons import Shop, Sold, Student, open_shop
from bench.machine import describe_machine
from bench.mesh import ROOT, Mesh, run_mesh
from bench.plots import Plot
from bench.results_page import Page, table

SIZES = (1_000, 100_000, 1_000_000)
STUDENTS, LESSONS, LISTS, ROUNDS = 8, 240, 40, 5
#: Lessons that an audit finds changed; and the most sales of which everything is read without --whole.
AUDITED_LESSONS, MOST_READ_WHOLE = 20, 100_000
#: Bytes of disk: of a sale, with a third to spare; and of a mesh without sales, with PostgreSQL's log.
DISK_OF_A_SALE, DISK_OF_A_MESH = 30_000, 1_500_000_000


@dataclass
class Town:
    """A mesh with so many sales, and what was measured on it. `lists` has seconds a call, by the list's name."""

    sales: int
    mesh: Mesh
    shop: Shop
    students: list[Student]
    lessons: list[Batch] = field(default_factory=list)
    lists: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LISTINGS})
    sold: list[Sold] = field(default_factory=list)
    filled_seconds: float = 0.0
    changes: Audited | None = None
    everything: Audited | None = None


@contextlib.asynccontextmanager
async def open_town(sales: int) -> AsyncIterator[Town]:
    """A mesh with so many lessons and seats that were sold and are over."""
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(run_mesh())
        shop = await stack.enter_async_context(open_shop(mesh.layout))
        sample = await sell_a_sample(mesh, shop)
        began = time.perf_counter()
        await fill(urls_of(mesh), mesh.layout.data / "stripe" / "sandbox.sqlite3", sample, Plan(sales))
        seconds = time.perf_counter() - began
        students = [await stack.enter_async_context(shop.student()) for _ in range(STUDENTS)]
        await sell(students, len(students), [])  # warm
        yield Town(sales, mesh, shop, students, filled_seconds=seconds)


async def run_round(town: Town, lessons: int, lists: int) -> None:
    """Lessons, then each list."""
    town.lessons.append(await measure(town.mesh, [], sell(town.students, lessons, town.sold)))
    for name, seconds in town.lists.items():
        batch = await measure(town.mesh, [], repeat(lambda name=name: list_once(town.shop, name), 1, lists))  # type: ignore[misc]
        seconds.append(batch.wall_each)


async def audit_town(town: Town, most_read_whole: int) -> None:
    """An audit of the lessons of a batch; and of everything, where it is of so many sales at most."""
    await keep_mark_of_now(town.mesh)
    await sell(town.students, AUDITED_LESSONS, [])
    town.changes = await audit(town.mesh)
    if town.sales <= most_read_whole:
        town.everything = await audit(town.mesh, "--full")


def compare(towns: Sequence[Town], machine: str) -> Page:
    """Each town beside the first one: ratios of the medians of the rounds."""
    sizes = [f"{town.sales:,} sales" for town in towns]
    lessons = [median(1 / batch.wall_each for batch in town.lessons) for town in towns]
    used = [median(sum(batch.mesh.values()) / batch.count for batch in town.lessons) for town in towns]
    lists = {name: [median(town.lists[name]) for town in towns] for name in LISTINGS}
    wal = [median(batch.wal_bytes / batch.count for batch in town.lessons) for town in towns]
    rows: list[list[object]] = [["lessons a second", *_beside(lessons)], ["CPU of a lesson", *_beside(used)]]
    rows += [[f"CPU of {name}", *_beside(each)] for name, each in _used_by_process(towns).items()]
    rows += [["bytes of WAL of a lesson", *_beside(wal)]]
    rows += [[name, *_beside(seconds)] for name, seconds in lists.items()]
    memory = [cpu.memory_of_mesh(town.mesh.launcher) for town in towns]
    rows += [[f"memory of {name}", *_beside([float(one[name]) for one in memory])] for name in sorted(memory[0])]
    page = Page("growth", "Lessons and lists beside sales that are over", "make bench-growth", machine)
    series = {"lessons a second": lessons, **lists}
    shown = {name: [value / values[0] for value in values] for name, values in series.items()}
    page.plots.append(Plot("As a ratio to the first", "ratio", sizes, shown))
    page.sections.append("Each number is beside that of the first column: 1.00 is the same.")
    page.sections.append(table(["", *sizes], rows))
    page.sections.append(f"Filling took {', '.join(f'{town.filled_seconds:.0f} s' for town in towns)}.")
    page.sections.append(f"`tutormesh audit` after {AUDITED_LESSONS} lessons, and `tutormesh audit --full`:")
    audits = [[_told(town.changes) for town in towns], [_told(town.everything) for town in towns]]
    page.sections.append(table(["", *sizes], [["audit", *audits[0]], ["audit --full", *audits[1]]]))
    return page


def _used_by_process(towns: Sequence[Town]) -> dict[str, list[float]]:
    """The CPU of a lesson in each town, by the kind of process; of those that have a part in it."""
    names = sorted({name for town in towns for batch in town.lessons for name in batch.mesh})
    found = {
        name: [median(batch.mesh.get(name, 0.0) / batch.count for batch in town.lessons) for town in towns]
        for name in names
    }
    return {name: used for name, used in found.items() if min(used) > 0}


def _told(audited: Audited | None) -> str:
    return "–" if audited is None else f"{audited.seconds:.1f} s, {audited.megabytes:.0f} MB"


def _beside(values: Sequence[float]) -> list[str]:
    return [f"{value / values[0]:.2f}" for value in values]


def refuse_a_small_disk(sizes: Sequence[int]) -> None:
    """Raises SystemExit when the disk has too little room for meshes with these numbers of sales."""
    needed = sum(DISK_OF_A_MESH + DISK_OF_A_SALE * sales for sales in sizes)
    free = shutil.disk_usage(ROOT).free
    if free < needed:
        raise SystemExit(f"bench: needs {needed / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free")


async def main(
    sizes: Sequence[int], lessons: int, lists: int, rounds: int, most_read_whole: int = MOST_READ_WHOLE
) -> Page:
    refuse_a_small_disk(sizes)
    async with AsyncExitStack() as stack:
        towns = [await stack.enter_async_context(open_town(sales)) for sales in sizes]
        for number in range(rounds):
            for town in towns if number % 2 == 0 else reversed(towns):
                await run_round(town, lessons, lists)
        for town in towns:
            await audit_town(town, most_read_whole)
        return compare(towns, describe_machine(await towns[0].mesh.read_postgres_version()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-growth", description=__doc__)
    parser.add_argument(
        "sizes", type=int, nargs="*", default=SIZES, help="numbers of sales; the first one is the measure"
    )
    parser.add_argument("--quick", action="store_true", help="few sales and one round, to see that it works; no page")
    parser.add_argument(
        "--whole",
        action="store_true",
        help=f"audit everything of more than {MOST_READ_WHOLE:,} sales too: it may take half an hour",
    )
    chosen = parser.parse_args()
    sizes = tuple(chosen.sizes)
    if chosen.quick:
        sizes = (200, 400) if sizes == SIZES else sizes
        print(asyncio.run(main(sizes, 8, 4, 2)).text)
        raise SystemExit
    most_read_whole = max(sizes) if chosen.whole else MOST_READ_WHOLE
    page = asyncio.run(main(sizes, LESSONS, LISTS, ROUNDS, most_read_whole))
    print(page.text)
    page.write()
