"""PUBLIC_AVAILABILITY: free times, listed tutors and published courses without a token, at a rate of their own."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from bff.app import build
from bff.http.authentication import VISITOR_UNITS
from bff.http.rate_limits import BURST, RateLimiter
from bff.settings import Options
from mesh.errors import Unauthenticated
from tests.bff.conftest import Client
from tutormesh.availability.v1 import availability_pb2
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2

TUTOR = str(uuid.uuid4())
RANGE = {"from": "2030-01-31T00:00:00Z", "to": "2030-01-31T01:00:00Z"}
SLOTS = """query($id: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  tutorAvailability(tutorId: $id, from: $from, to: $to) { start } }"""
TUTORS = """{ tutors(first: 2) {
  nodes { id tutor { id } displayName timezone rate { display } nextFreeTime } pageInfo { hasNextPage endCursor } } }"""
COURSE = "query($id: ID!) { course(id: $id) { id published } }"


@pytest.fixture
def open_edge(peers: Any, verifier: Any, script: Any) -> httpx.AsyncClient:
    """An edge with PUBLIC_AVAILABILITY, whose buckets never refill."""
    app = build(peers, verifier, RateLimiter(clock=lambda: 0.0), Options(public_availability=True))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge.test")


@pytest.fixture
def visitor(open_edge: httpx.AsyncClient) -> Client:
    return Client(open_edge)


def course(**changed: Any) -> learning_pb2.Course:
    values = {"id": str(uuid.uuid4()), "title": "Fractions", "instructor_id": TUTOR, "published": True}
    return learning_pb2.Course(**values | {"price": Money(amount_minor=5000, currency="USD")} | changed)


async def test_tutors_are_shown_as_the_service_lists_them(visitor: Client, script: Any, at: Any) -> None:
    rate = Money(amount_minor=4500, currency="EUR")
    jonas = availability_pb2.ListedTutor(
        tutor_id=TUTOR,
        display_name="Jonas",
        timezone="Europe/Berlin",
        rate=rate,
        next_free_time=at("2030-01-31T09:00:00Z"),
    )
    nameless = availability_pb2.ListedTutor(tutor_id=str(uuid.uuid4()), timezone="UTC", rate=rate)
    script.answers["ListTutors"] = availability_pb2.ListTutorsResponse(
        tutors=[jonas, nameless], cursors=["a", "b"], next_page_token="b"
    )
    listed = (await visitor.data(TUTORS))["tutors"]
    assert listed["nodes"][0] == {
        "id": TUTOR,
        "tutor": {"id": TUTOR},
        "displayName": "Jonas",
        "timezone": "Europe/Berlin",
        "rate": {"display": "€45.00"},
        "nextFreeTime": "2030-01-31T09:00:00Z",
    }
    assert (listed["nodes"][1]["displayName"], listed["nodes"][1]["nextFreeTime"]) == (None, None)
    assert listed["pageInfo"] == {"hasNextPage": True, "endCursor": "b"}
    seen = script.one("ListTutors")
    assert (seen.request.page_size, seen.call.person, seen.call.service, seen.call.is_of_visitor) == (
        2,
        None,
        "bff",
        True,
    )


async def test_an_edge_without_the_setting_asks_for_a_token_first(nobody: Client, script: Any) -> None:
    script.answers["ListSlots"] = availability_pb2.ListSlotsResponse()
    assert (await nobody.error(SLOTS, id="x", **RANGE))["code"] == "UNAUTHENTICATED"
    assert (await nobody.error(COURSE, id="x"))["code"] == "UNAUTHENTICATED"
    assert not script.seen


async def test_a_read_of_a_visitor_costs_more_than_a_persons(
    visitor: Client, student: Client, open_edge: httpx.AsyncClient, script: Any
) -> None:
    script.answers |= {
        "ListSlots": availability_pb2.ListSlotsResponse(),
        "ListCourses": learning_pb2.ListCoursesResponse(),
    }

    async def left(headers: dict[str, str], query: str = SLOTS) -> int:
        body = {"query": query, "variables": {"id": TUTOR, **RANGE}}
        answer = await open_edge.post("/graphql", json=body, headers=headers)
        assert "errors" not in answer.json()
        return int(answer.headers["ratelimit-remaining"])

    assert BURST - await left(student.headers()) == 1
    assert BURST - await left({}) == 1 + VISITOR_UNITS
    # each field pays, the same read under another alias too
    both = SLOTS.replace("tutorAvailability(", "a: tutorAvailability(")[:-1] + " b: courses { nodes { id } } }"
    assert BURST - await left({}, both) == 2 * (1 + VISITOR_UNITS) + VISITOR_UNITS
    answer = await open_edge.get("/api/v1/courses")
    assert BURST - int(answer.headers["ratelimit-remaining"]) >= 3 * (1 + VISITOR_UNITS) + VISITOR_UNITS


async def test_an_address_that_has_asked_enough_is_told_when_to_come_again(
    visitor: Client, open_edge: httpx.AsyncClient, script: Any
) -> None:
    script.answers["ListSlots"] = availability_pb2.ListSlotsResponse()
    for _ in range(int(BURST) // (1 + VISITOR_UNITS)):
        await visitor.data(SLOTS, id=TUTOR, **RANGE)
    assert (await visitor.error(SLOTS, id=TUTOR, **RANGE))["code"] == "RATE_LIMITED"
    answer = await open_edge.get("/api/v1/courses")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("published", [True, False])
async def test_a_draft_is_not_shown_even_when_the_service_of_the_version_before_sends_it(
    visitor: Client, open_edge: httpx.AsyncClient, script: Any, published: bool
) -> None:
    found = course(published=published)
    script.answers["BatchGetCourses"] = learning_pb2.BatchGetCoursesResponse(courses=[found])
    script.answers["GetCourse"] = learning_pb2.GetCourseResponse(course=found)
    answer = await visitor.ask(COURSE, id=found.id)
    rest = await open_edge.get(f"/api/v1/courses/{found.id}")
    if published:
        assert answer["data"]["course"] == {"id": found.id, "published": True}
        assert rest.json()["data"]["uuid"] == found.id
    else:
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert rest.status_code == 404


@pytest.mark.parametrize("ask", ["graphql", "rest"])
async def test_a_peer_that_does_not_believe_the_edge_is_no_matter_of_the_visitors(
    visitor: Client, open_edge: httpx.AsyncClient, script: Any, ask: str
) -> None:
    script.answers["ListCourses"] = Unauthenticated("the token is signed by an unknown key")
    if ask == "graphql":
        assert (await visitor.error("{ courses { nodes { id } } }"))["code"] == "UNAVAILABLE"
    else:
        assert (await open_edge.get("/api/v1/courses")).status_code == 503


async def test_the_rest_of_a_document_stays_a_persons(visitor: Client, script: Any) -> None:
    script.answers["ListCourses"] = learning_pb2.ListCoursesResponse(courses=[course()])
    answer = await visitor.ask("{ courses { nodes { id } } getMyEnrollments { nodes { id } } }")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
    assert [seen.rpc for seen in script.seen] in (["ListCourses"], [])


async def test_a_mutation_under_the_same_names_needs_a_token(visitor: Client) -> None:
    mutation = (
        'mutation { createCourse(input: {title: "x", price: {amountMinor: 0, currency: "USD"}}) { course { id } } }'
    )
    assert (await visitor.error(mutation))["code"] == "UNAUTHENTICATED"
