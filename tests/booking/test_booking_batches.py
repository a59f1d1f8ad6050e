"""BatchGetBookings and BatchGetTimelines return the caller's bookings, with one statement for each call."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mesh.database import Database
from mesh.errors import BadInput
from tutormesh.booking.v1 import booking_pb2 as pb


async def get_many(stub: Any, *booking_ids: str) -> dict[str, pb.Booking]:
    reply = await stub.BatchGetBookings(pb.BatchGetBookingsRequest(booking_ids=booking_ids), timeout=10)
    return {booking.id: booking for booking in reply.bookings}


async def get_timelines(stub: Any, *booking_ids: str) -> dict[str, list[str]]:
    reply = await stub.BatchGetTimelines(pb.BatchGetTimelinesRequest(booking_ids=booking_ids), timeout=10)
    return {timeline.booking_id: [entry.event for entry in timeline.entries] for timeline in reply.timelines}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent to the database."""
    asked: list[str] = []
    ask = Database.rows

    async def counted(self: Database, statement: Any, *values: Any) -> Any:
        asked.append(str(statement))
        return await ask(self, statement, *values)

    monkeypatch.setattr(Database, "rows", counted)
    return asked


async def test_a_batch_returns_each_booking_as_a_single_read_does(mesh: Any, booking_request: Any) -> None:
    me = str(uuid4())
    made = [(await mesh.create(booking_request(student_id=me))) for _ in range(3)]
    assert await get_many(mesh.student(me), *(booking.id for booking in made)) == {one.id: one for one in made}


async def test_a_batch_leaves_out_what_its_reader_may_not_see(mesh: Any, booking_request: Any) -> None:
    mine, taught, anothers, ended = (booking_request() for _ in range(4))
    me = mine.student_id
    taught.tutor_id = me
    for request in (mine, taught, anothers):
        await mesh.create(request)
    await mesh.end(ended)  # a tombstone
    asked = [request.booking_id for request in (mine, taught, anothers, ended)] + [str(uuid4())]
    assert set(await get_many(mesh.student(me), *asked)) == set(asked[:2])
    assert set(await get_timelines(mesh.student(me), *asked)) == set(asked[:2])
    for stub in (mesh.bff, mesh.ops, mesh.stub("bff", "admin")):
        assert set(await get_many(stub, *asked)) == set(asked[:3])
        assert set(await get_timelines(stub, *asked)) == set(asked[:3])


async def test_a_batch_of_histories_returns_each_bookings_own(mesh: Any, booking_request: Any) -> None:
    new, confirmed, cancelled = (booking_request() for _ in range(3))
    for request in (new, confirmed, cancelled):
        await mesh.create(request)
    await mesh.confirm(confirmed)
    await mesh.end(cancelled)
    assert await get_timelines(mesh.bff, new.booking_id, confirmed.booking_id, cancelled.booking_id) == {
        new.booking_id: ["created"],
        confirmed.booking_id: ["created", "confirmed"],
        cancelled.booking_id: ["created", "cancelled"],
    }


async def test_a_batch_of_any_size_is_one_statement(mesh: Any, booking_request: Any, statements: list[str]) -> None:
    ids = [(await mesh.create(booking_request())).id for _ in range(20)]
    for ask in (get_many, get_timelines):
        statements.clear()
        assert set(await ask(mesh.bff, *ids, *ids)) == set(ids)
        assert len(statements) == 1


async def test_an_empty_batch_is_empty(mesh: Any) -> None:
    assert (await get_many(mesh.bff), await get_timelines(mesh.bff)) == ({}, {})


@pytest.mark.parametrize("ask", [get_many, get_timelines])
@pytest.mark.parametrize(
    ("ids", "field"),
    [([str(uuid4()), "'; drop table booking; --"], "booking_ids[1]"), ([str(uuid4())] * 201, "booking_ids")],
    ids=["not-an-id", "too-many"],
)
async def test_a_bad_batch_names_its_field(mesh: Any, ask: Any, ids: list[str], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await ask(mesh.bff, *ids)
    assert refused.value.field == field


async def test_a_persons_list_can_be_of_one_status(mesh: Any, booking_request: Any) -> None:
    me = str(uuid4())
    requests = [booking_request(student_id=me) for _ in range(3)]
    for request in requests:
        await mesh.create(request)
    await mesh.confirm(requests[1])

    async def of(status: Any) -> list[str]:
        wanted = pb.ListBookingsRequest(person_id=me, status=status)
        return [booking.id for booking in (await mesh.student(me).ListBookings(wanted, timeout=10)).bookings]

    assert await of(pb.BOOKING_STATUS_CONFIRMED) == [requests[1].booking_id]
    assert await of(pb.BOOKING_STATUS_PAYMENT_REQUIRED) == [requests[2].booking_id, requests[0].booking_id]
    assert await of(pb.BOOKING_STATUS_EXPIRED) == []
    with pytest.raises(BadInput) as refused:
        await of(99)
    assert refused.value.field == "status"
