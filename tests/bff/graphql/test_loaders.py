"""Reads by id are batched, and an id that fails spoils only its own field."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from bff.graphql.loaders import ById
from mesh.errors import TryAgain
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1.money_pb2 import Money

QUERY = """query($a: ID!, $b: ID!, $c: ID!) {
  a: booking(id: $a) { id session { id } payment { id } timeline { event } }
  b: booking(id: $b) { id session { id } payment { id } timeline { event } }
  c: booking(id: $c) { id session { id } payment { id } timeline { event } }
}"""
#: Without the timeline: it cannot be null, so that its error would take the other errors of its booking with it.
NULLABLE = QUERY.replace(" timeline { event }", "")
ALONE = (
    "query($a: ID!, $b: ID!, $c: ID!) { a: booking(id: $a) { id } b: booking(id: $b) { id } c: booking(id: $c) { id } }"
)
RPCS = ["BatchGetBookings", "BatchGetBookingTimelines", "BatchGetPayments", "BatchGetSessions", "BatchGetTimelines"]


def two(lesson: Any, **changed: Any) -> tuple[str, booking_pb2.BatchGetBookingsResponse]:
    """Another booking's id, and the answer that has it beside the lesson's own."""
    other = lesson.booking(id=str(uuid.uuid4()), session_id=str(uuid.uuid4()), **changed)
    return other.id, booking_pb2.BatchGetBookingsResponse(bookings=[other, lesson.booking()])


async def test_bookings_with_session_payment_and_timeline_are_one_call_of_each_kind(
    student: Any, script: Any, lesson: Any
) -> None:
    other, both = two(lesson)
    script.answers = lesson.answers() | {"BatchGetBookings": both}
    answer = await student.ask(QUERY, a=lesson.booking_id, b=other, c=lesson.booking_id.upper())
    assert answer["data"]["a"] == answer["data"]["c"]
    assert sorted(seen.rpc for seen in script.seen) == sorted(RPCS)
    assert list(script.one("BatchGetBookings").request.booking_ids) == [lesson.booking_id, other]
    assert len(script.one("BatchGetSessions").request.session_ids) == 2


async def test_a_malformed_id_spoils_only_its_own_answer(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    answer = await student.ask(ALONE, a=lesson.booking_id, b="x", c=str(uuid.uuid4()))
    assert answer["data"] == {"a": {"id": lesson.booking_id}, "b": None, "c": None}
    told = {error["path"][0]: error["extensions"]["code"] for error in answer["errors"]}
    assert told == {"b": "BAD_USER_INPUT", "c": "NOT_FOUND"}
    assert "x" not in script.one("BatchGetBookings").request.booking_ids


async def test_one_broken_thing_of_a_batch_spoils_only_its_own_answer(student: Any, script: Any, lesson: Any) -> None:
    other, both = two(lesson, price=Money(amount_minor=1, currency="???"))
    script.answers = lesson.answers() | {"BatchGetBookings": both}
    answer = await student.ask(ALONE, a=lesson.booking_id, b=other, c=other)
    assert answer["data"] == {"a": {"id": lesson.booking_id}, "b": None, "c": None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"INTERNAL"}


async def test_a_failed_batch_is_an_error_of_each_of_its_fields(student: Any, script: Any, lesson: Any) -> None:
    other, both = two(lesson)
    script.answers = lesson.answers() | {"BatchGetBookings": both, "BatchGetSessions": TryAgain()}
    answer = await student.ask(NULLABLE, a=lesson.booking_id, b=other, c=other)
    failed = [error["path"] for error in answer["errors"] if error["extensions"]["code"] == "UNAVAILABLE"]
    assert failed == [["a", "session"], ["b", "session"], ["c", "session"]]
    assert answer["data"]["a"]["payment"] == {"id": lesson.payment_id}


async def test_a_cancelled_reader_does_not_cancel_the_others(lesson: Any) -> None:
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def ask(ids: list[str]) -> list[booking_pb2.Booking]:
        asked.set()
        await answer_now.wait()
        return [lesson.booking()]

    bookings = ById(ask)
    leaves, stays = (asyncio.ensure_future(bookings.get(lesson.booking_id)) for _ in range(2))
    await asyncio.wait_for(asked.wait(), 5)
    leaves.cancel()
    await asyncio.wait([leaves], timeout=5)
    answer_now.set()
    assert await asyncio.wait_for(stays, 5) == lesson.booking()
    assert leaves.cancelled()


async def test_one_call_reads_at_most_200_ids() -> None:
    sizes: list[int] = []

    async def ask(ids: list[str]) -> list[booking_pb2.Booking]:
        sizes.append(len(ids))
        return [booking_pb2.Booking(id=one) for one in ids]

    bookings, ids = ById(ask), [str(uuid.uuid4()) for _ in range(401)]
    assert [found.id for found in await asyncio.gather(*map(bookings.get, ids))] == ids
    assert sizes == [200, 200, 1]
