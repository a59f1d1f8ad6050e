"""What a request costs is charged, whoever sends it and by whichever endpoint; also when it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bff.app import build
from bff.graphql.limits import Size
from bff.graphql.operations import Answered
from bff.http.bodies import ANSWER_BYTES_PER_UNIT
from bff.http.rate_limits import RateLimiter
from tests.bff.live import listening, served
from tutormesh.availability.v1 import availability_pb2
from tutormesh.common.v1.money_pb2 import Money

NAME = "{ __typename }"
MONTH = {"from": "2030-01-01T00:00:00Z", "to": "2030-02-01T00:00:00Z"}
LISTING = """query($id: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  tutorAvailability(tutorId: $id, from: $from, to: $to) { start end price { amountMinor currency display } } }"""
#: What a whole month of quarters of an hour is charged before anybody knows how many of them are free.
MONTH_UNITS = Size(values=1 + 2976 * 6, items=2976).units_of_answer()


def slots(count: int) -> Any:
    def slot(number: int) -> Any:
        made = availability_pb2.Slot(price=Money(amount_minor=5000, currency="USD"))
        made.start.FromSeconds(1_900_000_000 + 900 * number)
        made.end.FromSeconds(1_900_003_600 + 900 * number)
        return made

    return availability_pb2.ListSlotsResponse(slots=[slot(number) for number in range(count)])


@pytest.fixture
def still() -> RateLimiter:
    """A rate limiter whose buckets never refill."""
    return RateLimiter(clock=lambda: 0.0)


@pytest.fixture
def client(peers: Any, verifier: Any, script: Any, still: RateLimiter) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=build(peers, verifier, still))
    return httpx.AsyncClient(transport=transport, base_url="http://edge.test")


@pytest.fixture
def cost(client: httpx.AsyncClient, student: Any) -> Callable[..., Any]:
    """`cost("POST", path, json=…)`: the units that a request of the student takes."""
    left = [100]

    async def charged(method: str, path: str, **content: Any) -> int:
        answer = await client.request(method, path, headers=student.headers(), **content)
        before, left[0] = left[0], int(answer.headers["ratelimit-remaining"])
        return before - left[0]

    return charged


def graphql(query: str, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": variables}


@pytest.mark.parametrize("path", ["/graphql", "/subgraphs/bookings"])
async def test_58_a_plain_request_costs_one(cost: Any, script: Any, lesson: Any, path: str) -> None:
    script.answers = lesson.answers()
    query = "query($id: ID!) { booking(id: $id) { id status price { display } timeline { at event } } }"
    assert await cost("POST", path, json=graphql(query, id=lesson.booking_id)) == 1
    assert await cost("POST", path, json=graphql(query, id=lesson.booking_id)) == 1


@pytest.mark.parametrize(
    ("query", "least"),
    [
        ("{" + " ".join(f"unknown{number}" for number in range(590)) + "}", 4),
        ('{ booking(id: "1") {' + "id " * 585 + "} }", 3),
        ("{ __typename } fragment A on Booking { " + "session { id } " * 475 + "}", 9),
        ("{" + "booking " * 1900, 9),
        ("{ __typename #" + "x" * 90_000 + "\n", 11),
    ],
    ids=["unknown names", "one name", "an unused fragment", "a syntax error", "a long syntax error"],
)
async def test_58_a_refused_document_is_charged_what_it_cost(cost: Any, script: Any, query: str, least: int) -> None:
    assert await cost("POST", "/graphql", json=graphql(query)) >= least
    assert not script.seen


async def test_58_introspection_is_charged(cost: Any) -> None:
    assert await cost("POST", "/graphql", json=graphql("{ __schema { types { name } } }")) > 10


async def test_58_a_large_body_is_charged(cost: Any) -> None:
    assert await cost("POST", "/graphql", json=graphql(NAME, filler="x" * 90_000)) == 10
    assert await cost("POST", "/api/v1/bookings", json={"filler": "x" * 90_000}) == 10
    assert await cost("POST", "/api/v1/bookings", json={}) == 1


async def test_58_a_long_query_string_is_charged(cost: Any, student: Any) -> None:
    path = f"/api/v1/instructors/{student.id}/availability"
    assert await cost("GET", f"{path}?{'a=b&' * 7000}") == 3
    assert await cost("GET", f"{path}?from=now") == 1


async def test_58_a_document_that_is_known_is_not_charged_for_reading_again(cost: Any) -> None:
    query = "{" + " ".join(f"a{number}: __typename @include(if: true) @skip(if: false)" for number in range(20)) + "}"
    assert await cost("POST", "/graphql", json=graphql(query)) == 2
    assert await cost("POST", "/graphql", json=graphql(query)) == 1


async def test_58_a_listing_is_charged_what_it_answers(cost: Any, script: Any, student: Any) -> None:
    script.answers["ListSlots"] = slots(600)
    few = await cost("POST", "/graphql", json=graphql(LISTING, id=student.id, **MONTH))
    script.answers["ListSlots"] = slots(2976)
    many = await cost("POST", "/graphql", json=graphql(LISTING, id=student.id, **MONTH))
    assert 5 <= few < 15
    assert many >= MONTH_UNITS / 2
    assert many > 3 * few


async def test_58_a_listing_over_rest_is_charged_what_it_answers(cost: Any, script: Any, student: Any) -> None:
    path = f"/api/v1/instructors/{student.id}/availability"
    script.answers["ListSlots"] = slots(0)
    assert await cost("GET", path, params=MONTH) == 1
    script.answers["ListSlots"] = slots(2976)
    assert await cost("GET", path, params=MONTH) > 20


async def test_58_what_a_listing_may_answer_is_charged_before_it_is_made(
    client: httpx.AsyncClient, script: Any, student: Any, still: RateLimiter
) -> None:
    seen = []

    async def answer(_: object) -> Any:
        seen.append(still.look(student.key).tokens)
        return slots(0)

    script.answers["ListSlots"] = answer
    await client.post("/graphql", json=graphql(LISTING, id=student.id, **MONTH), headers=student.headers())
    await client.get(f"/api/v1/instructors/{student.id}/availability", params=MONTH, headers=student.headers())
    assert seen[0] <= 100 - MONTH_UNITS
    assert seen[1] <= 100 - 30


async def test_58_who_owes_is_refused_before_anything_is_parsed(
    client: httpx.AsyncClient, script: Any, student: Any, still: RateLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.charge(student.key, 100)
    monkeypatch.setattr("bff.graphql.endpoint.parse_operation", None)  # it would raise
    answer = await client.post("/graphql", json=graphql(NAME), headers=student.headers())
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["RATE_LIMITED"]
    still.charge(student.key, 50)
    answer = await client.post("/graphql", json=graphql(NAME), headers=student.headers())
    assert answer.json()["errors"][0]["extensions"]["retryAfterMs"] == 1020
    assert (answer.headers["ratelimit-remaining"], answer.headers["retry-after"]) == ("0", "2")


async def test_58_requests_that_wait_do_not_run_once_their_caller_owes(
    client: httpx.AsyncClient, script: Any, student: Any
) -> None:
    """All of a burst is counted before the first of it is read. Only so many are read as were paid for."""
    costly = graphql("{" + " ".join(f"unknown{number}" for number in range(590)) + "}")
    asked = [client.post("/graphql", json=costly, headers=student.headers()) for _ in range(90)]
    answers = [answer.json()["errors"][0]["extensions"]["code"] for answer in await asyncio.gather(*asked)]
    assert set(answers) == {"BAD_USER_INPUT", "RATE_LIMITED"}
    assert answers.count("BAD_USER_INPUT") < 10


async def test_58_messages_of_a_socket_are_charged_what_they_cost(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, student: Any, still: RateLimiter
) -> None:
    script.answers["ListSlots"] = slots(2976)
    async with served(build(peers, verifier, still), edge_settings) as at, listening(at, student.token) as listener:
        await listener.say("ping", payload={"filler": "x" * 90_000})
        assert (await listener.heard())["type"] == "pong"
        assert 100 - still.look(student.key).tokens == 1 + 1 + 9  # connection_init, ping, its length
        await listener.say("subscribe", id="1", payload=graphql(LISTING, id=student.id, **MONTH))
        assert (await listener.heard())["type"] == "next"
        assert (await listener.heard())["type"] == "complete"
        assert 100 - still.look(student.key).tokens > 11 + MONTH_UNITS / 2
        for _ in range(2):
            commented = graphql(LISTING + "#" + "x" * 30_000, id=student.id, **MONTH)
            await listener.say("subscribe", id="1", payload=commented)
            assert [(await listener.heard())["type"] for _ in range(2)] == ["next", "complete"]
        await listener.say("subscribe", id="1", payload=graphql(NAME))
        assert (await listener.refused())["code"] == "RATE_LIMITED"


@pytest.mark.parametrize("length", [0, ANSWER_BYTES_PER_UNIT - 1])
def test_an_answer_that_is_small_costs_nothing_more(length: int) -> None:
    assert Answered({"data": {}}, 0).further_units(length) == 0
    assert Answered({"data": {}}, 7).further_units(length) == -7
    assert Answered({"errors": []}, 7).further_units(length) == 0
    assert Answered({"data": {}}, 7).further_units(10 * ANSWER_BYTES_PER_UNIT) == 3
