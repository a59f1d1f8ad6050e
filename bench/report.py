"""The benchmark's measurements, and their report as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median, quantiles

from bench.alone import Alone
from bench.batches import Batch
from bench.engines import EngineBatch, batches_table
from bench.lessons import Sold
from bench.open_loop import OpenLoop
from bench.plots import Plot
from bench.results_page import Page, table

#: What is no part of the product. Its CPU is listed apart.
NOT_OURS = ("sandbox", "launcher")
APPS = "apps"
#: The RPCs of a lesson when it was first measured. A floor that stays shows an RPC that is spared as a gain.
FIRST_ECHOES = 10


@dataclass
class Row:
    """All rounds at one number of students."""

    lessons: list[Batch] = field(default_factory=list)
    echoes: list[Batch] = field(default_factory=list)
    commits: list[Batch] = field(default_factory=list)
    #: The same echoes with certificates.
    certified: list[Batch] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Lessons a second, as the median over the rounds."""
        return median(1 / batch.wall_each for batch in self.lessons)


@dataclass
class Result:
    """The RPCs of a lesson, all rows by their number of students, and what was measured beside them."""

    calls: dict[str, float]
    echoes_per_lesson: int
    commits_per_lesson: int
    rows: dict[int, Row] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    open_loop: OpenLoop | None = None
    engine: list[EngineBatch] = field(default_factory=list)
    alone: list[Alone] = field(default_factory=list)

    def row(self, students: int) -> Row:
        return self.rows.setdefault(students, Row())

    @property
    def peak(self) -> float:
        """The most lessons a second that a closed loop sold."""
        return max(row.rate for row in self.rows.values())


def make_page(result: Result, machine: str) -> Page:
    """The page of a run."""
    sections = (
        _calls(result), _speed(result), _open_loop(result), _cpu(result), _ratio(result), _certificates(result),
        _memory(result), _engine(result), _alone(result),
    )  # fmt: skip
    plots = [_cpu_plot(result), _speed_plot(result)]
    return Page("lessons", "What a lesson costs", "make bench", machine, [part for part in sections if part], plots)


def _calls(result: Result) -> str:
    named = ", ".join(f"{name} x{number:g}" for name, number in sorted(result.calls.items()))
    return (
        f"A lesson is {result.echoes_per_lesson} RPCs and {result.commits_per_lesson} write transactions: {named}.\n"
        "Its student hears of CONFIRMED by a stream (WatchBooking): in booking's CPU, and not among the RPCs."
    )


def _speed(result: Result) -> str:
    columns = "students|lessons/s|p50 ms|p95 ms|p99 ms|booking call p50 ms|writes|WAL bytes|lessons".split("|")
    rows = []
    for number, row in result.rows.items():
        points = quantiles([sold.confirmed * 1000 for sold in row.sold], n=100, method="inclusive")
        booked = median(sold.booked * 1000 for sold in row.sold)
        written = [median(each(batch) / batch.count for batch in row.lessons) for each in (_writes, _wal_bytes)]
        values = f"{points[49]:.0f}", f"{points[94]:.0f}", f"{points[98]:.0f}", f"{booked:.0f}"
        rows.append((number, f"{row.rate:.1f}", *values, f"{written[0]:.1f}", f"{written[1]:.0f}", len(row.sold)))
    return (
        "## Closed loop\n\nEach student buys the next lesson once the last one is CONFIRMED. Writes are write transactions"
        f" of a lesson, with those of the mesh at rest.\n\n{table(columns, rows)}"
    )


def _writes(batch: Batch) -> float:
    return batch.writes


def _wal_bytes(batch: Batch) -> float:
    return batch.wal_bytes


def _open_loop(result: Result) -> str:
    loop = result.open_loop
    if loop is None:
        return ""
    columns = ("lessons/s", "p50 ms", "p99 ms", "p99 / p50", "lessons")
    row = (f"{loop.rate:.1f}", f"{loop.p50 * 1000:.0f}", f"{loop.p99 * 1000:.0f}", f"{loop.p99 / loop.p50:.1f}")
    return (
        "## Open loop at half the peak\n\nApps arrive on a schedule, and a lesson's time counts from its place in it."
        f"\n\n{table(columns, [(*row, len(loop.taken))])}"
    )


def _cpu_each(row: Row) -> dict[str, float]:
    """The CPU milliseconds of a lesson by process, over all rounds; those of the apps too."""
    count = sum(batch.count for batch in row.lessons)
    each = {name: sum(batch.mesh[name] for batch in row.lessons) / count * 1000 for name in row.lessons[0].mesh}
    return each | {APPS: sum(batch.bench for batch in row.lessons) / count * 1000}


def _ours(each: Mapping[str, float]) -> list[str]:
    """The product's processes, the most expensive first."""
    return sorted((name for name in each if name not in (*NOT_OURS, APPS)), key=lambda name: -each[name])


def _cpu(result: Result) -> str:
    found = {number: _cpu_each(row) for number, row in result.rows.items()}
    names = _ours(next(iter(found.values())))
    rows = [
        (number, f"{sum(each[name] for name in names):.1f}", *(f"{each.get(name, 0.0):.1f}" for name in names))
        for number, each in found.items()
    ]
    apart = [
        (number, *(f"{each.get(name, 0.0):.1f}" for name in (*NOT_OURS, APPS)), f"{_floor(result, row)[1]:.1f}")
        for (number, each), row in zip(found.items(), result.rows.values(), strict=True)
    ]
    return (
        "## CPU milliseconds per lesson, by process\n\n"
        f"{table(('students', 'the product', *names), rows)}\n\nApart, on the same cores:\n\n"
        f"{table(('students', *NOT_OURS, 'the students’ apps', 'the floor: echoes and commits'), apart)}"
    )


def _floor(result: Result, row: Row, echoes: int = 0) -> tuple[float, float]:
    """The wall and CPU milliseconds of so many bare echoes, else as many as a lesson has RPCs, and of its bare commits."""
    kinds = ((row.echoes, echoes or result.echoes_per_lesson, False), (row.commits, result.commits_per_lesson, True))
    wall = sum(_each([batch.wall for batch in batches], batches, per) for batches, per, _ in kinds)
    used = sum(
        _each([batch.bench + (batch.mesh["postgres"] if writes else 0.0) for batch in batches], batches, per)
        for batches, per, writes in kinds
    )
    return wall, used


def _ratio(result: Result) -> str:
    tables = [_beside_floor(result, echoes) for echoes in (FIRST_ECHOES, result.echoes_per_lesson)]
    return (
        f"## Beside the floor\n\nThe floor of a lesson is {FIRST_ECHOES} bare grpc.aio echoes and"
        f" {result.commits_per_lesson} single-row commits on the same PostgreSQL: what a lesson had when it was first"
        f" measured. Medians of the rounds. The CPU is the product's: sandbox, launcher and apps are left out. The floor's"
        f" CPU has its clients in it.\n\n{tables[0]}\n\nBeside the {result.echoes_per_lesson} echoes of the RPCs that a"
        f" lesson has now:\n\n{tables[1]}"
    )


def _beside_floor(result: Result, echoes: int) -> str:
    rows = []
    for number, row in result.rows.items():
        wall = _each([batch.wall for batch in row.lessons], row.lessons, 1)
        used = _each([_used(batch) for batch in row.lessons], row.lessons, 1)
        floor_wall, floor_used = _floor(result, row, echoes)
        rows.append(
            (number, f"{wall:.1f}", f"{floor_wall:.1f}", f"{wall / floor_wall:.1f}×",
             f"{used:.1f}", f"{floor_used:.1f}", f"{used / floor_used:.1f}×")
        )  # fmt: skip
    return table(("students", "wall ms", "floor", "ratio", "CPU ms", "floor", "ratio"), rows)


def _certificates(result: Result) -> str:
    """What certificates cost a bare echo: its time and its CPU, beside an echo in plaintext; medians of the rounds."""
    rows = []
    for number, row in result.rows.items():
        if row.certified:
            wall = [median(batch.wall_each for batch in batches) for batches in (row.certified, row.echoes)]
            cpu = [median(batch.bench / batch.count for batch in batches) for batches in (row.certified, row.echoes)]
            rows.append((number, f"{wall[0] / wall[1]:.2f}×", f"{cpu[0] / cpu[1]:.2f}×"))
    if not rows:
        return ""
    return f"## An echo with certificates, beside one in plaintext\n\n{table(('students', 'wall', 'CPU'), rows)}"


def _memory(result: Result) -> str:
    if not result.memory:
        return ""
    names = sorted(result.memory, key=lambda name: -result.memory[name])
    row = tuple(f"{result.memory[name] / 2**20:.0f}" for name in names)
    return f"## Resident MB after the closed loop\n\n{table(('', *names), [('MB', *row)])}"


def _engine(result: Result) -> str:
    return f"## The engine alone\n\n{batches_table(result.engine)}" if result.engine else ""


def _alone(result: Result) -> str:
    if not result.alone:
        return ""
    rows = [(one.name, f"{one.rate:.0f}", f"{one.cpu / one.count * 1000:.1f}") for one in result.alone]
    return (
        "## The load alone\n\nWhat the apps and the sandbox do when nothing else is in their way: neither may be the limit."
        f"\n\n{table(('alone', 'lessons/s', 'CPU ms'), rows)}"
    )


def _cpu_plot(result: Result) -> Plot:
    found = [_cpu_each(row) for row in result.rows.values()]
    names = _ours(found[0])
    floors = [_floor(result, row)[1] for row in result.rows.values()]
    groups = [f"{what}\n{number} at once" for number in result.rows for what in ("lesson", "floor")]
    series = {name: [value for each in found for value in (each.get(name, 0.0), 0.0)] for name in names}
    series["echoes and commits"] = [value for floor in floors for value in (0.0, floor)]
    return Plot("CPU of a sold lesson, by process, and its floor", "ms", groups, series, stacked=True)


def _speed_plot(result: Result) -> Plot:
    groups = [f"{number} students" for number in result.rows]
    rates = [row.rate for row in result.rows.values()]
    return Plot("Lessons sold a second, closed loop", "lessons/s", groups, {"lessons/s": rates})


def _each(seconds: list[float], batches: list[Batch], per_lesson: int) -> float:
    """The milliseconds per lesson, as the median over the rounds. `per_lesson` items make up one lesson."""
    return median(spent / batch.count * per_lesson * 1000 for spent, batch in zip(seconds, batches, strict=True))


def _used(batch: Batch) -> float:
    """The CPU seconds of the product's own processes, PostgreSQL included."""
    return sum(seconds for name, seconds in batch.mesh.items() if name not in NOT_OURS)
