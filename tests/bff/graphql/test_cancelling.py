"""Quoting and cancelling: the RPC of each field, and its answers and refusals."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from grpc import StatusCode

from mesh.errors import BadInput, CallFailed, NotFound, Refusal, TryAgain
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

QUOTE = """
query Quote($bookingId: ID!) {
  cancellationQuote(bookingId: $bookingId) {
    refund { amountMinor currency display } percent rule token expiresAt
  }
}
"""
PAYLOAD = "{ booking { id status } refund { amountMinor display } userErrors { code message field retryable } }"
CANCEL_BOOKING = f"""
mutation Cancel($id: ID!, $quoteToken: String, $reason: String) {{
  cancel: cancelBooking(bookingId: $id, quoteToken: $quoteToken, reason: $reason) {PAYLOAD}
}}
"""
CANCEL_SESSION = f"""
mutation Cancel($id: ID!, $quoteToken: String, $reason: String) {{
  cancel: cancelSession(sessionId: $id, quoteToken: $quoteToken, reason: $reason) {PAYLOAD}
}}
"""
BOTH = pytest.mark.parametrize("mutation", [CANCEL_BOOKING, CANCEL_SESSION], ids=["booking", "session"])


@pytest.fixture
def sold(script: Any, lesson: Any, at: Any) -> Any:
    """The peers of a sold lesson that can be cancelled for half of its price."""
    half = Money(amount_minor=2500, currency="USD")
    quote = payment_pb2.QuoteCancellationResponse(
        refund=half, percent=50, rule="2 h or more: 50 %", token="q.1", expires_at=at("2030-01-30T09:15:00Z")
    )

    async def cancel(_: object) -> payment_pb2.CancelBookingResponse:
        ended = lesson.session(status=session_pb2.SESSION_STATUS_CANCELLED)
        script.answers["BatchGetBookings"] = lesson.bookings(status=booking_pb2.BOOKING_STATUS_CANCELLED)
        script.answers["BatchGetSessions"] = session_pb2.BatchGetSessionsResponse(sessions=[ended])
        return payment_pb2.CancelBookingResponse(refund=half, saga_id=lesson.saga_id)

    script.answers = lesson.answers() | {"QuoteCancellation": quote, "CancelBooking": cancel}
    return lesson


def named(mutation: str, lesson: Any) -> str:
    """The id that a mutation is given."""
    wanted: str = lesson.session_id if mutation is CANCEL_SESSION else lesson.booking_id
    return wanted


async def test_a_quote_shows_refund_percent_rule_token_and_expiry(student: Any, script: Any, sold: Any) -> None:
    assert (await student.data(QUOTE, bookingId=sold.booking_id))["cancellationQuote"] == {
        "refund": {"amountMinor": 2500, "currency": "USD", "display": "$25.00"},
        "percent": 50,
        "rule": "2 h or more: 50 %",
        "token": "q.1",
        "expiresAt": "2030-01-30T09:15:00Z",
    }
    seen = script.one("QuoteCancellation")
    assert seen.request.booking_id == sold.booking_id
    assert str(seen.call.person.id) == student.id


async def test_a_booking_that_cannot_be_cancelled_has_no_quote(student: Any, script: Any, sold: Any) -> None:
    script.answers["QuoteCancellation"] = Refusal.from_parts("FAILED_PRECONDITION", "NOT_CANCELLABLE", "it has ended")
    error = await student.error(QUOTE, bookingId=sold.booking_id)
    assert (error["code"], error["message"]) == ("BAD_USER_INPUT", "NOT_CANCELLABLE: it has ended")


async def test_a_quote_for_anothers_booking_does_not_exist(student: Any, script: Any) -> None:
    script.answers["QuoteCancellation"] = NotFound()
    assert (await student.error(QUOTE, bookingId=str(uuid.uuid4())))["code"] == "NOT_FOUND"


@BOTH
async def test_a_cancel_answers_the_refund_and_the_cancelled_booking(
    student: Any, script: Any, sold: Any, mutation: str
) -> None:
    given = {"id": named(mutation, sold), "quoteToken": "q.1", "reason": "ill"}
    assert (await student.data(mutation, **given))["cancel"] == {
        "booking": {"id": sold.booking_id, "status": "CANCELLED"},
        "refund": {"amountMinor": 2500, "display": "$25.00"},
        "userErrors": [],
    }
    seen = script.one("CancelBooking")
    assert (seen.request.booking_id, seen.request.quote_token, seen.request.reason) == (sold.booking_id, "q.1", "ill")
    assert str(seen.call.person.id) == student.id
    assert 7 < seen.seconds_left < 8.5


@BOTH
async def test_quote_and_reason_are_optional(student: Any, script: Any, sold: Any, mutation: str) -> None:
    await student.data(mutation, id=named(mutation, sold), reason=None)
    request = script.one("CancelBooking").request
    assert (request.quote_token, request.reason) == ("", "")


async def test_a_session_read_before_its_cancel_is_read_again(student: Any, script: Any, sold: Any) -> None:
    query = "mutation($id: ID!) { cancelSession(sessionId: $id) { booking { status session { status } } } }"
    data = await student.data(query, id=sold.session_id)
    assert data["cancelSession"]["booking"] == {"status": "CANCELLED", "session": {"status": "CANCELLED"}}
    assert [seen.rpc for seen in script.seen] == ["GetSession", "CancelBooking", "BatchGetBookings", "BatchGetSessions"]


async def test_a_cancel_without_a_refund_answers_zero(student: Any, script: Any, sold: Any) -> None:
    none = payment_pb2.CancelBookingResponse(refund=Money(amount_minor=0, currency="USD"), saga_id=sold.saga_id)
    script.answers["CancelBooking"] = none
    payload = (await student.data(CANCEL_BOOKING, id=sold.booking_id))["cancel"]
    assert payload["refund"] == {"amountMinor": 0, "display": "$0.00"}


async def test_a_cancel_answers_the_refund_even_when_the_booking_cannot_be_read(
    student: Any, script: Any, sold: Any
) -> None:
    cancel = payment_pb2.CancelBookingResponse(refund=Money(amount_minor=2500, currency="USD"))
    script.answers |= {"CancelBooking": cancel, "BatchGetBookings": TryAgain()}
    answer = await student.ask(CANCEL_BOOKING, id=sold.booking_id)
    assert answer["data"]["cancel"]["refund"]["amountMinor"] == 2500
    assert [error["path"] for error in answer["errors"]] == [["cancel", "booking"]]


@BOTH
@pytest.mark.parametrize("role", ["tutor", "admin"])
async def test_any_role_may_cancel_and_the_services_decide_whose_booking_it_is(
    make_person: Callable[..., Any], script: Any, sold: Any, mutation: str, role: str
) -> None:
    person = make_person(role)
    assert (await person.data(mutation, id=named(mutation, sold)))["cancel"]["userErrors"] == []
    assert str(script.one("CancelBooking").call.person.id) == person.id


@BOTH
@pytest.mark.parametrize(
    ("reason", "field", "retryable"),
    [
        ("NOT_CANCELLABLE", None, False),
        ("QUOTE_EXPIRED", ["quoteToken"], False),
        ("PAYMENT_PROVIDER_UNAVAILABLE", None, True),
        ("TRY_AGAIN", None, True),
    ],
)
async def test_a_business_rule_that_refuses_a_cancel_is_a_user_error(
    student: Any, script: Any, sold: Any, mutation: str, reason: str, field: list[str] | None, retryable: bool
) -> None:
    script.answers["CancelBooking"] = Refusal.from_parts("FAILED_PRECONDITION", reason, "because")
    assert (await student.data(mutation, id=named(mutation, sold)))["cancel"] == {
        "booking": None,
        "refund": None,
        "userErrors": [{"code": reason, "message": "because", "field": field, "retryable": retryable}],
    }


async def test_a_cancel_whose_outcome_is_unknown_may_be_sent_again(
    student: Any, sold: Any, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object, timeout: float) -> None:
        raise CallFailed(StatusCode.DEADLINE_EXCEEDED, "10.0.0.1 is slow")

    monkeypatch.setattr(peers.payment, "CancelBooking", lost)
    (error,) = (await student.data(CANCEL_BOOKING, id=sold.booking_id))["cancel"]["userErrors"]
    assert (error["code"], error["retryable"]) == ("TRY_AGAIN", True)


async def test_another_persons_session_cannot_be_cancelled(student: Any, script: Any, sold: Any) -> None:
    script.answers["GetSession"] = NotFound()
    assert (await student.error(CANCEL_SESSION, id=str(uuid.uuid4())))["code"] == "NOT_FOUND"
    assert not script.asked("CancelBooking")


async def test_another_persons_booking_cannot_be_cancelled(student: Any, script: Any) -> None:
    script.answers["CancelBooking"] = NotFound()
    assert (await student.error(CANCEL_BOOKING, id=str(uuid.uuid4())))["code"] == "NOT_FOUND"


@BOTH
async def test_an_empty_quote_token_is_refused(student: Any, script: Any, sold: Any, mutation: str) -> None:
    error = await student.error(mutation, id=named(mutation, sold), quoteToken="")
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["quoteToken"])
    assert not script.asked("CancelBooking")


@pytest.mark.parametrize(
    ("proto_field", "argument"), [("booking_id", "bookingId"), ("quote_token", "quoteToken"), ("reason", "reason")]
)
async def test_a_bad_argument_of_a_cancel_is_named(
    student: Any, script: Any, sold: Any, proto_field: str, argument: str
) -> None:
    script.answers["CancelBooking"] = BadInput("cannot be", field=proto_field)
    error = await student.error(CANCEL_BOOKING, id=sold.booking_id)
    assert (error["code"], error["message"]) == ("BAD_USER_INPUT", f"{argument}: cannot be")


@pytest.mark.parametrize("query", [QUOTE.replace("$bookingId", "$id"), CANCEL_BOOKING, CANCEL_SESSION])
async def test_quoting_and_cancelling_need_a_token(nobody: Any, script: Any, query: str) -> None:
    assert (await nobody.error(query, id=str(uuid.uuid4())))["code"] == "UNAUTHENTICATED"
    assert not script.seen
