"""Creating, confirming and ending, over gRPC and PostgreSQL: repeats, tombstones, illegal moves, bad input."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import BadInput, Cancelled, Forbidden, IllegalMove, NotFound
from tutormesh.booking.v1 import booking_pb2 as pb
from tutormesh.common.v1.money_pb2 import Money

CONFIRMED, CANCELLED = pb.BOOKING_STATUS_CONFIRMED, pb.BOOKING_STATUS_CANCELLED
EXPIRED, PAYMENT_FAILED = pb.BOOKING_STATUS_EXPIRED, pb.BOOKING_STATUS_PAYMENT_FAILED


async def rows(sql: asyncpg.Connection, request: pb.CreateBookingRequest) -> list[asyncpg.Record]:
    return await sql.fetch("select * from booking where id = $1 or saga_id = $2", request.booking_id, request.saga_id)


async def events(sql: asyncpg.Connection, booking_id: str) -> list[str]:
    found = await sql.fetch("select event from booking_event where booking_id = $1 order by version", booking_id)
    return [row["event"] for row in found]


async def test_a_booking_is_read_as_it_was_created(mesh: Any, booking_request: Any) -> None:
    request = booking_request(course_id=str(uuid4()))
    booking = await mesh.create(request)
    for field in request.DESCRIPTOR.fields:
        name = "id" if field.name == "booking_id" else field.name
        assert getattr(booking, name) == getattr(request, field.name), name
    assert (booking.status, booking.version) == (pb.BOOKING_STATUS_PAYMENT_REQUIRED, 1)
    assert (await mesh.get(request.booking_id)).booking == booking


async def test_a_free_lesson_needs_no_payment(mesh: Any, booking_request: Any) -> None:
    booking = await mesh.create(booking_request(price=Money(amount_minor=0, currency="JPY"), payment_id=""))
    assert (booking.payment_id, booking.price.currency) == ("", "JPY")


async def test_repeating_a_create_returns_the_first_booking(mesh: Any, booking_request: Any, sql: Any) -> None:
    request = booking_request()
    first = await mesh.create(request)
    request.purpose = "something else"
    assert await mesh.create(request) == first
    assert await events(sql, request.booking_id) == ["created"]


async def test_repeating_a_create_of_a_confirmed_booking_returns_it_confirmed(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    confirmed = await mesh.confirm(request)
    assert await mesh.create(request) == confirmed


async def test_repeating_a_confirm_changes_nothing(mesh: Any, booking_request: Any, sql: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    first = await mesh.confirm(request)
    assert (first.status, first.version) == (CONFIRMED, 2)
    assert await mesh.confirm(request) == first
    assert await events(sql, request.booking_id) == ["created", "confirmed"]


async def test_the_timeline_has_each_change_and_its_reason(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    await mesh.confirm(request)
    await mesh.end(request, reason="the tutor is ill")
    timeline = (await mesh.get(request.booking_id)).timeline
    assert [(entry.service, entry.event, entry.detail) for entry in timeline] == [
        ("booking", "created", ""),
        ("booking", "confirmed", ""),
        ("booking", "cancelled", "the tutor is ill"),
    ]
    assert sorted(entry.at.ToNanoseconds() for entry in timeline) == [entry.at.ToNanoseconds() for entry in timeline]


@pytest.mark.parametrize("first", [CANCELLED, EXPIRED, PAYMENT_FAILED])
@pytest.mark.parametrize("second", [CANCELLED, EXPIRED, PAYMENT_FAILED])
async def test_the_first_end_stays(mesh: Any, booking_request: Any, sql: Any, first: int, second: int) -> None:
    request = booking_request()
    await mesh.create(request)
    assert await mesh.end(request, first, "first") == first
    assert await mesh.end(request, second, "second") == first
    (row,) = await rows(sql, request)
    assert (row["version"], row["end_reason"]) == (2, "first")
    assert len(await events(sql, request.booking_id)) == 2


async def test_an_ended_booking_is_not_confirmed(mesh: Any, booking_request: Any, sql: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    await mesh.end(request, EXPIRED)
    with pytest.raises(IllegalMove, match="a booking cannot go from EXPIRED to CONFIRMED"):
        await mesh.confirm(request)
    (row,) = await rows(sql, request)
    assert row["status"] == "EXPIRED"


@pytest.mark.parametrize("status", [EXPIRED, PAYMENT_FAILED])
async def test_a_confirmed_booking_neither_expires_nor_fails(mesh: Any, booking_request: Any, status: int) -> None:
    request = booking_request()
    await mesh.create(request)
    await mesh.confirm(request)
    with pytest.raises(IllegalMove):
        await mesh.end(request, status)
    assert await mesh.end(request, CANCELLED) == CANCELLED


async def test_a_create_after_the_end_is_refused(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    await mesh.end(request)
    with pytest.raises(Cancelled):
        await mesh.create(request)


async def test_35_ending_what_never_was_bars_its_late_creation(mesh: Any, booking_request: Any, sql: Any) -> None:
    request = booking_request()
    assert await mesh.end(request, EXPIRED) == EXPIRED
    assert await mesh.end(request, CANCELLED) == EXPIRED
    with pytest.raises(Cancelled):
        await mesh.create(request)
    with pytest.raises(IllegalMove):
        await mesh.confirm(request)
    (row,) = await rows(sql, request)
    assert (row["status"], row["tutor_id"]) == ("EXPIRED", None)


async def test_no_read_shows_a_tombstone(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.end(request)
    with pytest.raises(NotFound):
        await mesh.get(request.booking_id)
    with pytest.raises(NotFound):
        await mesh.get(request.booking_id, mesh.student(request.student_id))
    everybodys = await mesh.ops.ListBookings(pb.ListBookingsRequest(page_size=1000), timeout=10)
    assert request.booking_id not in [booking.id for booking in everybodys.bookings]


async def test_confirming_an_unknown_booking_is_not_found(mesh: Any, booking_request: Any, sql: Any) -> None:
    request = booking_request()
    with pytest.raises(NotFound):
        await mesh.confirm(request)
    assert await rows(sql, request) == []


async def test_a_saga_changes_only_its_own_booking(mesh: Any, booking_request: Any, sql: Any) -> None:
    mine, theirs = booking_request(), booking_request()
    await mesh.create(mine)
    await mesh.create(theirs)
    stray = booking_request(booking_id=mine.booking_id, saga_id=theirs.saga_id)
    unknown_saga = booking_request(booking_id=mine.booking_id)
    unknown_booking = booking_request(saga_id=mine.saga_id)
    for request in (stray, unknown_saga, unknown_booking):
        for act in (mesh.create, mesh.end):
            with pytest.raises(BadInput) as refused:
                await act(request)
            assert refused.value.field == "saga_id"
        with pytest.raises(NotFound):
            await mesh.confirm(request)
    assert [row["version"] for request in (mine, theirs) for row in await rows(sql, request)] == [1, 1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("booking_id", "42"),
        ("saga_id", ""),
        ("tutor_id", "{5c7a2d4e-0b1f-4c3a-9d8e-1f2a3b4c5d6e}"),
        ("student_id", "x" * 36),
        ("course_id", "none"),
        ("availability_block_id", ""),
        ("session_id", ""),
        ("payment_id", ""),
        ("start_time", None),
        ("start_time", Timestamp(seconds=253402300800)),
        ("end_time", None),
        ("end_time", Timestamp(seconds=1)),
        ("hold_expires_at", None),
        ("price", None),
        ("price", Money(amount_minor=-1, currency="USD")),
        ("price", Money(amount_minor=1, currency="usx")),
        ("purpose", "x" * 1001),
        ("purpose", "\x00"),
    ],
)
async def test_bad_input_names_its_field_and_stores_nothing(
    mesh: Any, booking_request: Any, sql: Any, field: str, value: Any
) -> None:
    before = await sql.fetchval("select count(*) from booking")
    with pytest.raises(BadInput) as refused:
        await mesh.create(booking_request(**{field: value}))
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert await sql.fetchval("select count(*) from booking") == before


async def test_a_tutor_cannot_book_themselves(mesh: Any, booking_request: Any) -> None:
    me = str(uuid4())
    with pytest.raises(BadInput) as refused:
        await mesh.create(booking_request(tutor_id=me, student_id=me))
    assert refused.value.field == "student_id"


@pytest.mark.parametrize(
    ("status", "reason", "field"),
    [
        (pb.BOOKING_STATUS_UNSPECIFIED, "", "status"),
        (CONFIRMED, "", "status"),
        (99, "", "status"),
        (CANCELLED, "x" * 1001, "reason"),
        (CANCELLED, "\x00", "reason"),
    ],
)
async def test_a_bad_end_names_its_field_and_ends_nothing(
    mesh: Any, booking_request: Any, sql: Any, status: Any, reason: str, field: str
) -> None:
    request = booking_request()
    with pytest.raises(BadInput) as refused:
        await mesh.end(request, status, reason)
    assert refused.value.field == field
    assert await rows(sql, request) == []


async def test_only_payment_writes(mesh: Any, booking_request: Any) -> None:
    with pytest.raises(Forbidden):
        await mesh.bff.CreateBooking(booking_request(), timeout=10)
