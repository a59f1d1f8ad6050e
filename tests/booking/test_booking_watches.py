"""Watching a booking: it is sent at once and after each change, no change is missed, and a watch leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from booking_svc.bookings import Bookings
from booking_svc.domain import Status
from mesh.changes import Changes
from mesh.channels import messages
from mesh.database import Database
from mesh.errors import BadInput, NotFound, Overloaded, TryAgain
from mesh.watches import Watches
from tests.statements import sent_by
from tutormesh.booking.v1 import booking_pb2 as pb

REQUIRED, CONFIRMED = pb.BOOKING_STATUS_PAYMENT_REQUIRED, pb.BOOKING_STATUS_CONFIRMED
CANCELLED, EXPIRED = pb.BOOKING_STATUS_CANCELLED, pb.BOOKING_STATUS_EXPIRED


def watch(stub: Any, booking_id: str) -> AsyncIterator[pb.WatchBookingResponse]:
    return messages(stub.WatchBooking(pb.WatchBookingRequest(booking_id=booking_id), timeout=30))


async def read_next(stream: AsyncIterator[pb.WatchBookingResponse]) -> tuple[int, int]:
    async with asyncio.timeout(10):
        booking = (await anext(stream)).booking
    return booking.status, booking.version


async def read_to_the_end(stream: AsyncIterator[Any]) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def end_backends(sql: asyncpg.Connection, name: str) -> int:
    """Cut the connections of this name to the test's database, and return how many there were."""
    return await sql.fetchval(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where application_name = $1 and datname = current_database()",
        name,
    )


async def test_a_watcher_sees_the_booking_as_it_is_now_then_each_change_then_the_end(
    mesh: Any, booking_request: Any
) -> None:
    request = booking_request()
    await mesh.create(request)
    stream = watch(mesh.student(request.student_id), request.booking_id)
    assert await read_next(stream) == (REQUIRED, 1)
    await mesh.confirm(request)
    assert await read_next(stream) == (CONFIRMED, 2)
    await mesh.end(request)
    assert await read_next(stream) == (CANCELLED, 3)
    await read_to_the_end(stream)


async def test_a_watch_of_an_ended_booking_shows_it_once_and_ends(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    await mesh.end(request, EXPIRED)
    stream = watch(mesh.ops, request.booking_id)
    assert await read_next(stream) == (EXPIRED, 2)
    await read_to_the_end(stream)


async def test_a_repeated_call_sends_nothing_to_watchers(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    stream = watch(mesh.bff, request.booking_id)
    assert await read_next(stream) == (REQUIRED, 1)
    await mesh.create(request)
    await mesh.confirm(request)
    await mesh.confirm(request)
    await mesh.end(request)
    versions = [1, (await read_next(stream))[1]]
    while versions[-1] != 3:
        versions.append((await read_next(stream))[1])
    assert versions == sorted(set(versions))
    await read_to_the_end(stream)


async def test_another_persons_booking_and_an_unknown_one_cannot_be_watched(
    mesh: Any, booking_request: Any, changes: Changes
) -> None:
    request, tombstone = booking_request(), booking_request()
    await mesh.create(request)
    await mesh.end(tombstone)
    stranger = mesh.student(uuid4())
    for booking_id in (request.booking_id, tombstone.booking_id, str(uuid4())):
        with pytest.raises(NotFound) as refused:
            await anext(watch(stranger, booking_id))
        assert refused.value.message == "There is no such thing."
    with pytest.raises(BadInput):
        await anext(watch(stranger, "mine"))
    assert changes.watcher_count == 0


async def test_a_slow_reader_gets_only_the_newest_of_several_changes(
    mesh: Any, booking_request: Any, watches: Watches
) -> None:
    request = booking_request()
    await mesh.create(request)
    slow = watches.watch(UUID(request.booking_id))
    assert (await anext(slow)).status is Status.PAYMENT_REQUIRED
    await mesh.confirm(request)
    await mesh.end(request)
    newest = await anext(slow)
    assert (newest.status, newest.version) == (Status.CANCELLED, 3)
    await read_to_the_end(slow)


async def test_one_listener_wakes_every_watcher_and_each_reads_once(
    mesh: Any, booking_request: Any, database: Database, sql: Any
) -> None:
    request = booking_request()
    await mesh.create(request)
    streams = [watch(mesh.bff, request.booking_id) for _ in range(20)]
    assert await asyncio.gather(*map(read_next, streams)) == [(REQUIRED, 1)] * 20
    with sent_by(database) as sent:
        await mesh.end(request)
        assert await asyncio.gather(*map(read_next, streams)) == [(CANCELLED, 2)] * 20
    assert len(sent.statements) == 1 + 20
    listeners = "select count(*) from pg_stat_activity where application_name = $1 and datname = current_database()"
    assert await sql.fetchval(listeners, "booking_changes") == 1
    await asyncio.gather(*map(read_to_the_end, streams))


async def test_a_watcher_that_vanishes_leaves_nothing_behind(
    mesh: Any, booking_request: Any, changes: Changes, wait_until: Any
) -> None:
    request = booking_request()
    await mesh.create(request)

    async def left() -> tuple[int, int]:
        return changes.watcher_count, len(changes._watchers)

    calls = [mesh.bff.WatchBooking(pb.WatchBookingRequest(booking_id=request.booking_id), timeout=30) for _ in range(5)]
    await asyncio.gather(*(call.read() for call in calls))
    assert await left() == (5, 1)
    for call in calls[:4]:
        call.cancel()
    await wait_until(left, (1, 1))
    calls[4].cancel()
    await wait_until(left, (0, 0))


async def test_a_watch_ends_with_its_deadline(
    mesh: Any, booking_request: Any, changes: Changes, wait_until: Any
) -> None:
    request = booking_request()
    await mesh.create(request)
    call = mesh.bff.WatchBooking(pb.WatchBookingRequest(booking_id=request.booking_id), timeout=0.3)
    await call.read()

    async def count() -> int:
        return changes.watcher_count

    await wait_until(count, 0)


@asynccontextmanager
async def refuse_new_connections(sql: asyncpg.Connection, database_url: str) -> AsyncIterator[None]:
    """Within this block the test's database accepts no new connections; existing ones go on."""
    name = await sql.fetchval("select current_database()")
    elsewhere = await asyncpg.connect(database_url.replace("+asyncpg", "", 1), database="postgres")
    try:
        await elsewhere.execute(f'alter database "{name}" allow_connections false')
        yield
    finally:
        await elsewhere.execute(f'alter database "{name}" allow_connections true')
        await elsewhere.close()


async def listeners(sql: asyncpg.Connection) -> int:
    return await sql.fetchval(
        "select count(*) from pg_stat_activity where application_name = $1 and datname = current_database()",
        "booking_changes",
    )


async def test_a_change_while_the_listener_is_cut_off_is_sent_when_it_is_back(
    mesh: Any, booking_request: Any, sql: Any, database_url: str, wait_until: Any
) -> None:
    request = booking_request()
    await mesh.create(request)
    stream = watch(mesh.bff, request.booking_id)
    assert await read_next(stream) == (REQUIRED, 1)
    async with refuse_new_connections(sql, database_url):
        assert await end_backends(sql, "booking_changes") == 1
        await wait_until(lambda: listeners(sql), 0)
        await mesh.confirm(request)
    assert await read_next(stream) == (CONFIRMED, 2)
    await mesh.end(request)
    assert await read_next(stream) == (CANCELLED, 3)


async def test_a_watch_outlives_the_loss_of_every_database_connection(
    mesh: Any, booking_request: Any, sql: Any, wait_until: Any
) -> None:
    request = booking_request()
    await mesh.create(request)
    stream = watch(mesh.bff, request.booking_id)
    assert await read_next(stream) == (REQUIRED, 1)
    assert await end_backends(sql, "booking") >= 1
    assert await end_backends(sql, "booking_changes") == 1
    await sql.execute(
        "with moved as (update booking set status = 'EXPIRED', version = 2 where id = $1 returning id)"
        " select pg_notify('booking_changed', id::text) from moved",
        request.booking_id,
    )
    assert await read_next(stream) == (EXPIRED, 2)
    await wait_until(lambda: listeners(sql), 1)


async def test_watches_end_when_their_replica_stops_and_no_new_ones_begin(
    mesh: Any, booking_request: Any, bookings: Bookings, database_url: str
) -> None:
    request = booking_request()
    await mesh.create(request)
    async with Changes(database_url, "booking") as changes:
        watches = Watches(bookings, changes)
        stream = watches.watch(UUID(request.booking_id))
        await anext(stream)
        await changes.stop()
        for ended in (stream, watches.watch(UUID(request.booking_id))):
            with pytest.raises(TryAgain):
                await anext(ended)
        assert changes.watcher_count == 0


async def test_one_watcher_too_many_is_refused_until_another_leaves(
    mesh: Any, booking_request: Any, bookings: Bookings, database_url: str
) -> None:
    request = booking_request()
    await mesh.create(request)
    watches = Watches(bookings, Changes(database_url, "booking", max_watchers=2))
    first, second, third = (watches.watch(UUID(request.booking_id)) for _ in range(3))
    await anext(first)
    await anext(second)
    with pytest.raises(Overloaded):
        await anext(third)
    await first.aclose()
    fourth = watches.watch(UUID(request.booking_id))
    assert (await anext(fourth)).version == 1
    await second.aclose()
    await fourth.aclose()


async def test_the_heartbeat_notices_a_connection_that_died_silently(
    database_url: str, sql: Any, wait_until: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("mesh.changes.HEARTBEAT_SECONDS", 0.05)
    asked = "select query from pg_stat_activity where application_name = $1 and datname = current_database()"

    async def heartbeats() -> bool:
        return "select 1" in [row["query"] for row in await sql.fetch(asked, "booking_changes")]

    async with Changes(database_url, "booking"):
        await wait_until(heartbeats, True)
