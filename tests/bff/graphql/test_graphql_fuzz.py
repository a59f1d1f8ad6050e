"""Random bodies at GraphQL and at the webhook endpoint: a clear answer, no 5xx of ours, no stack trace, no hang."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.app import build
from bff.http.rate_limits import RateLimiter
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

CODES = {"UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "NOT_FOUND", "RATE_LIMITED"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
WORDS = """{ } ( ) [ ] : ! $ @ = | & ... query mutation fragment on Query booking bookSession id a: tutorAvailability
nodes getMySessions timeline $x (id:1) {id} " \\u # __schema __type __typename @skip(if:true) @include(if:$x)
1e999 -1 null"""
words = st.sampled_from([*WORDS.split(), '"""', "\n", "\ufeff", "é"])
documents = st.lists(words, max_size=25).map(" ".join) | st.text()
graphql_bodies = (
    st.fixed_dictionaries(
        {"query": documents},
        optional={"variables": json_values, "operationName": json_values, "extensions": json_values},
    ).map(lambda body: json.dumps(body).encode())
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.binary()
)
VARIABLES = """mutation($t: ID!, $at: AWSDateTime!, $n: Int, $c: ID, $p: String, $k: String) {
  bookSession(tutorId: $t, time: $at, durationMinutes: $n, courseId: $c, purpose: $p, idempotencyKey: $k) { sagaId }
}"""
CANCELS = (
    "mutation($b: ID!, $q: String, $r: String) { cancelBooking(bookingId: $b, quoteToken: $q, reason: $r)"
    " { refund { display } } }",
    "mutation($s: ID!, $q: String, $r: String) { cancelSession(sessionId: $s, quoteToken: $q, reason: $r)"
    " { refund { display } } }",
    "query($b: ID!) { cancellationQuote(bookingId: $b) { rule expiresAt } }",
)
COURSES = (
    "mutation($c: ID!, $k: String) { enrollInCourse(courseId: $c, idempotencyKey: $k) { sagaId } }",
    "mutation($e: ID!, $r: String, $k: String) { cancelEnrollment(enrollmentId: $e, reason: $r, quoteToken: $k)"
    " { refund { display } } }",
    "mutation($t: String!, $a: Int!, $n: String!, $s: Int) { createCourse("
    "input: {title: $t, price: {amountMinor: $a, currency: $n}, seats: $s}) { course { id } } }",
)
variable_values = st.fixed_dictionaries(
    {},
    optional={
        "t": json_values,
        "at": json_values | st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
        "n": json_values,
        "c": json_values,
        "p": json_values,
        "k": json_values,
    },
)

many = settings(
    max_examples=200,
    deadline=None,  # each request has its own below; the machine may be busy
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest_asyncio.fixture
async def raw(peers: Any, verifier: Any, script: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The edge; an exception in it reaches the test."""

    ample = RateLimiter(clock=itertools.count().__next__)  # each reading is a second later
    transport = httpx.ASGITransport(app=build(peers, verifier, ample), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        yield client


async def answered(raw: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> None:
    answer = await asyncio.wait_for(
        raw.post("/graphql", content=body, headers=headers | {"content-type": "application/json"}), 10
    )
    assert answer.status_code in (200, 400, 413)
    assert "Traceback" not in answer.text
    assert {error["extensions"]["code"] for error in answer.json().get("errors", ())} <= CODES


@many
@given(body=graphql_bodies)
async def test_50_random_bodies_at_graphql(raw: httpx.AsyncClient, student: Any, body: bytes) -> None:
    await answered(raw, body, student.headers())


@many
@given(variables=variable_values)
async def test_random_variables_of_a_booking(
    raw: httpx.AsyncClient, student: Any, script: Any, variables: dict[str, Any]
) -> None:
    script.answers["BookSession"] = payment_pb2.BookSessionResponse()
    await answered(raw, json.dumps({"query": VARIABLES, "variables": variables}).encode(), student.headers())


@many
@given(variables=st.fixed_dictionaries({}, optional={name: json_values | st.text() for name in ("b", "s", "q", "r")}))
async def test_random_variables_of_a_cancel(
    raw: httpx.AsyncClient, student: Any, script: Any, variables: dict[str, Any]
) -> None:
    nothing = Money(amount_minor=0, currency="USD")
    script.answers["GetSession"] = session_pb2.GetSessionResponse()
    script.answers["CancelBooking"] = payment_pb2.CancelBookingResponse(refund=nothing)
    script.answers["QuoteCancellation"] = payment_pb2.QuoteCancellationResponse(refund=nothing)
    for query in CANCELS:
        await answered(raw, json.dumps({"query": query, "variables": variables}).encode(), student.headers())


@many
@given(variables=st.fixed_dictionaries({}, optional={name: json_values | st.text() for name in "ckeritnas"}))
async def test_random_variables_of_courses(
    raw: httpx.AsyncClient, student: Any, tutor: Any, script: Any, variables: dict[str, Any]
) -> None:
    course = learning_pb2.Course(price=Money(amount_minor=0, currency="USD"))
    script.answers["EnrollInCourse"] = payment_pb2.EnrollInCourseResponse()
    script.answers["CancelEnrollment"] = payment_pb2.CancelEnrollmentResponse(refund=course.price)
    script.answers["CreateCourse"] = learning_pb2.CreateCourseResponse(course=course)
    for person, query in ((student, COURSES[0]), (student, COURSES[1]), (tutor, COURSES[2])):
        await answered(raw, json.dumps({"query": query, "variables": variables}).encode(), person.headers())


@many
@given(body=st.binary(max_size=2000), signature=st.binary(max_size=50).filter(lambda text: b"\n" not in text))
async def test_50_random_bodies_at_the_webhook_endpoint(
    raw: httpx.AsyncClient, script: Any, body: bytes, signature: bytes
) -> None:
    script.answers["HandleStripeWebhook"] = payment_pb2.HandleStripeWebhookResponse()
    answer = await raw.post("/webhooks/stripe", content=body, headers={"stripe-signature": signature})
    assert answer.status_code == 200
    assert script.seen[-1].request.payload == body


@many
@given(token=st.binary(max_size=100))
async def test_random_tokens(raw: httpx.AsyncClient, token: bytes) -> None:
    headers = {"authorization": b"Bearer " + token}
    answer = await raw.post("/graphql", json={"query": '{ booking(id: "1") { id } }'}, headers=headers)
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAUTHENTICATED"]
