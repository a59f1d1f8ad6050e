"""REST before scripted peers: what it sends on, and the answer to each kind of failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from grpc import StatusCode

from bff.app import build
from bff.http.rate_limits import RateLimiter
from mesh.errors import BadInput, CallFailed, Forbidden, NotFound, Overloaded, Refusal, TryAgain, Unauthenticated
from mesh.identity import KeySet, Verifier
from tests.scraped import own
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2

BOOKINGS, CREATE = "/api/v1/bookings", "/payment/create-intent"


def body(lesson: Any, **changes: Any) -> dict[str, Any]:
    times = {"start_time": "2030-01-31T09:00:00Z", "end_time": "2030-01-31T10:00:00Z"}
    people = {"student_uuid": lesson.student, "course_uuid": None, "instructor_uuid": lesson.tutor}
    return {**people, **times, **changes}


async def test_a_booking_is_made_and_answered_with_rests_names(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    asked = body(lesson, purpose="fractions", price_amount=50.0, currency="USD")
    headers = student.headers() | {"idempotency-key": "k"}
    answer = await student.http.post(BOOKINGS, json=asked, headers=headers)
    seen = script.one("BookSession")
    order = payment_pb2.BookSessionRequest(
        student_id=lesson.student,
        tutor_id=lesson.tutor,
        duration_minutes=60,
        purpose="fractions",
        idempotency_key="k",
        price=payment_pb2.AskedPrice(amount="50.0", currency="USD"),
    )
    order.start_time.FromJsonString("2030-01-31T09:00:00Z")
    assert seen.request == order
    assert (str(seen.call.person.id), seen.call.service) == (student.id, "bff")
    assert seen.call.request_id == answer.headers["x-request-id"]
    told = answer.json()
    assert (told["success"], told["data"]["client_secret"]) == (True, "pi_1_secret_hush")
    assert told["data"]["payment_session_id"] == "pi_1"


async def test_a_repeat_whose_booking_has_ended_says_how(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    for word in ("EXPIRED", "CANCELLED", "PAYMENT_FAILED"):
        ended = lesson.booking(status=f"BOOKING_STATUS_{word}")
        script.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=ended)
        script.answers["BookSession"] = lesson.booked(saga_state=word, client_secret="")
        answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
        assert (answer.status_code, answer.json()["message"]) == (200, f"the booking has ended: {word.lower()}")
        assert (answer.json()["data"]["status"], answer.json()["data"]["client_secret"]) == (word.lower(), None)
    script.answers["GetBooking"].booking.status = booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED
    script.answers["BookSession"].saga_state = "COMPENSATING"
    answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
    assert (answer.status_code, answer.json()["message"]) == (200, "the booking is ending")


@pytest.mark.parametrize("state", ["COMPENSATING", "PAYMENT_FAILED"])
async def test_a_booking_whose_payment_is_refused_is_a_failure(
    student: Any, script: Any, lesson: Any, state: str
) -> None:
    refused = lesson.booked(saga_state=state, payment_intent_id="", client_secret="")
    script.answers = lesson.answers() | {"BookSession": refused}
    answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
    told = answer.json()
    assert (answer.status_code, told["success"], told["error"]) == (409, False, {"code": "PAYMENT_REFUSED"})
    assert told["data"]["uuid"] == lesson.booking_id


async def test_a_refused_price_names_the_currency_when_only_that_was_given(
    student: Any, script: Any, lesson: Any
) -> None:
    for asked, named in [({"currency": "EUR"}, "currency"), ({"currency": "EUR", "price_amount": 50}, "price_amount")]:
        script.answers["BookSession"] = Refusal.from_parts("FAILED_PRECONDITION", "AMOUNT_MISMATCH", "no", "price")
        answer = await student.http.post(BOOKINGS, json=body(lesson, **asked), headers=student.headers())
        assert (answer.status_code, answer.json()["error"]["field"]) == (409, named)


async def test_a_block_that_ends_before_it_starts_is_refused_with_rests_names(tutor: Any, script: Any) -> None:
    blocks = [
        {"start_time": "2030-01-01T01:00Z", "end_time": end} for end in ("2030-01-01T02:00Z", "2030-01-01T01:00Z")
    ]
    path = f"/api/v1/instructors/{tutor.id}/availability/block"
    answer = await tutor.http.post(path, json={"blocks": blocks}, headers=tutor.headers())
    assert answer.json()["message"] == "blocks[1].end_time: must be after start_time"
    assert not script.seen


FAILURES = [
    (Refusal.from_parts("FAILED_PRECONDITION", "SLOT_TAKEN", "taken"), 409, "SLOT_TAKEN"),
    (Refusal.from_parts("ABORTED", "SOMETHING_NEW", "?"), 409, "SOMETHING_NEW"),
    (Refusal.from_parts("NOT_FOUND", "COURSE_NOT_FOUND", "none"), 404, "COURSE_NOT_FOUND"),
    (NotFound(), 404, "NOT_FOUND"),
    (Forbidden(), 403, "FORBIDDEN"),
    (BadInput("no", field="start_time"), 422, "BAD_USER_INPUT"),
    (Refusal.from_parts("UNAVAILABLE", "PAYMENT_PROVIDER_UNAVAILABLE", "away"), 503, "PAYMENT_PROVIDER_UNAVAILABLE"),
    (TryAgain(), 503, "TRY_AGAIN"),
    (Overloaded(), 503, "OVERLOADED"),
    (Unauthenticated(), 503, "TRY_AGAIN"),  # a peer rejects the token; the person cannot mend that
    (RuntimeError("the inside"), 503, "TRY_AGAIN"),  # a bare INTERNAL: the outcome is unknown
]


@pytest.mark.parametrize(("failure", "status", "code"), FAILURES)
async def test_each_failure_has_its_status_and_code(
    student: Any, script: Any, lesson: Any, failure: Exception, status: int, code: str
) -> None:
    script.answers["BookSession"] = failure
    answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "inside" not in answer.text


@pytest.mark.parametrize(("code", "status"), [(StatusCode.UNAVAILABLE, 503), (StatusCode.UNIMPLEMENTED, 500)])
async def test_a_peer_that_does_not_answer_is_503_unless_a_repeat_cannot_help(
    student: Any, lesson: Any, peers: Any, monkeypatch: pytest.MonkeyPatch, code: StatusCode, status: int
) -> None:
    async def failing(*_: object, timeout: float) -> None:
        raise CallFailed(code, "the inside")

    monkeypatch.setattr(peers.payment, "BookSession", failing)
    answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
    assert answer.status_code == status
    assert "inside" not in answer.text


async def test_a_request_beyond_its_deadline_is_503(
    student: Any, script: Any, lesson: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    script.answers["BookSession"] = never
    monkeypatch.setattr("bff.http.middleware.REQUEST_SECONDS", 0.1)
    monkeypatch.setattr("bff.rest.endpoints.GRACE_SECONDS", 0.0)
    answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "TRY_AGAIN")


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("student_id", "student_uuid"),
        ("tutor_id", "instructor_uuid"),
        ("price.amount", "price_amount"),
        ("duration_minutes", "end_time"),
        ("start_time", "start_time"),
        ("other[0].start", "other[0].start"),
    ],
)
async def test_a_services_field_is_named_as_in_rest(
    student: Any, script: Any, lesson: Any, field: str, named: str
) -> None:
    script.answers["BookSession"] = BadInput("is wrong", field=field)
    answer = (await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())).json()
    assert (answer["message"], answer["error"]["field"]) == (f"{named}: is wrong", named)


async def test_a_bad_token_is_401_and_an_issuer_that_is_away_503(
    http: httpx.AsyncClient, peers: Any, student: Any, auth_settings: dict[str, Any]
) -> None:
    for authorization in ("Bearer nonsense", "Basic YTpi", "Bearer "):
        answer = await http.get(f"{BOOKINGS}/{uuid4()}", headers={"authorization": authorization})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    verifier = Verifier(KeySet("file:///nowhere/jwks.json"), auth_settings["auth_issuer"], "x")
    transport = httpx.ASGITransport(app=build(peers, verifier))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        answer = await client.get(f"{BOOKINGS}/{uuid4()}", headers=student.headers())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "TRY_AGAIN")


async def test_rest_and_graphql_share_a_persons_rate(
    peers: Any, verifier: Any, script: Any, make_person: Callable[..., Any]
) -> None:
    transport = httpx.ASGITransport(app=build(peers, verifier, RateLimiter(clock=lambda: 0.0)))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        headers = make_person("student").headers()
        for _ in range(100):
            await client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        before, limited = own(), "tutormesh_bff_rate_limited_total"
        answer = await client.get(f"{BOOKINGS}/{uuid4()}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert answer.headers["retry-after"] == "1"
    assert own().value(limited) - before.value(limited) == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": "\\ud800"}', "application/json", 400),
        (b'{"a": 1e' + b"9" * 40 + b"}", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * 100_001, "application/json", 413),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    student: Any, script: Any, content: bytes, kind: str, status: int
) -> None:
    headers = student.headers() | {"content-type": kind}
    answer = await student.http.post(BOOKINGS, content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, "BAD_REQUEST")
    assert not script.seen


async def test_secrets_are_in_no_log(student: Any, script: Any, lesson: Any, capfd: pytest.CaptureFixture[str]) -> None:
    script.answers = lesson.answers()
    answer = await student.http.post(BOOKINGS, json=body(lesson), headers=student.headers())
    assert answer.json()["data"]["client_secret"] == "pi_1_secret_hush"
    logged = "".join(capfd.readouterr())
    assert "route=/api/v1/bookings " in logged
    assert "hush" not in logged
    assert student.token not in logged
