"""Queries: each calls its RPC, and its reply becomes the schema's type."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from mesh.errors import Forbidden, Overloaded, Refusal, TryAgain
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

BOOKING = """
query Booking($id: ID!) {
  booking(id: $id) {
    id status tutorId studentId courseId startTime endTime purpose holdExpiresAt availabilityBlockId createdAt
    price { amountMinor currency display }
    session { id bookingId status scheduledAt durationMinutes meetingLink }
    payment { id userId status context contextId sessionId stripePaymentIntentId paymentUrl disputed createdAt
              amount { display } refunded { amountMinor currency display } }
    timeline { at service event detail }
  }
}
"""
ANY = f'{{ booking(id: "{uuid.uuid4()}") {{ id }} }}'


async def test_a_booking_has_all_its_fields(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    booking = (await student.data(BOOKING, id=lesson.booking_id))["booking"]
    assert booking == {
        "id": lesson.booking_id,
        "status": "CONFIRMED",
        "tutorId": lesson.tutor,
        "studentId": lesson.student,
        "courseId": None,
        "startTime": "2030-01-31T09:00:00Z",
        "endTime": "2030-01-31T10:00:00Z",
        "purpose": "fractions",
        "holdExpiresAt": "2030-01-30T09:30:00Z",
        "availabilityBlockId": None,
        "createdAt": "2030-01-30T09:00:00.250000Z",
        "price": {"amountMinor": 5000, "currency": "USD", "display": "$50.00"},
        "session": {
            "id": lesson.session_id,
            "bookingId": lesson.booking_id,
            "status": "CONFIRMED",
            "scheduledAt": "2030-01-31T09:00:00Z",
            "durationMinutes": 60,
            "meetingLink": None,
        },
        "payment": {
            "id": lesson.payment_id,
            "userId": lesson.student,
            "status": "SUCCEEDED",
            "context": "SESSION_BOOKING",
            "contextId": lesson.session_id,
            "sessionId": lesson.session_id,
            "stripePaymentIntentId": "pi_1",
            "paymentUrl": None,
            "disputed": False,
            "createdAt": "2030-01-30T09:00:00Z",
            "amount": {"display": "$50.00"},
            "refunded": {"amountMinor": 0, "currency": "USD", "display": "$0.00"},
        },
        "timeline": [
            {"at": "2030-01-30T09:00:00Z", "service": "booking", "event": "created", "detail": None},
            {"at": "2030-01-30T09:00:05Z", "service": "payment", "event": "payment_succeeded", "detail": None},
            {"at": "2030-01-30T09:00:09Z", "service": "booking", "event": "confirmed", "detail": "paid"},
        ],
    }


async def test_only_selected_fields_call_a_peer(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    await student.data("query($id: ID!) { booking(id: $id) { status } }", id=lesson.booking_id)
    assert [seen.rpc for seen in script.seen] == ["BatchGetBookings"]


async def test_the_same_thing_is_read_once_in_a_request(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    query = """query($id: ID!, $session: ID!) {
      one: booking(id: $id) { session { id } payment { id } }
      other: booking(id: $id) { session { id } payment { id } timeline { at } }
      getSessionDetails(id: $session) { id }
    }"""
    await student.data(query, id=lesson.booking_id, session=lesson.session_id)
    asked = sorted(seen.rpc for seen in script.seen)
    parts = ["BatchGetBookingTimelines", "BatchGetTimelines"]
    assert asked == sorted(["BatchGetBookings", "BatchGetPayments", "BatchGetSessions", *parts])


async def test_a_booking_has_no_session_before_it_is_confirmed_and_no_payment_when_it_is_free(
    student: Any, script: Any, lesson: Any
) -> None:
    nothing = session_pb2.BatchGetSessionsResponse()
    script.answers = lesson.answers() | {
        "BatchGetBookings": lesson.bookings(payment_id=""),
        "BatchGetSessions": nothing,
    }
    query = "query($id: ID!) { booking(id: $id) { session { id } payment { id } } }"
    data = await student.data(query, id=lesson.booking_id)
    assert data["booking"] == {"session": None, "payment": None}
    assert not script.asked("BatchGetPayments")


async def test_a_payment_that_cannot_be_found_is_null(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers() | {"BatchGetPayments": payment_pb2.BatchGetPaymentsResponse()}
    data = await student.data("query($id: ID!) { booking(id: $id) { payment { id } } }", id=lesson.booking_id)
    assert data["booking"] == {"payment": None}


@pytest.mark.parametrize("query", ["booking", "getSessionDetails"])
async def test_47_what_is_not_ones_own_does_not_exist(student: Any, script: Any, query: str) -> None:
    answer = await student.ask(f"query($id: ID!) {{ {query}(id: $id) {{ id }} }}", id=str(uuid.uuid4()))
    assert answer["data"] == {query: None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert answer["errors"][0]["path"] == [query]


async def test_my_sessions_are_paged_and_filtered(student: Any, script: Any, lesson: Any) -> None:
    script.answers["ListSessions"] = session_pb2.ListSessionsResponse(
        sessions=[lesson.session(meeting_link="https://meet.test/1")], next_page_token="next", cursors=["next"]
    )
    query = """query($after: String) { getMySessions(status: CONFIRMED, first: 7, after: $after) {
      nodes { id meetingLink } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    page = (await student.data(query, after="here"))["getMySessions"]
    assert page == {
        "nodes": [{"id": lesson.session_id, "meetingLink": "https://meet.test/1"}],
        "edges": [{"cursor": "next"}],
        "pageInfo": {"hasNextPage": True, "hasPreviousPage": True, "startCursor": "next", "endCursor": "next"},
    }
    request = script.one("ListSessions").request
    assert (request.person_id, request.page_size, request.page_token) == (student.id, 7, "here")
    assert request.status == session_pb2.SESSION_STATUS_CONFIRMED


async def test_my_payments_are_paged(student: Any, script: Any, lesson: Any) -> None:
    refunded = lesson.payment(
        status=payment_pb2.PAYMENT_STATUS_PARTIALLY_REFUNDED, refunded=Money(amount_minor=2500, currency="USD")
    )
    script.answers["ListPayments"] = payment_pb2.ListPaymentsResponse(payments=[refunded])
    query = """{ getPaymentHistory(first: null) {
      nodes { status refunded { display } } pageInfo { hasNextPage endCursor } } }"""
    page = (await student.data(query))["getPaymentHistory"]
    assert page == {
        "nodes": [{"status": "PARTIALLY_REFUNDED", "refunded": {"display": "$25.00"}}],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
    }
    request = script.one("ListPayments").request
    assert (request.student_id, request.page_size) == (student.id, 20)


@pytest.mark.parametrize("first", [0, -1, 101])
@pytest.mark.parametrize("query", ["getMySessions", "getPaymentHistory", "getTutorPayments"])
async def test_a_page_has_1_to_100(student: Any, script: Any, query: str, first: int) -> None:
    error = await student.error(f"query($n: Int) {{ {query}(first: $n) {{ nodes {{ id }} }} }}", n=first)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["first"])
    assert "first: must be from 1 to 100" in error["message"]
    assert not script.seen


async def test_peers_get_the_person_the_request_id_and_the_deadline(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    body = {"query": BOOKING, "variables": {"id": lesson.booking_id}}
    answer = await student.http.post("/graphql", json=body, headers=student.headers() | {"x-request-id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert len(script.seen) == 5
    for seen in script.seen:
        assert (seen.call.request_id, seen.call.service, str(seen.call.person.id)) == ("abc-1", "bff", student.id)
        assert seen.seconds_left < 5.5  # a read's own deadline, not the request's


async def test_49_one_peer_that_fails_leaves_the_rest_of_the_answer(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers() | {"BatchGetPayments": TryAgain()}
    query = "query($id: ID!) { booking(id: $id) { status session { id } payment { id } } }"
    answer = await student.ask(query, id=lesson.booking_id)
    assert answer["data"]["booking"] == {"status": "CONFIRMED", "session": {"id": lesson.session_id}, "payment": None}
    (error,) = answer["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("UNAVAILABLE", ["booking", "payment"])


async def test_a_crash_of_a_peer_is_an_internal_error_without_its_message(
    student: Any, script: Any, lesson: Any
) -> None:
    script.answers = lesson.answers() | {"BatchGetBookingTimelines": RuntimeError("sql: select 1")}
    answer = await student.ask("query($id: ID!) { booking(id: $id) { id timeline { at } } }", id=lesson.booking_id)
    (error,) = answer["errors"]
    assert (error["message"], error["extensions"]) == ("internal error", {"code": "INTERNAL"})
    assert answer["data"] == {"booking": None}


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (TryAgain(), "UNAVAILABLE"),
        (Overloaded(), "UNAVAILABLE"),
        (Forbidden(), "FORBIDDEN"),
        (Refusal.from_parts("FAILED_PRECONDITION", "WRONG_STATE", "not now"), "BAD_USER_INPUT"),
        (ValueError("secret"), "INTERNAL"),
    ],
)
async def test_a_refusal_of_a_query_has_the_code_of_its_kind(
    student: Any, script: Any, refusal: Exception, code: str
) -> None:
    script.answers["BatchGetBookings"] = refusal
    error = await student.error(ANY)
    assert error["code"] == code
    assert "secret" not in error["message"]


async def test_a_peer_that_does_not_answer_ends_in_a_typed_error(
    student: Any, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("bff.graphql.loaders.READ_SECONDS", 0.1)
    script.answers["BatchGetBookings"] = never
    error = await student.error(ANY)
    assert error["code"] == "UNAVAILABLE"


async def test_the_whole_request_ends_at_its_deadline(
    student: Any, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("bff.http.middleware.REQUEST_SECONDS", 0.1)
    monkeypatch.setattr("mesh.calls.remaining", lambda: None)  # even if no call keeps the deadline
    monkeypatch.setattr("bff.graphql.operations.GRACE_SECONDS", 0.1)
    script.answers["BatchGetBookings"] = never
    error = await student.error(ANY)
    assert error["code"] == "UNAVAILABLE"


async def test_a_malformed_value_of_a_peer_is_an_internal_error(student: Any, script: Any, lesson: Any) -> None:
    broken = lesson.bookings(price=Money(amount_minor=1, currency="???"))
    script.answers = lesson.answers() | {"BatchGetBookings": broken}
    error = await student.error("query($id: ID!) { booking(id: $id) { id } }", id=lesson.booking_id)
    assert (error["code"], error["message"]) == ("INTERNAL", "internal error")
