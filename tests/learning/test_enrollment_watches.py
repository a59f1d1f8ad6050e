"""Watching an enrollment: it is sent at once and after each change, to its people, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from mesh.changes import Changes
from mesh.channels import messages
from mesh.errors import BadInput, NotFound
from tutormesh.learning.v1 import learning_pb2 as pb

REQUIRED, ACTIVE = pb.ENROLLMENT_STATUS_PAYMENT_REQUIRED, pb.ENROLLMENT_STATUS_ACTIVE
CANCELLED, EXPIRED = pb.ENROLLMENT_STATUS_CANCELLED, pb.ENROLLMENT_STATUS_EXPIRED


def watch(stub: Any, enrollment_id: str) -> AsyncIterator[pb.WatchEnrollmentResponse]:
    return messages(stub.WatchEnrollment(pb.WatchEnrollmentRequest(enrollment_id=enrollment_id), timeout=30))


async def read_next(stream: AsyncIterator[pb.WatchEnrollmentResponse]) -> tuple[int, int]:
    async with asyncio.timeout(10):
        enrollment = (await anext(stream)).enrollment
    return enrollment.status, enrollment.version


async def read_to_the_end(stream: AsyncIterator[Any]) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_watcher_sees_the_enrollment_now_then_each_change_then_the_end(school: Any) -> None:
    order = await school.hold_new((await school.course()).id)
    stream = watch(school.student(order.student_id), order.enrollment_id)
    assert await read_next(stream) == (REQUIRED, 1)
    await school.activate(order)
    await school.activate(order)  # a repeat sends nothing
    assert await read_next(stream) == (ACTIVE, 2)
    await school.cancel(order)
    assert await read_next(stream) == (CANCELLED, 3)
    await read_to_the_end(stream)


async def test_a_watch_of_an_ended_enrollment_shows_it_once_and_ends(school: Any) -> None:
    order = await school.hold_new((await school.course()).id)
    await school.end(order, EXPIRED)
    stream = watch(school.ops, order.enrollment_id)
    assert await read_next(stream) == (EXPIRED, 2)
    await read_to_the_end(stream)


async def test_another_persons_enrollment_and_an_unknown_one_cannot_be_watched(school: Any, changes: Changes) -> None:
    order = await school.hold_new((await school.course()).id)
    tombstone = school.order(order.course_id)
    await school.end(tombstone)
    stranger = school.student(uuid4())
    for enrollment_id in (order.enrollment_id, tombstone.enrollment_id, str(uuid4())):
        with pytest.raises(NotFound):
            await anext(watch(stranger, enrollment_id))
    with pytest.raises(BadInput):
        await anext(watch(stranger, "mine"))
    assert changes.watcher_count == 0


async def test_a_change_by_a_replica_of_the_version_before_is_seen(school: Any, sql: asyncpg.Connection) -> None:
    order = await school.hold_new((await school.course()).id)
    stream = watch(school.bff, order.enrollment_id)
    assert await read_next(stream) == (REQUIRED, 1)
    moved = "update enrollment set status = 'ACTIVE', activated_at = clock_timestamp() where id = $1"
    await sql.execute(moved, order.enrollment_id)
    assert await read_next(stream) == (ACTIVE, 2)


async def test_a_lost_listener_is_replaced_and_no_change_is_missed(school: Any, sql: asyncpg.Connection) -> None:
    order = await school.hold_new((await school.course()).id)
    stream = watch(school.bff, order.enrollment_id)
    assert await read_next(stream) == (REQUIRED, 1)
    cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1"
    assert await sql.fetchval(f"{cut} and datname = current_database()", "enrollment_changes") == 1
    await school.activate(order)
    assert await read_next(stream) == (ACTIVE, 2)
