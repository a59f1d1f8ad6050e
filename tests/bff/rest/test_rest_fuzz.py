"""Random bodies, queries, paths and keys at every REST route: a clear answer, no 5xx, no stack trace, no hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.app import build
from bff.http.rate_limits import RateLimiter
from bff.rest.routes import ENDPOINTS
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

BOOKINGS = "/api/v1/bookings"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = """student_uuid course_uuid instructor_uuid start_time end_time price_amount currency purpose blocks reason
quote_token bookingId amount payment_reference payment_status payment_engine title seats""".split()
near = st.sampled_from([str(uuid4()), "2030-01-31T09:00", "2030-01-31T10:00Z", "50.00", "USD", "succeeded", "callback"])
bodies = (
    st.dictionaries(st.sampled_from(FIELDS), json_values | near, max_size=9).map(lambda it: json.dumps(it).encode())
    | json_values.map(lambda it: json.dumps(it).encode())
    | st.binary()
)
words = st.text() | near
many = settings(
    max_examples=150,
    deadline=None,  # each request has its own below; the machine may be busy
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
async def raw(peers: Any, verifier: Any, script: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The edge without a rate limit; an exception in it reaches the test."""
    transport = httpx.ASGITransport(app=build(peers, verifier, RateLimiter(clock=Rising())), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        yield client


class Rising:
    """A clock that moves on a second at each reading."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def known(script: Any, lesson: Any) -> None:
    script.seen.clear()
    nothing = Money(amount_minor=0, currency="USD")
    script.answers = lesson.answers() | {
        "CancelBooking": payment_pb2.CancelBookingResponse(refund=nothing),
        "HandlePaymentCallback": payment_pb2.HandlePaymentCallbackResponse(),
        "CreatePaymentIntent": payment_pb2.CreatePaymentIntentResponse(),
        "CreateCourse": learning_pb2.CreateCourseResponse(course=learning_pb2.Course(price=nothing)),
        "EnrollInCourse": payment_pb2.EnrollInCourseResponse(),
        "CancelEnrollment": payment_pb2.CancelEnrollmentResponse(refund=nothing),
        "GetEnrollment": learning_pb2.GetEnrollmentResponse(
            enrollment=learning_pb2.Enrollment(status=1, price=nothing)
        ),
    }


@many
@given(operation=st.sampled_from(ENDPOINTS), content=bodies, query=st.dictionaries(words, words, max_size=3))
async def test_50_random_bodies_and_queries_at_every_route(
    raw: httpx.AsyncClient, script: Any, lesson: Any, token: Any, operation: Any, content: bytes, query: dict[str, str]
) -> None:
    known(script, lesson)
    path = operation.path.replace("{uuid}", lesson.booking_id).replace("{blockUuid}", lesson.session_id)
    headers = {"authorization": f"Bearer {token('service')}", "content-type": "application/json"}
    sent = raw.request(operation.method, path, content=content, params=encodable(query), headers=headers)
    answer = await asyncio.wait_for(sent, 10)
    assert answer.status_code < 500 or answer.json()["error"]["code"] == "TRY_AGAIN", answer.text
    assert set(answer.json()) - {"error"} == {"success", "message", "data"}
    assert "Traceback" not in answer.text


def encodable(query: dict[str, str]) -> dict[str, str]:
    """A URL cannot carry lone surrogates."""
    return {name: value for name, value in query.items() if (name + value).isprintable()}


@many
@given(path=words, key=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])))
async def test_50_random_paths_and_keys(
    raw: httpx.AsyncClient, script: Any, lesson: Any, token: Any, path: str, key: str
) -> None:
    known(script, lesson)
    wish = {
        "student_uuid": str(uuid4()),  # one student books only so often
        "course_uuid": None,
        "instructor_uuid": lesson.tutor,
        "start_time": "2030-01-31T09:00",
        "end_time": "2030-01-31T10:00",
    }
    headers = {"authorization": f"Bearer {token('service')}".encode(), "idempotency-key": key.encode("latin-1")}
    answer = await raw.post(BOOKINGS, json=wish, headers=headers)
    assert answer.status_code in (200, 422)
    answer = await raw.get(f"{BOOKINGS}/{quote(path, safe='')}", headers=headers)
    assert answer.status_code in (200, 404, 405, 422)
