"""The completer: it completes sessions whose lesson is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from mesh.database import Database
from mesh.errors import IllegalMove
from session_svc import store
from session_svc.store import VIOLATIONS, Store
from session_svc.worker import Completer
from tutormesh.session.v1 import session_pb2 as pb

STATUSES = "select status from session where id = any($1::uuid[]) order by scheduled_at desc"


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_due(database: Database) -> None:
    """Complete the sessions that earlier tests left."""
    await Completer(Store(database)).complete()


async def create_sessions(mesh: Any, session_request: Any, *hours: float, **changed: Any) -> list[str]:
    """Create lessons of an hour that begin in so many hours, and return the ids of their sessions."""
    requests = [session_request(hours=each, **changed) for each in hours]
    for request in requests:
        await mesh.create(request)
    return [request.session_id for request in requests]


async def statuses(sql: asyncpg.Connection, ids: list[str]) -> list[str]:
    """The statuses of these sessions, latest lesson first."""
    return [row["status"] for row in await sql.fetch(STATUSES, ids)]


async def test_exactly_the_lessons_that_are_over_are_completed(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    ids = await create_sessions(mesh, session_request, 24, 0.5, -0.95, -1.05, -24)
    assert await Completer(Store(database)).complete() == 2
    assert await statuses(sql, ids) == ["CONFIRMED"] * 3 + ["COMPLETED"] * 2
    assert (await mesh.get(ids[3])).status == pb.SESSION_STATUS_COMPLETED


async def test_a_long_lesson_is_completed_by_its_own_end(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    long = await create_sessions(mesh, session_request, -3, duration_minutes=240)
    short = await create_sessions(mesh, session_request, -0.1, duration_minutes=5)
    assert await Completer(Store(database)).complete() == 1
    assert (await statuses(sql, long), await statuses(sql, short)) == (["CONFIRMED"], ["COMPLETED"])


async def test_completed_at_is_a_time_of_the_databases_clock(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    ids = await create_sessions(mesh, session_request, -2)
    before = await sql.fetchval("select clock_timestamp()")
    await Completer(Store(database)).complete()
    row = await sql.fetchrow(
        "select completed_at, updated_at, clock_timestamp() as now from session where id = $1", *ids
    )
    assert before < row["completed_at"] <= row["updated_at"] < row["now"]


async def test_a_lesson_is_completed_only_after_the_configured_wait(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    ids = await create_sessions(mesh, session_request, -1.4, -1.6)
    assert await Completer(Store(database), timedelta(minutes=30)).complete() == 1
    assert await statuses(sql, ids) == ["CONFIRMED", "COMPLETED"]


async def test_cancelled_lessons_and_tombstones_stay_as_they_are(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    cancelled, never = session_request(hours=-2), session_request(hours=-2)
    await mesh.create(cancelled)
    await mesh.cancel(cancelled)
    await mesh.cancel(never)
    assert await Completer(Store(database)).complete() == 0
    assert await statuses(sql, [cancelled.session_id, never.session_id]) == ["CANCELLED"] * 2


async def test_a_completed_lesson_can_neither_be_completed_twice_nor_cancelled(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    assert [await Completer(Store(database)).complete() for _ in range(2)] == [1, 0]
    at = await sql.fetchval("select completed_at from session where id = $1", request.session_id)
    assert (await mesh.complete(request)).status == pb.SESSION_STATUS_COMPLETED
    with pytest.raises(IllegalMove):
        await mesh.cancel(request)
    assert await sql.fetchval("select completed_at from session where id = $1", request.session_id) == at


async def test_many_sessions_are_completed_in_small_batches(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    class Counted(Store):
        batches: list[int] = []  # noqa: RUF012 - one test's

        async def complete_over(self, after: timedelta, most: int) -> int:
            self.batches.append(await super().complete_over(after, most))
            return self.batches[-1]

    ids = await create_sessions(mesh, session_request, *(-2 - hour for hour in range(7)))
    counted = Counted(database)
    assert await Completer(counted, batch=3).complete() == 7
    assert counted.batches == [3, 3, 1]
    assert await statuses(sql, ids) == ["COMPLETED"] * 7


async def test_replicas_at_once_complete_each_lesson_once(
    mesh: Any, session_request: Any, sql: Any, database: Database, database_url: str
) -> None:
    ids = await create_sessions(mesh, session_request, *(-2 - hour for hour in range(40)))
    async with Database(database_url, name="replica", violations=VIOLATIONS) as other:
        replicas = [Completer(Store(each), batch=3) for each in (database, other, database, other)]
        assert sum(await asyncio.gather(*(replica.complete() for replica in replicas))) == 40
    assert await statuses(sql, ids) == ["COMPLETED"] * 40


async def test_the_completer_waits_for_no_lock_and_skips_a_session_that_is_being_cancelled(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    busy, free = await create_sessions(mesh, session_request, -2, -3)
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("update session set status = 'CANCELLED' where id = $1", busy)
    async with asyncio.timeout(2):  # a lock time-out would take 3 s
        assert await Completer(Store(database)).complete() == 1
    await transaction.commit()
    assert await Completer(Store(database)).complete() == 0
    assert await statuses(sql, [busy, free]) == ["CANCELLED", "COMPLETED"]


async def test_a_cancel_racing_the_end_of_a_lesson_has_one_outcome(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    completer = Completer(Store(database))
    for _ in range(20):
        request = session_request(hours=-2)
        await mesh.create(request)
        completed, cancelled = await asyncio.gather(completer.complete(), mesh.cancel(request), return_exceptions=True)
        if completed:
            assert isinstance(cancelled, IllegalMove)
        else:
            assert isinstance(cancelled, pb.CancelSessionResponse)
        assert await statuses(sql, [request.session_id]) == ["COMPLETED" if completed else "CANCELLED"]


async def test_the_search_for_due_sessions_reads_no_future_ones(sql: Any, database: Database) -> None:
    """With many future lessons, the search for due ones reads the index `session_due` up to now."""
    await sql.execute(
        "insert into session select gen_random_uuid(), gen_random_uuid(), 'CONFIRMED', gen_random_uuid(),"
        " gen_random_uuid(), gen_random_uuid(), now() + interval '1 day' * n, 60, repeat('r', 24) from"
        " generate_series(1, 5000) n"
    )
    await sql.execute("analyze session")
    values = {"after": timedelta(0), "most": 500}
    search = replace(store._COMPLETE_OVER, sql=f"explain {store._COMPLETE_OVER.sql}")
    plan = await database.rows(search, values)
    plan_text = "\n".join(row[0] for row in plan)
    assert "session_due" in plan_text
    assert "Index Cond: (scheduled_at <= now())" in plan_text
    await sql.execute("delete from session where room = repeat('r', 24)")


@pytest.fixture
async def away() -> AsyncIterator[Database]:
    async with Database("postgresql+asyncpg://nobody@127.0.0.1:1/none", name="away") as database:
        yield database


@pytest.mark.parametrize("trouble", ["away", "broken"])
async def test_the_completer_outlives_a_database_that_is_away_or_raises_an_unexpected_error(
    mesh: Any, session_request: Any, sql: Any, database: Database, away: Database, wait_until: Any, trouble: str
) -> None:
    tries: list[str] = []

    class Flaky(Store):
        """Fails the first two times."""

        async def complete_over(self, after: timedelta, most: int) -> int:
            tries.append(trouble if len(tries) < 2 else "well")
            if tries[-1] == "broken":
                raise RuntimeError("nonsense")
            return await (Store(away) if tries[-1] == "away" else super()).complete_over(after, most)

    ids = await create_sessions(mesh, session_request, -2)
    running = asyncio.create_task(Completer(Flaky(database), every=0.01).run())
    await wait_until(lambda: statuses(sql, ids), ["COMPLETED"])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert tries[:2] == [trouble] * 2
