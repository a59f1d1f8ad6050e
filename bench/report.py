"""The benchmark's measurements, and their report as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median, quantiles

from bench.lessons import Sold


@dataclass(frozen=True)
class Batch:
    """One measured piece of work, in seconds.

    `mesh` is the CPU of each kind of process; `bench` is the CPU of the benchmark and of the echo server.
    """

    count: int
    wall: float
    mesh: dict[str, float]
    bench: float

    @property
    def wall_each(self) -> float:
        return self.wall / self.count


@dataclass
class Row:
    """All rounds at one number of students."""

    lessons: list[Batch] = field(default_factory=list)
    echoes: list[Batch] = field(default_factory=list)
    commits: list[Batch] = field(default_factory=list)
    #: The same echoes with certificates.
    certified: list[Batch] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)


@dataclass
class Result:
    """The RPCs of a lesson, and all rows by their number of students."""

    calls: dict[str, float]
    echoes_per_lesson: int
    commits_per_lesson: int
    rows: dict[int, Row] = field(default_factory=dict)

    def row(self, students: int) -> Row:
        return self.rows.setdefault(students, Row())


def format_report(result: Result) -> str:
    """The report for a terminal."""
    parts = [_calls(result), _speed(result), _cpu(result), _certificates(result), _ratio(result)]
    return "\n\n".join(part for part in parts if part)


def _calls(result: Result) -> str:
    named = ", ".join(f"{name} x{number:g}" for name, number in sorted(result.calls.items()))
    return (
        f"A lesson is {result.echoes_per_lesson} RPCs and {result.commits_per_lesson} write transactions.\n  {named}\n"
        "  and one stream (WatchBooking), by which its student hears of CONFIRMED: in booking's CPU, not among the RPCs"
    )


def _speed(result: Result) -> str:
    lines = ["students  lessons/s   p50 ms   p95 ms   p99 ms   booking call p50 ms   lessons"]
    for number, row in result.rows.items():
        rate = median(1 / batch.wall_each for batch in row.lessons)
        points = quantiles([sold.confirmed * 1000 for sold in row.sold], n=100, method="inclusive")
        booked = median(sold.booked * 1000 for sold in row.sold)
        lines.append(
            f"{number:8}  {rate:9.1f}  {points[49]:7.0f}  {points[94]:7.0f}  {points[98]:7.0f}  {booked:20.0f}"
            f"  {len(row.sold):8}"
        )
    return "\n".join(lines)


def _cpu(result: Result) -> str:
    """The CPU of a lesson by process over all rounds, the most expensive first."""
    lines = ["CPU milliseconds per lesson, by process"]
    for number, row in result.rows.items():
        count = sum(batch.count for batch in row.lessons)
        each = {
            name: sum(batch.mesh[name] for batch in row.lessons) / count * 1000 for name in sorted(row.lessons[0].mesh)
        }
        parts = "  ".join(f"{name} {each[name]:.1f}" for name in sorted(each, key=lambda name: -each[name]))
        students = sum(batch.bench for batch in row.lessons) / count * 1000
        lines.append(f"{number:8}  mesh {sum(each.values()):.1f} = {parts}   (and the students' apps {students:.1f})")
    return "\n".join(lines)


def _certificates(result: Result) -> str:
    """What certificates cost a bare echo: its time and its CPU, beside an echo in plaintext; medians of the rounds."""
    lines = ["An echo with certificates, beside one in plaintext"]
    for number, row in result.rows.items():
        if row.certified:
            wall = [median(batch.wall_each for batch in batches) for batches in (row.certified, row.echoes)]
            cpu = [median(batch.bench / batch.count for batch in batches) for batches in (row.certified, row.echoes)]
            lines.append(f"{number:8}  wall {wall[0] / wall[1]:.2f}x  CPU {cpu[0] / cpu[1]:.2f}x")
    return "\n".join(lines) if len(lines) > 1 else ""


def _ratio(result: Result) -> str:
    echoes, commits = result.echoes_per_lesson, result.commits_per_lesson
    lines = [
        f"Beside {echoes} bare grpc.aio echoes and {commits} single-row commits, milliseconds (medians of rounds)",
        "students   wall: lesson  echoes  commits   ratio    CPU: lesson  echoes  commits   ratio",
    ]
    for number, row in result.rows.items():
        kinds = ((row.lessons, 1), (row.echoes, echoes), (row.commits, commits))
        wall = [_each([batch.wall for batch in batches], batches, per) for batches, per in kinds]
        used = [
            _each([_used(batch, kind) for batch in batches], batches, per)
            for kind, (batches, per) in zip(("lessons", "echoes", "commits"), kinds, strict=True)
        ]
        lines.append(f"{number:8}   {_beside(wall)}    {_beside(used)}")
    return "\n".join(lines)


def _each(seconds: list[float], batches: list[Batch], per_lesson: int) -> float:
    """The milliseconds per lesson, as the median over the rounds. `per_lesson` items make up one lesson."""
    return median(spent / batch.count * per_lesson * 1000 for spent, batch in zip(seconds, batches, strict=True))


def _used(batch: Batch, kind: str) -> float:
    """The CPU that belongs to the work.

    For lessons it is the mesh's alone. For echoes it is both ends, for commits the client and PostgreSQL.
    """
    if kind == "lessons":
        return float(sum(batch.mesh.values()))
    return batch.bench + (batch.mesh["postgres"] if kind == "commits" else 0.0)


def _beside(values: list[float]) -> str:
    lesson, echoes, commits = values
    return f"{lesson:12.1f}  {echoes:6.1f}  {commits:7.1f}  {lesson / (echoes + commits):5.1f}x"
