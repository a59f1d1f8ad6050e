"""What makes provider calls has a rate of its own, for each student: 20 at once, then one a second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from bff.app import build
from bff.http.rate_limits import RateLimiter
from bff.peers import PROVIDER_BURST, PROVIDER_PER_SECOND, PROVIDER_RPCS, Peers
from mesh import calls
from mesh.calls import Call, Person
from mesh.identity import ServiceTokenFile
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

#: The RPCs of payment_svc that ask the provider nothing: they read its rows. A webhook is the provider's own call.
NO_PROVIDER_CALL = {
    "BatchGetBookingTimelines",
    "BatchGetPayments",
    "GetBookingTimeline",
    "GetPayment",
    "GetSagaProgress",
    "HandleStripeWebhook",
    "ListPayments",
    "ListTutorPayments",
    "QuoteCancellation",
    "QuoteEnrollmentCancellation",
}
BOOK = 'mutation($tutor: ID!) { bookSession(tutorId: $tutor, time: "2030-01-31T09:00:00Z") { sagaId userErrors { code } } }'
#: Operations of GraphQL that make provider calls, with the RPC that each of them makes.
MUTATIONS = {
    BOOK: "BookSession",
    "mutation($id: ID!) { enrollInCourse(courseId: $id) { sagaId } }": "EnrollInCourse",
    "mutation($id: ID!) { cancelBooking(bookingId: $id) { refund { display } } }": "CancelBooking",
    "mutation($id: ID!) { refreshBooking(id: $id) { booking { id } } }": "RefreshBooking",
    "mutation($id: ID!) { cancelEnrollment(enrollmentId: $id) { refund { display } } }": "CancelEnrollment",
}


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def limited(edge_settings: Any, script: Any, clock: Clock) -> AsyncIterator[Peers]:
    """Peers whose bucket of provider calls fills by `clock` alone."""
    limiter = RateLimiter(clock, per_second=PROVIDER_PER_SECOND, burst=PROVIDER_BURST)
    credentials = ServiceTokenFile(edge_settings.service_token_file)
    async with Peers(edge_settings, credentials, provider_limiter=limiter) as peers:
        yield peers


@pytest_asyncio.fixture
async def client(limited: Peers, verifier: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build(limited, verifier, RateLimiter(burst=10_000)))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as opened:
        yield opened


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Callable[..., Any]:
    """`ask(person, query, **variables)`: the codes of the answer's errors."""

    async def asked(person: Any, query: str, **variables: Any) -> list[str]:
        body = {"query": query, "variables": variables}
        answer = (await client.post("/graphql", json=body, headers=person.headers())).json()
        return [error["extensions"]["code"] for error in answer.get("errors", ())]

    return asked


def test_each_rpc_of_the_payment_service_is_counted_or_makes_no_provider_call() -> None:
    known = {method.name for method in payment_pb2.DESCRIPTOR.services_by_name["PaymentService"].methods}
    assert known == PROVIDER_RPCS | NO_PROVIDER_CALL
    assert not PROVIDER_RPCS & NO_PROVIDER_CALL


async def test_61_one_student_books_20_times_at_once_and_then_once_a_second(
    ask: Any, script: Any, lesson: Any, clock: Clock, student: Any, make_person: Any
) -> None:
    script.answers = lesson.answers()
    assert [await ask(student, BOOK, tutor=lesson.tutor) for _ in range(20)] == [[]] * 20
    assert await ask(student, BOOK, tutor=lesson.tutor) == ["RATE_LIMITED"]
    assert len(script.asked("BookSession")) == 20
    clock.now += 1
    assert await ask(student, BOOK, tutor=lesson.tutor) == []
    assert await ask(student, BOOK, tutor=lesson.tutor) == ["RATE_LIMITED"]
    assert await ask(make_person("student"), BOOK, tutor=lesson.tutor) == []
    assert await ask(student, "query($id: ID!) { booking(id: $id) { status } }", id=lesson.booking_id) == []


@pytest.mark.parametrize(("query", "rpc"), MUTATIONS.items(), ids=MUTATIONS.values())
async def test_61_every_mutation_that_makes_provider_calls_is_counted(
    ask: Any, script: Any, lesson: Any, student: Any, query: str, rpc: str
) -> None:
    told = {"tutor": lesson.tutor, "id": lesson.booking_id}
    codes = [await ask(student, query, **told) for _ in range(21)]
    assert codes[20] == ["RATE_LIMITED"]
    assert ["RATE_LIMITED"] not in codes[:20]
    assert len(script.asked(rpc)) == 20


async def test_61_the_mutations_of_a_person_share_one_bucket(ask: Any, script: Any, lesson: Any, student: Any) -> None:
    told = {"tutor": lesson.tutor, "id": lesson.booking_id}
    codes = [await ask(student, query, **told) for _ in range(5) for query in MUTATIONS]
    assert [number for number, code in enumerate(codes) if code == ["RATE_LIMITED"]] == list(range(20, len(codes)))


async def test_one_document_with_many_mutations_makes_no_more_calls_than_are_left(
    client: httpx.AsyncClient, script: Any, lesson: Any, student: Any, ask: Any
) -> None:
    script.answers = lesson.answers()
    for _ in range(15):
        await ask(student, BOOK, tutor=lesson.tutor)
    times = [f'm{n}: bookSession(tutorId: "{lesson.tutor}", time: "2030-01-{n + 1:02}T09:00:00Z")' for n in range(10)]
    query = "mutation { " + " ".join(f"{one} {{ sagaId }}" for one in times) + " }"
    answer = await client.post("/graphql", json={"query": query}, headers=student.headers())
    (error,) = answer.json()["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["m5"], "RATE_LIMITED")
    assert error["extensions"]["retryAfterMs"] == 1000
    assert len(script.asked("BookSession")) == 20


async def test_rest_says_when_to_come_again(client: httpx.AsyncClient, script: Any, lesson: Any, student: Any) -> None:
    script.answers = lesson.answers()
    path, body = "/payment/create-intent", {"bookingId": lesson.booking_id, "amount": "50.00", "currency": "USD"}
    answers = [await client.post(path, json=body, headers=student.headers()) for _ in range(21)]
    assert 429 not in [answer.status_code for answer in answers[:20]]
    assert answers[20].status_code == 429
    assert answers[20].json()["error"] == {"code": "RATE_LIMITED"}
    assert answers[20].headers["retry-after"] == "1"
    cancel = await client.post(f"/api/v1/bookings/{lesson.booking_id}/cancel", headers=student.headers())
    assert cancel.status_code == 429


@pytest.mark.parametrize("role", ["service", "admin"])
async def test_who_acts_for_others_is_counted_for_each_of_them(limited: Peers, script: Any, role: str) -> None:
    script.answers |= {
        "BookSession": payment_pb2.BookSessionResponse(),
        "CancelBooking": payment_pb2.CancelBookingResponse(),
    }
    calls.enter(Call("id", person=Person(uuid4(), frozenset({role}), "")))

    async def is_limited(rpc: str, request: Any) -> bool:
        try:
            await getattr(limited.payment, rpc)(request, timeout=5)
        except Exception as error:
            return getattr(error, "reason", "") == "RATE_LIMITED"
        return False

    one, other = (payment_pb2.BookSessionRequest(student_id=str(uuid4())) for _ in range(2))
    assert [await is_limited("BookSession", one) for _ in range(21)] == [False] * 20 + [True]
    assert not await is_limited("BookSession", other)
    booking = payment_pb2.CancelBookingRequest(booking_id=str(uuid4()))
    assert [await is_limited("CancelBooking", booking) for _ in range(21)] == [False] * 20 + [True]
    assert not await is_limited("CancelBooking", payment_pb2.CancelBookingRequest(booking_id=str(uuid4())))


async def test_what_makes_no_provider_call_is_not_counted(ask: Any, script: Any, lesson: Any, tutor: Any) -> None:
    script.answers["CreateCourse"] = learning_pb2.CreateCourseResponse()
    quote = "query($id: ID!) { cancellationQuote(bookingId: $id) { percent } }"
    assert ["RATE_LIMITED"] not in [await ask(tutor, quote, id=lesson.booking_id) for _ in range(30)]
