"""How many blocks a tutor may have, live and removed."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from availability_svc.blocks import REMEMBERED
from availability_svc.worker import BookingHoldCleanupJob
from mesh.clock import to_proto
from mesh.errors import BadInput, Refusal
from mesh.statements import text
from tests.availability.conftest import GRACE, LIMITS, TIMEOUT
from tutormesh.availability.v1 import availability_pb2 as pb2

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def minutes_from(start: datetime, first: int, count: int) -> list[tuple[datetime, datetime]]:
    """Blocks of a minute each, an hour apart."""
    return [(start + number * HOUR, start + number * HOUR + MINUTE) for number in range(first, first + count)]


@pytest_asyncio.fixture
async def full(desk: Any, monday: datetime) -> AsyncIterator[uuid.UUID]:
    """A tutor who has as many blocks as one may have."""
    tutor = await desk.publish()
    for first in range(0, LIMITS.blocks, 100):
        await desk.block(tutor, *minutes_from(monday, first, 100))
    yield tutor


async def test_a_tutor_has_a_thousand_live_blocks_and_not_one_more(
    desk: Any, full: uuid.UUID, monday: datetime, reason: Any
):
    beyond = minutes_from(monday, LIMITS.blocks, 2)
    assert await reason(desk.block(full, beyond[0])) == "TOO_MANY_BLOCKS"
    first = await desk.sql("select id from claim where calendar_id = :t order by during limit 1", t=full)
    await desk.remove(full, str(first[0].id))
    assert await reason(desk.block(full, *beyond)) == "TOO_MANY_BLOCKS"
    await desk.block(full, beyond[0])
    await desk.block(uuid.uuid4(), beyond[1])  # another tutor's calendar is another one


async def test_a_repeated_request_at_the_limit_returns_its_blocks(desk: Any, monday: datetime):
    tutor, request = uuid.uuid4(), uuid.uuid4()
    made = await desk.block(tutor, *minutes_from(monday, 0, 100), request=request)
    for first in range(100, LIMITS.blocks, 100):
        await desk.block(tutor, *minutes_from(monday, first, 100))
    assert await desk.block(tutor, *minutes_from(monday, 0, 100), request=request) == made


async def test_a_full_calendar_is_listed_with_its_blocks_taken_out(desk: Any, full: uuid.UUID, monday: datetime):
    listed = await desk.slots(full, monday, monday + 31 * DAY, minutes=15)
    assert len(listed) == 31 * 96 - 31 * 24


async def test_blocks_that_are_over_do_not_count(desk: Any, full: uuid.UUID, monday: datetime):
    back = "start_at = start_at - interval '3000 days', end_at = end_at - interval '3000 days'"
    await desk.sql(f"update block set {back} where tutor_id = :t", t=full)
    await desk.block(full, *minutes_from(monday, LIMITS.blocks, 100))


async def test_the_limit_is_counted_under_the_calendars_lock(desk: Any, monday: datetime):
    tutor = uuid.uuid4()

    async def block(first: int) -> str:
        try:
            await desk.block(tutor, *minutes_from(monday, first * 100, 100))
        except Refusal as refusal:
            return refusal.reason
        return "OK"

    found = Counter(await asyncio.gather(*map(block, range(15))))
    assert found == {"OK": LIMITS.blocks // 100, "TOO_MANY_BLOCKS": 5}


async def test_blocking_and_removing_for_ever_makes_no_rows_for_ever(desk: Any, monday: datetime, reason: Any):
    """Removed blocks count too until they are forgotten, which is a day later."""
    tutor, span = uuid.uuid4(), (monday, monday + MINUTE)
    most = REMEMBERED * LIMITS.blocks
    await desk.sql(
        """insert into block (id, tutor_id, start_at, end_at, reason, place, removed_at)
           select gen_random_uuid(), :t, :start, :end, '', 1, clock_timestamp() - interval '23 h'
           from generate_series(1, :n)""",
        t=tutor,
        start=span[0],
        end=span[1],
        n=most - 1,
    )
    (last,) = await desk.block(tutor, span)
    await desk.remove(tutor, last.id)
    assert await reason(desk.block(tutor, span)) == "TOO_MANY_BLOCKS"
    job = BookingHoldCleanupJob(desk.database, GRACE)
    await job.forget_blocks()
    assert await reason(desk.block(tutor, span)) == "TOO_MANY_BLOCKS"
    await desk.sql("update block set removed_at = removed_at - interval '1 h' where tutor_id = :t", t=tutor)
    assert await job.forget_blocks() == most - 1
    await desk.block(tutor, span)


async def test_a_block_that_stands_is_never_forgotten(desk: Any, monday: datetime):
    tutor, span = uuid.uuid4(), (monday, monday + MINUTE)
    (block,) = await desk.block(tutor, span)
    await desk.sql("update block set created_at = created_at - interval '9 years' where tutor_id = :t", t=tutor)
    await BookingHoldCleanupJob(desk.database, GRACE).forget_blocks()
    await desk.remove(tutor, block.id)


async def test_a_block_is_forgotten_with_its_claim_a_day_after_its_end(desk: Any, monday: datetime, reason: Any):
    tutor, request = uuid.uuid4(), uuid.uuid4()
    spans = [(monday + number * DAY, monday + number * DAY + HOUR) for number in range(3)]
    over, fresh, ahead = await desk.block(tutor, *spans, request=request)
    for block, hours in ((over, 24), (fresh, 23)):
        end = datetime.now(UTC) - hours * HOUR
        values = {"start": end - HOUR, "end": end, "id": block.id}
        await desk.sql("update block set start_at = :start, end_at = :end where id = :id", **values)
        await desk.sql("update claim set during = tstzrange(:start, :end) where id = :id", **values)
    await BookingHoldCleanupJob(desk.database, GRACE, batch=1).forget_blocks()
    for table in ("block", "claim"):
        column = "tutor_id" if table == "block" else "calendar_id"
        left = await desk.sql(f"select id from {table} where {column} = :t", t=tutor)
        assert {str(row.id) for row in left} == {fresh.id, ahead.id}
    assert await reason(desk.remove(tutor, over.id)) == "NOT_FOUND"
    await desk.remove(tutor, fresh.id)


async def test_forgetting_waits_for_no_calendar_that_is_locked(desk: Any, monday: datetime):
    tutor = uuid.uuid4()
    (block,) = await desk.block(tutor, (monday, monday + HOUR))
    await desk.sql("update block set removed_at = clock_timestamp() - interval '25 h' where id = :id", id=block.id)
    async with desk.database.pool.begin() as busy:
        await busy.execute(text("select 1 from calendar where id = :t for update"), {"t": tutor})
        await BookingHoldCleanupJob(desk.database, GRACE).forget_blocks()
        assert await desk.sql("select 1 from block where id = :id", id=block.id)
    await BookingHoldCleanupJob(desk.database, GRACE).forget_blocks()
    assert not await desk.sql("select 1 from block where id = :id", id=block.id)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (timedelta(seconds=1), HOUR, "blocks[0].start"),
        (timedelta(0), HOUR + timedelta(seconds=59), "blocks[0].end"),
        (timedelta(0), HOUR + timedelta(microseconds=1), "blocks[0].end"),
        (timedelta(microseconds=1), HOUR, "blocks[0].start"),
    ],
)
async def test_a_block_lies_on_whole_minutes(desk: Any, monday: datetime, start: timedelta, end: timedelta, field: str):
    with pytest.raises(BadInput) as refusal:
        await desk.block(uuid.uuid4(), (monday + start, monday + end))
    assert refusal.value.field == field


async def test_a_nanosecond_is_no_whole_minute(desk: Any, monday: datetime):
    block = pb2.TimeBlock(start=to_proto(monday), end=to_proto(monday + HOUR))
    block.end.nanos = 1
    with pytest.raises(BadInput) as refusal:
        await desk.bff.BlockTime(pb2.BlockTimeRequest(tutor_id=str(uuid.uuid4()), blocks=[block]), timeout=TIMEOUT)
    assert refusal.value.field == "blocks[0].end"


async def test_a_block_that_is_over_takes_nothing_out_and_is_refused(desk: Any):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with pytest.raises(BadInput) as refusal:
        await desk.block(uuid.uuid4(), (now + HOUR, now + 2 * HOUR), (now - 2 * HOUR, now - HOUR))
    assert refusal.value.field == "blocks[1].end"
    await desk.block(uuid.uuid4(), (now - HOUR, now + HOUR))
