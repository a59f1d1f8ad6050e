"""GET /api/v1/bookings: a page of somebody's bookings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from starlette.responses import Response

from bff.http import envelope
from bff.peers import READ_SECONDS
from bff.rest.endpoints import ANYBODY, Endpoint, RestRequest
from bff.rest.fields import Fields
from bff.rest.json_schema import STATUS, TIME_IN, Schema
from bff.rest.json_schema import UUID as UUID_TEXT
from bff.rest.operations import describe, in_query
from bff.rest.shapes import BOOKING, Sold, to_json
from mesh import wire
from mesh.errors import BadInput
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import lists_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

PATH = "/api/v1/bookings"
DEFAULT_PAGE = 20
#: The bookings whose text is about as long as what one unit of the rate pays for.
BOOKINGS_PER_UNIT = 12
NAMES = {"page_size": "first", "page_token": "after"}
Numbers = Mapping[str, int]


async def list_bookings(request: RestRequest) -> Response:
    """200 with a page of the caller's bookings, or of those of the person that an admin or a service names."""
    query = request.query()
    wanted = _read_listing(query, request.person.id)
    with request.reserve(wanted.page_size // BOOKINGS_PER_UNIT):
        reply = await request.peers.booking.ListBookings(wanted, timeout=READ_SECONDS)
        found = await _with_payments_and_sessions(request, reply.bookings)
    data = {
        "bookings": [to_json(BOOKING, sold) for sold in found],
        "has_next_page": bool(reply.next_page_token),
        "end_cursor": reply.cursors[-1] if reply.cursors else None,
    }
    return envelope.success("the bookings", data)


def _read_listing(query: Fields, caller: UUID) -> booking_pb2.ListBookingsRequest:
    person, role = _read_person(query, str(caller))
    listing: dict[str, Any] = {
        "person_id": person,
        "role": role,
        "status": _read_word(query, "status", _STATUSES),
        "order": _read_word(query, "order", _ORDERS),
        "page_size": wire.whole(query.query_number("first", DEFAULT_PAGE), "first", 1, wire.MAX_PAGE),
        "page_token": query.optional_text("after") or "",
    }
    listing |= {name: query.query_timestamp(name) for name in ("from", "to") if name in query.values}
    return booking_pb2.ListBookingsRequest(**listing)


def _read_person(query: Fields, caller: str) -> tuple[str, int]:
    """Whose bookings are wanted, and the number of the role that the person has in them."""
    student, tutor = query.optional_uuid("student_uuid"), query.optional_uuid("instructor_uuid")
    if student and tutor:
        raise BadInput("must not be given with student_uuid", field="instructor_uuid")
    role, named = _read_word(query, "role", _ROLES), _STUDENT if student else _TUTOR if tutor else 0
    if named and role not in (0, named):
        raise BadInput("must be the role of the person that is named", field="role")
    return student or tutor or caller, named or role


def _read_word(query: Fields, name: str, known: Numbers) -> int:
    """The number of a word, which may be in any case; 0 when it is not given."""
    word = query.optional_text(name)
    return 0 if word is None else known[Fields({name: word.lower()}).choice(name, known)]


async def _with_payments_and_sessions(request: RestRequest, found: Iterable[booking_pb2.Booking]) -> list[Sold]:
    """The bookings with their payments and lessons, which are read in one call each."""
    listed = list(found)
    paid = [booking.payment_id for booking in listed if booking.payment_id]
    sold = [booking.session_id for booking in listed if booking.status == booking_pb2.BOOKING_STATUS_CONFIRMED]
    payments, sessions = await asyncio.gather(_find_payments(request, paid), _find_sessions(request, sold))
    return [Sold(booking, payments.get(booking.payment_id), sessions.get(booking.session_id)) for booking in listed]


async def _find_payments(request: RestRequest, ids: list[str]) -> dict[str, payment_pb2.Payment]:
    if not ids:
        return {}
    wanted = payment_pb2.BatchGetPaymentsRequest(payment_ids=ids)
    reply = await request.peers.payment.BatchGetPayments(wanted, timeout=READ_SECONDS)
    return {payment.id: payment for payment in reply.payments}


async def _find_sessions(request: RestRequest, ids: list[str]) -> dict[str, session_pb2.Session]:
    if not ids:
        return {}
    wanted = session_pb2.BatchGetSessionsRequest(session_ids=ids)
    reply = await request.peers.session.BatchGetSessions(wanted, timeout=READ_SECONDS)
    return {session.id: session for session in reply.sessions}


def _numbers(enum: Any) -> dict[str, int]:
    """The numbers of an enum's values by REST's words: BOOKING_ORDER_START_ASC is start_asc."""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return {name.removeprefix(prefix).lower(): number for name, number in enum.items() if number}


def _one_of(numbers: Numbers) -> Schema:
    return {"type": "string", "enum": list(numbers)}


_STATUSES, _ORDERS = _numbers(booking_pb2.BookingStatus), _numbers(booking_pb2.BookingOrder)
_ROLES = _numbers(lists_pb2.LessonRole)
_STUDENT, _TUTOR = lists_pb2.LESSON_ROLE_STUDENT, lists_pb2.LESSON_ROLE_TUTOR
_PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": wire.MAX_PAGE, "default": DEFAULT_PAGE}
_LIST = describe(
    "bookings",
    "The caller's bookings, as student and as tutor",
    in_query("status", STATUS),
    in_query("role", _one_of(_ROLES), "Those in which the person has this role."),
    in_query("from", TIME_IN, "Lessons that start then or later."),
    in_query("to", TIME_IN, "Lessons that start before then."),
    in_query("order", _one_of(_ORDERS), "Default: created_desc. start_asc has what comes next first."),
    in_query("first", _PAGE, "The size of the page."),
    in_query("after", {"type": "string"}, "`end_cursor` of the page before, in the same order."),
    in_query("student_uuid", UUID_TEXT, "For admins and services: whose bookings."),
    in_query("instructor_uuid", UUID_TEXT, "For admins and services: whose lessons."),
    answer="Bookings",
)
ENDPOINTS = (Endpoint("GET", PATH, ANYBODY, list_bookings, _LIST, NAMES),)
