"""The lists of a person's bookings and sessions: their filters and orders reach the service that owns them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mesh.errors import BadInput
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import lists_pb2
from tutormesh.session.v1 import session_pb2

LISTS = {
    "getMyBookings": ("ListBookings", booking_pb2.ListBookingsResponse(), booking_pb2.BookingOrder, "BOOKING"),
    "getMySessions": ("ListSessions", session_pb2.ListSessionsResponse(), session_pb2.SessionOrder, "SESSION"),
}
PERIOD = 'from: "2030-01-31T09:00:00+01:00", to: "2030-02-01T00:00:00Z"'


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_takes_a_time_a_role_and_an_order(student: Any, script: Any, at: Any, name: str) -> None:
    rpc, script.answers[rpc], orders, prefix = LISTS[name]
    await student.data(f"{{ {name}({PERIOD}, role: TUTOR, order: START_ASC, status: CONFIRMED) {{ nodes {{ id }} }} }}")
    asked = script.one(rpc).request
    assert (getattr(asked, "from"), asked.to) == (at("2030-01-31T08:00:00Z"), at("2030-02-01T00:00:00Z"))
    assert (asked.person_id, asked.role) == (student.id, lists_pb2.LESSON_ROLE_TUTOR)
    assert orders.Name(asked.order) == f"{prefix}_ORDER_START_ASC"


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("nulls", ["", "(from: null, to: null, role: null, order: null, status: null)"])
async def test_a_list_without_arguments_is_as_it_always_was(student: Any, script: Any, name: str, nulls: str) -> None:
    rpc, script.answers[rpc], orders, prefix = LISTS[name]
    await student.data(f"{{ {name}{nulls} {{ nodes {{ id }} }} }}")
    asked = script.one(rpc).request
    assert not asked.HasField("from") and not asked.HasField("to") and not asked.role and not asked.status
    usual = {"BOOKING": "CREATED_DESC", "SESSION": "START_DESC"}[prefix]
    assert orders.Name(asked.order) == f"{prefix}_ORDER_" + ("UNSPECIFIED" if nulls else usual)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "arguments", ['from: "2030-01-31"', 'to: "2030-01-31T09:00:00"', "role: ADMIN", "order: NEWEST"]
)
async def test_a_bad_argument_is_bad_user_input(student: Any, name: str, arguments: str) -> None:
    assert (await student.error(f"{{ {name}({arguments}) {{ nodes {{ id }} }} }}"))["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(("field", "argument"), [("page_token", "after"), ("to", "to")])
async def test_a_refused_part_is_named_as_its_argument(
    student: Any, script: Any, name: str, field: str, argument: str
) -> None:
    script.answers[LISTS[name][0]] = BadInput("is wrong", field=field)
    error = await student.error(f'{{ {name}(after: "{uuid.uuid4()}") {{ nodes {{ id }} }} }}')
    assert (error["code"], error["field"], error["message"]) == ("BAD_USER_INPUT", [argument], f"{argument}: is wrong")
