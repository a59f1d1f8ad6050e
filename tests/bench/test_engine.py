"""The engine's benchmark sells lessons, and its customers are no slower than they say."""

from __future__ import annotations

import sys

from bench import engines
from bench.engine import open_customers
from bench.engines import EngineBatch
from bench.worker import Loop
from tests.conftest import MakeDatabase


async def test_the_engine_sells_as_many_lessons_as_it_is_told_to(make_database: MakeDatabase) -> None:
    loop = Loop(concurrent=2, count=5, seconds=30)
    async with open_customers(await make_database("payment_svc")) as customers:
        await loop.run(customers.buy)
    assert len(loop.taken) == 5
    assert sum(loop.taken) <= 2 * loop.wall


async def test_a_loop_ends_when_its_time_is_over() -> None:
    async def buy() -> None:
        return None

    loop = Loop(concurrent=2, count=sys.maxsize, seconds=0.0)
    await loop.run(buy)
    in_threads = Loop(concurrent=2, count=sys.maxsize, seconds=0.0)
    in_threads.run_in_threads(lambda: None)
    assert len(loop.taken) == len(in_threads.taken) == 2


def test_the_table_has_the_medians_of_the_batches() -> None:
    batches = [
        EngineBatch("ours", 8, count=10, wall=wall, p50=0.05, p99=0.1, cpu=0.04, postgres=0.03, writes=40,
                    wal_bytes=90_000, memory=100 * 2**20)
        for wall in (0.1, 0.2, 9.0)
    ]  # fmt: skip
    row = engines.batches_table(batches).splitlines()[2]
    assert row == "| ours | 8 | 50.0 | 50.0 | 100.0 | 4.00 | 3.00 | 4.0 | 9000 | 100 |"
