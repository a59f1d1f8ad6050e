"""BookingHoldCleanupJob deletes claims of lapsed holds, waits for no lock and outlives a database that is away."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from availability_svc.worker import BookingHoldCleanupJob
from mesh.database import Database
from mesh.statements import text
from tests.availability.conftest import wait_until

HOUR = timedelta(hours=1)


async def test_the_job_removes_only_claims_that_lapsed_beyond_the_grace(desk: Any, monday: datetime):
    tutor = await desk.publish()
    sagas = [uuid.uuid4() for _ in range(4)]
    for hour, saga in enumerate(sagas):
        await desk.hold(tutor, monday + hour * HOUR, saga=saga)
    long_lapsed, just_lapsed, confirmed, _ = sagas
    await desk.lapse(long_lapsed)
    await desk.lapse(just_lapsed, ago=timedelta(seconds=10))
    await desk.confirm(confirmed)
    assert await BookingHoldCleanupJob(desk.database, timedelta(seconds=20), batch=1).delete_lapsed() == 2
    assert [len(await desk.claims(saga)) for saga in sagas] == [0, 2, 2, 2]
    await desk.confirm(long_lapsed)  # its time is still free


async def test_the_job_waits_for_no_lock(desk: Any, monday: datetime):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday, saga=saga)
    await desk.lapse(saga)
    job = BookingHoldCleanupJob(desk.database, timedelta(seconds=20))
    async with desk.database.pool.begin() as busy:
        await busy.execute(text("select from calendar where id = :tutor for update"), {"tutor": tutor})
        assert await job.delete_lapsed() == 1  # the student's
    assert await job.delete_lapsed() == 1


@pytest.fixture
async def unreachable() -> AsyncIterator[Database]:
    async with Database("postgresql+asyncpg://nobody@127.0.0.1:1/none", name="away") as database:
        yield database


async def test_the_job_outlives_a_database_that_is_away(unreachable: Database, desk: Any, monday: datetime):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday, saga=saga)
    await desk.lapse(saga)
    tries: list[Database] = []

    class Flaky:
        """Away the first two times."""

        async def statement(self, work: Any) -> Any:
            tries.append(unreachable if len(tries) < 2 else desk.database)
            return await tries[-1].statement(work)

    job = BookingHoldCleanupJob(Flaky(), timedelta(seconds=20), every=0.01)  # type: ignore[arg-type]
    running = asyncio.create_task(job.run())

    async def has_run() -> bool:
        return not await desk.claims(saga)

    await wait_until(has_run)
    running.cancel()
    assert tries[:2] == [unreachable] * 2
