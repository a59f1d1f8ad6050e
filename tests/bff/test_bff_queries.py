"""What can be asked: each query becomes its RPC, and the answer its GraphQL shape."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from mesh.errors import Forbidden, Overloaded, Refusal, TryAgain
from tutormesh.availability.v1 import availability_pb2
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

BOOKING = """
query Booking($id: ID!) {
  booking(id: $id) {
    id status tutorId studentId courseId startTime endTime purpose holdExpiresAt availabilityBlockId createdAt
    price { amountMinor currency display }
    session { id bookingId status scheduledAt durationMinutes meetingLink }
    payment { id status context contextId sessionId stripePaymentIntentId disputed createdAt
              amount { display } refunded { amountMinor currency display } }
    timeline { at service event detail }
  }
}
"""
ANY = f'{{ booking(id: "{uuid.uuid4()}") {{ id }} }}'
SLOTS = """
query Slots($tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!, $durationMinutes: Int) {
  tutorAvailability(tutorId: $tutorId, from: $from, to: $to, durationMinutes: $durationMinutes) {
    start end price { amountMinor currency display }
  }
}
"""


async def test_a_booking_is_told_whole(student: Any, script: Any, world: Any) -> None:
    script.answers = world.answers()
    booking = (await student.data(BOOKING, id=world.booking_id))["booking"]
    assert booking == {
        "id": world.booking_id,
        "status": "CONFIRMED",
        "tutorId": world.tutor,
        "studentId": world.student,
        "courseId": None,
        "startTime": "2030-01-31T09:00:00Z",
        "endTime": "2030-01-31T10:00:00Z",
        "purpose": "fractions",
        "holdExpiresAt": "2030-01-30T09:30:00Z",
        "availabilityBlockId": None,
        "createdAt": "2030-01-30T09:00:00.250000Z",
        "price": {"amountMinor": 5000, "currency": "USD", "display": "$50.00"},
        "session": {
            "id": world.session_id,
            "bookingId": world.booking_id,
            "status": "CONFIRMED",
            "scheduledAt": "2030-01-31T09:00:00Z",
            "durationMinutes": 60,
            "meetingLink": None,
        },
        "payment": {
            "id": world.payment_id,
            "status": "SUCCEEDED",
            "context": "SESSION_BOOKING",
            "contextId": world.session_id,
            "sessionId": world.session_id,
            "stripePaymentIntentId": "pi_1",
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


async def test_only_what_is_selected_is_asked_for(student: Any, script: Any, world: Any) -> None:
    script.answers = world.answers()
    await student.data("query($id: ID!) { booking(id: $id) { status } }", id=world.booking_id)
    assert [seen.rpc for seen in script.seen] == ["BatchGetBookings"]


async def test_the_same_thing_is_asked_once_in_a_request(student: Any, script: Any, world: Any) -> None:
    script.answers = world.answers()
    query = """query($id: ID!, $session: ID!) {
      one: booking(id: $id) { session { id } payment { id } }
      other: booking(id: $id) { session { id } payment { id } timeline { at } }
      getSessionDetails(id: $session) { id }
    }"""
    await student.data(query, id=world.booking_id, session=world.session_id)
    asked = sorted(seen.rpc for seen in script.seen)
    parts = ["BatchGetBookingTimelines", "BatchGetTimelines"]
    assert asked == sorted(["BatchGetBookings", "BatchGetPayments", "BatchGetSessions", *parts])


async def test_a_booking_has_no_session_before_it_is_confirmed_and_no_payment_when_it_is_free(
    student: Any, script: Any, world: Any
) -> None:
    nothing = session_pb2.BatchGetSessionsResponse()
    script.answers = world.answers() | {"BatchGetBookings": world.bookings(payment_id=""), "BatchGetSessions": nothing}
    query = "query($id: ID!) { booking(id: $id) { session { id } payment { id } } }"
    data = await student.data(query, id=world.booking_id)
    assert data["booking"] == {"session": None, "payment": None}
    assert not script.asked("BatchGetPayments")


async def test_a_payment_that_cannot_be_found_is_null(student: Any, script: Any, world: Any) -> None:
    script.answers = world.answers() | {"BatchGetPayments": payment_pb2.BatchGetPaymentsResponse()}
    data = await student.data("query($id: ID!) { booking(id: $id) { payment { id } } }", id=world.booking_id)
    assert data["booking"] == {"payment": None}


@pytest.mark.parametrize("query", ["booking", "getSessionDetails"])
async def test_47_what_is_not_ones_own_does_not_exist(student: Any, script: Any, query: str) -> None:
    answer = await student.ask(f"query($id: ID!) {{ {query}(id: $id) {{ id }} }}", id=str(uuid.uuid4()))
    assert answer["data"] == {query: None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert answer["errors"][0]["path"] == [query]


async def test_free_slots_are_listed_with_their_price(student: Any, script: Any, world: Any) -> None:
    start, end = world.booking().start_time, world.booking().end_time
    slot = availability_pb2.Slot(start=start, end=end, price=Money(amount_minor=2000, currency="JPY"))
    script.answers["ListSlots"] = availability_pb2.ListSlotsResponse(slots=[slot])
    data = await student.data(
        SLOTS, tutorId=world.tutor, **{"from": "2030-01-31T00:00:00+01:00", "to": "2030-02-01T00:00Z"}
    )
    price = {"amountMinor": 2000, "currency": "JPY", "display": "¥2,000"}
    assert data["tutorAvailability"] == [
        {"start": "2030-01-31T09:00:00Z", "end": "2030-01-31T10:00:00Z", "price": price}
    ]
    request = script.one("ListSlots").request
    assert (request.tutor_id, request.duration_minutes) == (world.tutor, 60)
    assert getattr(request, "from").ToJsonString() == "2030-01-30T23:00:00Z"
    assert request.to.ToJsonString() == "2030-02-01T00:00:00Z"


async def test_an_unknown_tutor_is_not_found(student: Any, script: Any) -> None:
    script.answers["ListSlots"] = Refusal.known("FAILED_PRECONDITION", "TUTOR_NOT_FOUND", "no such tutor")
    error = await student.error(SLOTS, tutorId="t", **{"from": "2030-01-31T00:00:00Z", "to": "2030-02-01T00:00:00Z"})
    assert (error["code"], error["message"]) == ("NOT_FOUND", "no such tutor")


async def test_my_sessions_are_paged_and_filtered(student: Any, script: Any, world: Any) -> None:
    script.answers["ListSessions"] = session_pb2.ListSessionsResponse(
        sessions=[world.session(meeting_link="https://meet.test/1")], next_page_token="next"
    )
    query = """query($after: String) { getMySessions(status: CONFIRMED, first: 7, after: $after) {
      nodes { id meetingLink } pageInfo { hasNextPage endCursor } } }"""
    page = (await student.data(query, after="here"))["getMySessions"]
    assert page == {
        "nodes": [{"id": world.session_id, "meetingLink": "https://meet.test/1"}],
        "pageInfo": {"hasNextPage": True, "endCursor": "next"},
    }
    request = script.one("ListSessions").request
    assert (request.person_id, request.page_size, request.page_token) == (student.id, 7, "here")
    assert request.status == session_pb2.SESSION_STATUS_CONFIRMED


async def test_my_payments_are_paged(student: Any, script: Any, world: Any) -> None:
    refunded = world.payment(
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
@pytest.mark.parametrize("query", ["getMySessions", "getPaymentHistory"])
async def test_a_page_has_1_to_100(student: Any, script: Any, query: str, first: int) -> None:
    error = await student.error(f"query($n: Int) {{ {query}(first: $n) {{ nodes {{ id }} }} }}", n=first)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["first"])
    assert "first: must be from 1 to 100" in error["message"]
    assert not script.seen


async def test_identity_request_id_and_deadline_are_handed_down(student: Any, script: Any, world: Any) -> None:
    script.answers = world.answers()
    body = {"query": BOOKING, "variables": {"id": world.booking_id}}
    answer = await student.http.post("/graphql", json=body, headers=student.headers() | {"x-request-id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert len(script.seen) == 5
    for seen in script.seen:
        assert (seen.call.request_id, seen.call.service, str(seen.call.person.id)) == ("abc-1", "bff", student.id)
        assert seen.seconds_left < 5.5  # a read's own limit, not the whole request's


async def test_49_one_peer_that_fails_leaves_the_rest_of_the_answer(student: Any, script: Any, world: Any) -> None:
    script.answers = world.answers() | {"BatchGetPayments": TryAgain()}
    query = "query($id: ID!) { booking(id: $id) { status session { id } payment { id } } }"
    answer = await student.ask(query, id=world.booking_id)
    assert answer["data"]["booking"] == {"status": "CONFIRMED", "session": {"id": world.session_id}, "payment": None}
    (error,) = answer["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("UNAVAILABLE", ["booking", "payment"])


async def test_what_breaks_inside_a_peer_is_an_internal_error_without_its_words(
    student: Any, script: Any, world: Any
) -> None:
    script.answers = world.answers() | {"BatchGetBookingTimelines": RuntimeError("sql: select 1")}
    answer = await student.ask("query($id: ID!) { booking(id: $id) { id timeline { at } } }", id=world.booking_id)
    (error,) = answer["errors"]
    assert (error["message"], error["extensions"]) == ("internal error", {"code": "INTERNAL"})
    assert answer["data"] == {"booking": None}


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (TryAgain(), "UNAVAILABLE"),
        (Overloaded(), "UNAVAILABLE"),
        (Forbidden(), "FORBIDDEN"),
        (Refusal.known("FAILED_PRECONDITION", "WRONG_STATE", "not now"), "BAD_USER_INPUT"),
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
    monkeypatch.setattr("mesh.calls.remaining", lambda: None)  # even if no call minds the deadline
    monkeypatch.setattr("bff.graphql.operations.GRACE_SECONDS", 0.1)
    script.answers["BatchGetBookings"] = never
    error = await student.error(ANY)
    assert error["code"] == "UNAVAILABLE"


async def test_a_value_a_peer_should_never_send_is_an_internal_error(student: Any, script: Any, world: Any) -> None:
    broken = world.bookings(price=Money(amount_minor=1, currency="???"))
    script.answers = world.answers() | {"BatchGetBookings": broken}
    error = await student.error("query($id: ID!) { booking(id: $id) { id } }", id=world.booking_id)
    assert (error["code"], error["message"]) == ("INTERNAL", "internal error")
