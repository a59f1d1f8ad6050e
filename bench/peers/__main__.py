"""`make bench-peers`: our engine beside DBOS, with the same steps, on the same PostgreSQL, with as many connections.

The engines take turns, each in a fresh process, and every second turn goes backwards: a slow moment of the machine affects
all of them. A ratio is the median of the ratios of the turns.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.engines import EngineBatch, batches_table, own_command, run_worker
from bench.machine import describe_machine
from bench.plots import Plot
from bench.postgres import Server, run_server
from bench.results_page import Page, table

TURNS, SIZES, SECONDS = 5, (1, 8, 32), 3.0
OURS = "tutormesh"
#: The names of the variants of bench/peers/dbos_sagas.py.
PEERS = {"DBOS async": "async", "DBOS sync": "sync", "DBOS async, merged steps": "merged"}
FAIRNESS = """\
Both engines run the same sale: hold, record, open the payment, wait for it, confirm, create, confirm. The steps do nothing.
The customers are in the engine's process. Both run on one server with fsync, with 16 connections. Both answer the customer
only after the commit that its answer rests on.

| | tutormesh | DBOS |
|---|---|---|
| the order is accepted | a commit | a commit |
| a step | is idempotent, and is repeated after a crash | a commit keeps its result; it can be repeated as well |
| the client secret is handed out | after the commit of the opened payment | after the commits of step and event |
| the payment is reported | a commit keeps it and moves the saga | a commit keeps the message, another takes it |
| while it waits | a row that wakes; no task | a coroutine or a thread, and a row |
| the end | a commit | a commit |

So both are durable when the order is accepted, before the secret is shown, when the payment is told, and at the end. DBOS is
also durable between steps. In the row "merged steps" it has one step where ours has one commit. Our commits do more each:
history, payment, idempotency key, lease. DBOS is general: a step may be any function, and need not be idempotent."""


@dataclass(frozen=True)
class Turn:
    """What each engine did at one number of sagas at once, one shortly after the other."""

    batches: dict[str, EngineBatch]

    def ratio(self, peer: str, value: Callable[[EngineBatch], float]) -> float:
        """The peer's value beside ours."""
        return value(self.batches[peer]) / value(self.batches[OURS])


async def alternate(
    python: str, server: Server, turns: int, sizes: Sequence[int], seconds: float
) -> dict[int, list[Turn]]:
    """All turns, by the number of sagas at once."""
    ours = await server.postgres.create_database("payment")
    await server.postgres.create_database("dbos")
    theirs = server.postgres.url("dbos").replace("+asyncpg", "", 1)
    commands = {OURS: own_command(ours)} | {
        name: [python, "-m", "bench.peers.dbos_sagas", variant, theirs] for name, variant in PEERS.items()
    }
    found: dict[int, list[Turn]] = {size: [] for size in sizes}
    for turn in range(turns):
        order = list(commands) if turn % 2 == 0 else list(reversed(commands))
        done = {name: await _measure(name, server, commands[name], sizes, seconds) for name in order}
        for size in sizes:
            found[size].append(Turn({name: done[name][size] for name in commands}))
    return found


async def _measure(
    name: str, server: Server, command: Sequence[str], sizes: Sequence[int], seconds: float
) -> dict[int, EngineBatch]:
    async with run_worker(name, server, command) as worker:
        return {size: await worker.measure(size, seconds) for size in sizes}


def ratios(turns: dict[int, list[Turn]]) -> str:
    """A Markdown table: how many times the peer's value ours is, or the peer's is ours."""
    rows = []
    for peer in PEERS:
        for size, some in turns.items():
            rate = median(1 / turn.ratio(peer, lambda batch: batch.rate) for turn in some)
            others = [
                median(turn.ratio(peer, value) for turn in some)
                for value in (
                    lambda batch: batch.p50,
                    lambda batch: batch.cpu / batch.count,
                    lambda batch: (batch.cpu + batch.postgres) / batch.count,
                    lambda batch: batch.writes / batch.count,
                    lambda batch: batch.wal_bytes / batch.count,
                )
            ]
            rows.append((peer, size, f"{rate:.1f}×", *(f"1/{value:.1f}" for value in others)))
    columns = (
        "ours beside",
        "at once",
        "sagas/s",
        "p50",
        "CPU",
        "CPU with PostgreSQL",
        "write transactions",
        "WAL bytes",
    )
    return table(columns, rows)


def make_page(turns: dict[int, list[Turn]], machine: str, version: str) -> Page:
    """The page of a comparison."""
    names = [OURS, *PEERS]
    batches = [turn.batches[name] for name in names for some in turns.values() for turn in some]
    groups = [f"{size} at once" for size in turns]

    def medians(value: Callable[[EngineBatch], float]) -> dict[str, list[float]]:
        return {name: [median(value(turn.batches[name]) for turn in some) for some in turns.values()] for name in names}

    return Page(
        "peers",
        f"The engine beside DBOS {version}",
        "make bench-peers",
        machine,
        [ratios(turns), batches_table(batches), FAIRNESS],
        [
            Plot("Sagas a second", "sagas/s", groups, medians(lambda batch: batch.rate)),
            Plot(
                "CPU of the engine's process",
                "ms a saga",
                groups,
                medians(lambda batch: batch.cpu / batch.count * 1000),
            ),
        ],
    )


def read_version(python: str) -> str:
    """The version of DBOS in its virtual environment."""
    asked = [python, "-c", "import importlib.metadata as m; print(m.version('dbos'))"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


async def compare(python: str, version: str, turns: int, sizes: Sequence[int], seconds: float) -> Page:
    """Measure, and make the page. `python` is that of the virtual environment of DBOS."""
    async with run_server() as server:
        machine = describe_machine(await server.version())
        return make_page(await alternate(python, server, turns, sizes, seconds), machine, version)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("python", help="the Python of the virtual environment that has DBOS")
    parser.add_argument("--quick", action="store_true", help="one short turn, to see that it works; no page is written")
    chosen = parser.parse_args()
    plan = (1, (8,), 2.0) if chosen.quick else (TURNS, SIZES, SECONDS)
    page = asyncio.run(compare(chosen.python, read_version(chosen.python), *plan))
    print(page.text)
    if not chosen.quick:
        page.write()


if __name__ == "__main__":
    main()
