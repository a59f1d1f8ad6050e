"""Calls at once, and calls in any order: each booking has one outcome, and every caller gets the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_svc.domain import ENDS, Status, check_move
from mesh.errors import Cancelled, IllegalMove, NotFound, Refusal
from tutormesh.booking.v1 import booking_pb2 as pb

CONFIRMED, CANCELLED = pb.BOOKING_STATUS_CONFIRMED, pb.BOOKING_STATUS_CANCELLED
EXPIRED, PAYMENT_FAILED = pb.BOOKING_STATUS_EXPIRED, pb.BOOKING_STATUS_PAYMENT_FAILED


async def rows(sql: asyncpg.Connection, request: pb.CreateBookingRequest) -> list[asyncpg.Record]:
    return await sql.fetch("select * from booking where id = $1 or saga_id = $2", request.booking_id, request.saga_id)


async def events(sql: asyncpg.Connection, booking_id: str) -> list[str]:
    found = await sql.fetch("select event from booking_event where booking_id = $1 order by version", booking_id)
    return [row["event"] for row in found]


async def test_of_a_create_and_an_end_at_once_the_first_committed_row_decides(
    mesh: Any, booking_request: Any, sql: Any
) -> None:
    outcomes: Counter[str] = Counter()
    for turn in range(60):
        request = booking_request()
        acts = [mesh.create(request), mesh.end(request, EXPIRED)]
        answers = await asyncio.gather(*(acts if turn % 2 else reversed(acts)), return_exceptions=True)
        created, ended = answers if turn % 2 else reversed(answers)
        (row,) = await rows(sql, request)
        assert (ended, row["status"]) == (EXPIRED, "EXPIRED")
        if isinstance(created, Cancelled):
            outcomes["the end came first"] += 1
            assert row["version"] == (1 if row["tutor_id"] is None else 2)
        else:
            outcomes["the booking came first"] += 1
            assert (created.status, row["version"]) == (pb.BOOKING_STATUS_PAYMENT_REQUIRED, 2)
        with pytest.raises(Cancelled):
            await mesh.create(request)
    assert outcomes.total() == 60


async def test_ten_creates_at_once_make_one_booking(mesh: Any, booking_request: Any, sql: Any) -> None:
    for _ in range(5):
        request = booking_request()
        answers = await asyncio.gather(*(mesh.create(request) for _ in range(10)))
        assert all(answer == answers[0] for answer in answers)
        assert await events(sql, request.booking_id) == ["created"]


async def test_a_race_of_confirm_and_ends_has_one_outcome(mesh: Any, booking_request: Any, sql: Any) -> None:
    for _ in range(20):
        request = booking_request()
        await mesh.create(request)
        acts = [mesh.confirm(request), mesh.end(request, EXPIRED), mesh.end(request, PAYMENT_FAILED)]
        confirmed, *ends = await asyncio.gather(*acts, return_exceptions=True)
        (row,) = await rows(sql, request)
        assert row["version"] == 2
        if row["status"] == "CONFIRMED":
            assert confirmed.status == CONFIRMED
            assert all(isinstance(end, IllegalMove) for end in ends)
        else:
            assert isinstance(confirmed, IllegalMove)
            assert ends == [pb.BookingStatus.Value(f"BOOKING_STATUS_{row['status']}")] * 2


async def test_a_write_that_waited_for_another_returns_what_that_one_committed(
    mesh: Any, booking_request: Any, sql: Any, wait_until: Any
) -> None:
    """The snapshot of the waiting statement still shows the booking as movable."""
    request = booking_request()
    await mesh.create(request)
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("update booking set status = 'CONFIRMED', version = 2 where id = $1", request.booking_id)
    waiting = [asyncio.ensure_future(mesh.end(request, EXPIRED)), asyncio.ensure_future(mesh.confirm(request))]
    await wait_until(lambda: waiters(sql), 2)
    await transaction.commit()
    expired, confirmed = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(expired, IllegalMove)
    assert confirmed.status == CONFIRMED


async def test_a_write_that_waited_for_a_new_row_sees_it(
    mesh: Any, booking_request: Any, sql: Any, wait_until: Any
) -> None:
    request = booking_request()
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(
        "insert into booking (id, saga_id, status) values ($1, $2, 'EXPIRED')", request.booking_id, request.saga_id
    )
    waiting = [asyncio.ensure_future(mesh.create(request)), asyncio.ensure_future(mesh.end(request))]
    await wait_until(lambda: waiters(sql), 2)
    await transaction.commit()
    created, ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(created, Cancelled)
    assert ended == EXPIRED


async def waiters(sql: asyncpg.Connection) -> int:
    return await sql.fetchval("select count(*) from pg_locks where not granted")


words = st.sampled_from(["CREATE", *(status for status in Status if status is not Status.PAYMENT_REQUIRED)])


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(words, min_size=1, max_size=6))
async def test_in_any_order_of_calls_the_record_makes_only_legal_moves(
    mesh: Any, booking_request: Any, sql: Any, calls: list[str]
) -> None:
    request, expected, version = booking_request(), None, 0
    for word in calls:
        expected_before = expected
        try:
            expected = model(expected, word)
            refusal: type[Refusal] | None = None
        except Refusal as refused:
            refusal = type(refused)
        answer = await outcome(mesh, request, word)
        assert (answer is refusal) if refusal else not isinstance(answer, type)
        version += expected is not expected_before
        stored = await rows(sql, request)
        assert [(row["status"], row["version"]) for row in stored] == ([(expected, version)] if expected else [])


def model(now: Status | None, word: str) -> Status | None:
    """The status of a booking (None: there is none) after this call."""
    if word == "CREATE":
        if now in ENDS:
            raise Cancelled
        return now or Status.PAYMENT_REQUIRED
    if now is None and word not in ENDS:
        raise NotFound
    return Status(word) if now is None else check_move(now, Status(word))


async def outcome(mesh: Any, request: pb.CreateBookingRequest, word: str) -> Any:
    try:
        if word == "CREATE":
            return await mesh.create(request)
        if word == "CONFIRMED":
            return await mesh.confirm(request)
        return await mesh.end(request, pb.BookingStatus.Value(f"BOOKING_STATUS_{word}"))
    except Refusal as refused:
        return type(refused)
