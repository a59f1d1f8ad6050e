"""Running a document costs what it is charged, up to a bounded multiple of a plain one.

Work is counted in calls of Python functions, so that a busy machine changes nothing. The peers answer at once.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLSchema, get_introspection_query

from bff.graphql import schema
from bff.graphql.operations import Operations
from bff.graphql.requests import Operation
from bff.graphql.schema.federation import subgraphs
from bff.settings import Options
from mesh import calls
from mesh.calls import Call, Person
from tests.bff.conftest import NOTHING, SoldLesson
from tests.bff.graphql.test_costliest_document import PLAIN
from tests.bff.http.test_charges import LISTING, MONTH, slots
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1.timeline_pb2 import TimelineEntry
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

WHOLE = schema.build()
#: The most work for each unit that is charged, in plain documents.
MOST_PER_UNIT = 6
MONEY = "{ amountMinor currency display }"
BOOKING = f"id status tutorId studentId startTime endTime purpose price {MONEY} timeline {{ at service event detail }}"
PAID = (
    f"payment {{ id status amount {MONEY} refunded {MONEY} refundPending {MONEY} }} session {{ id status meetingLink }}"
)
LESSONS = [SoldLesson() for _ in range(100)]
PUBLISH = "mutation($input: PublishAvailabilityInput!) { publishAvailability(input: $input) { tutorId } }"
RATE = {"timezone": "UTC", "rate": {"amountMinor": 1, "currency": "USD"}}


class Peer:
    """Answers each RPC at once: every lesson there is, the whole month, or nothing."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, rpc: str) -> Any:
        async def answer(_: object, *, timeout: float) -> Any:
            return self._answers[rpc]

        return answer


def answers() -> dict[str, Any]:
    entries = [TimelineEntry(service="booking", event="created")] * 10
    timelines = [lesson.told(*entries)[0] for lesson in LESSONS]
    bookings = [lesson.booking() for lesson in LESSONS]
    return NOTHING | {
        "ListBookings": booking_pb2.ListBookingsResponse(bookings=bookings),
        "BatchGetBookings": booking_pb2.BatchGetBookingsResponse(bookings=bookings),
        "BatchGetTimelines": booking_pb2.BatchGetTimelinesResponse(timelines=timelines),
        "BatchGetBookingTimelines": payment_pb2.BatchGetBookingTimelinesResponse(timelines=timelines),
        "BatchGetSessions": session_pb2.BatchGetSessionsResponse(sessions=[one.session() for one in LESSONS]),
        "BatchGetPayments": payment_pb2.BatchGetPaymentsResponse(payments=[one.payment() for one in LESSONS]),
        "ListSlots": slots(2976),
    }


class Payer:
    """A caller who sums up what is charged."""

    def __init__(self) -> None:
        self.person = Person(uuid4(), frozenset({"student", "tutor"}), "")
        self.units = 1  # that of the request

    def charge(self, units: int) -> None:
        self.units += units


async def run(document: str, variables: dict[str, Any], part: GraphQLSchema) -> tuple[int, int, dict[str, Any]]:
    """The calls of Python functions that the document takes, the units that it is charged, and its answer."""
    peer = Peer(answers())
    peers: Any = SimpleNamespace(availability=peer, booking=peer, learning=peer, payment=peer, session=peer)
    operations, caller, count = Operations(part, peers, Options()), Payer(), 0
    payer: Any = caller

    def note(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        operation = Operation(document, None, variables)
        answered = await operations.run(operations.read(operation, payer), operation, payer)
    finally:
        sys.setprofile(before)
    length = len(json.dumps(answered.payload))
    caller.charge(answered.further_units(length) + len(json.dumps(variables)) // 10_000)
    return count, caller.units, answered.payload


def entities(count: int, fields: str) -> tuple[str, dict[str, Any], bool]:
    """A gateway's request for so many bookings."""
    asked = [{"__typename": "Booking", "id": lesson.booking_id} for lesson in LESSONS] * 2
    query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on Booking {{ {fields} }} }} }}"
    return query, {"r": asked[:count]}, True


SHAPES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "a month": (LISTING, {"id": str(uuid4()), **MONTH}, False),
    "a page of everything": (f"{{ getMyBookings(first: 100) {{ nodes {{ {BOOKING} {PAID} }} }} }}", {}, False),
    "a page of ids": ("{ getMyBookings(first: 100) { nodes { id } } }", {}, False),
    "a page, there and back": (
        "{ getMyBookings(first: 100) { nodes { session { booking { session { booking { id } } } } } } }",
        {},
        False,
    ),
    "timelines": ("{ getMyBookings(first: 100) { nodes { timeline { at service event detail } } } }", {}, False),
    "introspection": (get_introspection_query(), {}, False),
    "entities": entities(100, BOOKING),
    "the most entities": entities(200, "id timeline { at }"),
    "empty objects": (PUBLISH, {"input": RATE | {"weekly": [{}] * 24_000}}, False),
    "wrong values": (PUBLISH, {"input": RATE | {"weekly": [0] * 33_000}}, False),
    "unknown keys": (PUBLISH, {"input": RATE | {f"unknown{number}": 1 for number in range(4000)}}, False),
    "wrong entities": (entities(0, "id")[0], {"r": [0] * 33_000}, True),
}


@pytest.mark.parametrize(("query", "variables", "of_bookings"), SHAPES.values(), ids=SHAPES)
async def test_58_what_a_document_does_is_charged(query: str, variables: dict[str, Any], of_bookings: bool) -> None:
    calls.enter(Call("id"))
    plain, one, _ = await run(PLAIN, {"id": LESSONS[0].booking_id}, WHOLE)
    assert one == 1
    count, units, _ = await run(query, variables, subgraphs(WHOLE)["bookings"] if of_bookings else WHOLE)
    assert count / plain / units <= MOST_PER_UNIT
