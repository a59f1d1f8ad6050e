"""The subgraphs: five parts of the schema, and the entities that they find by key."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType

from bff.app import build
from bff.graphql import schema
from bff.graphql.schema.federation import subgraphs
from bff.peers import Peers
from bff.settings import Options
from mesh.identity import Verifier
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

WHOLE = schema.build()
PARTS = subgraphs(WHOLE)
ENTITIES = "query($of: [_Any!]!) { _entities(representations: $of) { __typename %s } }"
ANY = "5f0c1f5e-5b0a-4c2b-9d3c-0d8c5a3f7e11"
#: What a gateway's protocol adds (Apollo Federation 2: subgraph specification).
PROTOCOL = {"_Service", "_Entity"}


def references(kind: str, ids: list[str]) -> list[dict[str, str]]:
    return [{"__typename": kind, "id": one} for one in ids]


@pytest.fixture
def at_subgraph(student: Any) -> Callable[[str], Any]:
    """`at_subgraph("bookings")`: the student at that subgraph."""
    return lambda name: replace(student, door=f"/subgraphs/{name}")


def objects(part: Any) -> dict[str, GraphQLObjectType]:
    """The schema's own types, by name."""
    return {
        name: kind
        for name, kind in part.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__") and name not in PROTOCOL
    }


def fields(part: Any) -> dict[str, str]:
    """The fields that a schema serves: "Booking.id" → "ID!"."""
    return {
        f"{name}.{field}": str(definition.type)
        for name, kind in objects(part).items()
        for field, definition in kind.fields.items()
        if field not in ("_service", "_entities")
    }


def test_the_subgraphs_are_the_whole_schema_and_nothing_else() -> None:
    served: dict[str, str] = {}
    for part in PARTS.values():
        for name, kind in fields(part).items():
            assert served.setdefault(name, kind) == kind
    assert served == fields(WHOLE)


def test_every_field_is_resolved_as_in_the_whole() -> None:
    for part in PARTS.values():
        for name, kind in objects(part).items():
            for field, definition in kind.fields.items():
                if field not in ("_service", "_entities"):
                    assert definition.resolve is objects(WHOLE)[name].fields[field].resolve


@pytest.mark.parametrize("name", sorted(PARTS))
async def test_a_subgraph_shows_its_sdl_without_a_token(nobody: Any, name: str) -> None:
    data = await replace(nobody, door=f"/subgraphs/{name}").data("{ _service { sdl } }")
    told = data["_service"]["sdl"]
    assert "https://specs.apollo.dev/federation/v2" in told
    assert 'type User @key(fields: "id", resolvable: false)' in told
    assert "_entities" not in told


@pytest.mark.parametrize("name", sorted(PARTS))
async def test_a_subgraph_hides_its_sdl_when_introspection_is_off(
    peers: Peers, verifier: Verifier, student: Any, name: str
) -> None:
    transport = httpx.ASGITransport(app=build(peers, verifier, options=Options(introspection=False)))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as http:
        error = await replace(student, http=http, door=f"/subgraphs/{name}").error("{ _service { sdl } }")
    assert error["code"] == "FORBIDDEN"


async def test_48_a_hundred_bookings_with_session_payment_and_history_are_a_constant_number_of_calls(
    at_subgraph: Callable[[str], Any], script: Any, lesson: Any
) -> None:
    ids = [[str(uuid.uuid4()) for _ in range(100)] for _ in range(3)]
    all_of = list(zip(*ids, strict=True))
    script.answers = lesson.answers() | {
        "BatchGetBookings": booking_pb2.BatchGetBookingsResponse(
            bookings=[lesson.booking(id=b, session_id=s, payment_id=p) for b, s, p in all_of]
        ),
        "BatchGetSessions": session_pb2.BatchGetSessionsResponse(
            sessions=[lesson.session(id=s, booking_id=b) for b, s, _ in all_of]
        ),
        "BatchGetPayments": payment_pb2.BatchGetPaymentsResponse(payments=[lesson.payment(id=p) for _, _, p in all_of]),
    }
    wanted = references("Booking", ids[0])
    for subgraph, selected, calls in (
        ("bookings", "status", ["BatchGetBookings"]),
        ("sessions", "session { id booking { id } }", ["BatchGetBookings", "BatchGetSessions"]),
        ("payments", "payment { id }", ["BatchGetBookings", "BatchGetPayments"]),
    ):
        script.seen.clear()
        query = ENTITIES % f"... on Booking {{ id {selected} }}"
        found = (await at_subgraph(subgraph).data(query, of=wanted))["_entities"]
        assert [one["id"] for one in found] == ids[0]
        assert sorted(seen.rpc for seen in script.seen) == calls
        assert len(script.one("BatchGetBookings").request.booking_ids) == 100


async def test_entities_of_several_types_are_one_call_of_each(
    at_subgraph: Callable[[str], Any], script: Any, lesson: Any
) -> None:
    script.answers = lesson.answers()
    wanted = [*references("Session", [lesson.session_id] * 3), *references("Booking", [lesson.booking_id] * 3)]
    query = ENTITIES % "... on Session { status } ... on Booking { session { meetingLink } }"
    found = (await at_subgraph("sessions").data(query, of=wanted))["_entities"]
    assert [one["__typename"] for one in found] == ["Session"] * 3 + ["Booking"] * 3
    assert sorted(seen.rpc for seen in script.seen) == ["BatchGetBookings", "BatchGetSessions"]


@pytest.mark.parametrize(
    ("subgraph", "kind"), [("bookings", "Booking"), ("sessions", "Session"), ("payments", "Payment")]
)
async def test_another_persons_entity_is_null_in_its_place(
    at_subgraph: Callable[[str], Any], script: Any, lesson: Any, subgraph: str, kind: str
) -> None:
    script.answers = lesson.answers()
    own = {"Booking": lesson.booking_id, "Session": lesson.session_id, "Payment": lesson.payment_id}[kind]
    wanted = references(kind, [str(uuid.uuid4()), own, str(uuid.uuid4())])
    found = (await at_subgraph(subgraph).data(ENTITIES % f"... on {kind} {{ id }}", of=wanted))["_entities"]
    assert found == [None, {"__typename": kind, "id": own}, None]


async def test_a_user_entity_is_an_id_and_no_more(at_subgraph: Callable[[str], Any], script: Any) -> None:
    person = str(uuid.uuid4())
    for name in PARTS:
        found = await at_subgraph(name).data(ENTITIES % "... on User { id }", of=references("User", [person]))
        assert found["_entities"] == [{"__typename": "User", "id": person}]
    assert not script.seen


async def test_entities_need_a_token(nobody: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    wanted = references("Booking", [lesson.booking_id])
    error = await replace(nobody, door="/subgraphs/bookings").error(ENTITIES % "", of=wanted)
    assert (error["code"], script.seen) == ("UNAUTHENTICATED", [])


@pytest.mark.parametrize(
    "representation",
    [
        None,
        7,
        "Booking",
        [],
        {},
        {"__typename": "Booking"},
        {"__typename": "Booking", "id": 7},
        {"__typename": ["Booking"], "id": "1"},
        {"__typename": "Booking", "id": "1"},
        {"__typename": "Payment", "id": ANY},
        {"__typename": "Query", "id": ANY},
        {"__typename": "Money", "id": ANY},
    ],
    ids=str,
)
async def test_an_unknown_entity_is_bad_input_and_spoils_nothing_else(
    at_subgraph: Callable[[str], Any], script: Any, lesson: Any, representation: Any
) -> None:
    script.answers = lesson.answers()
    wanted = [*references("Booking", [lesson.booking_id]), representation]
    answer = await at_subgraph("bookings").ask(ENTITIES % "... on Booking { id }", of=wanted)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
    if representation is not None:  # GraphQL itself refuses a null here
        assert answer["data"]["_entities"][0]["id"] == lesson.booking_id
        assert answer["data"]["_entities"][1] is None


async def test_more_than_200_entities_are_refused(at_subgraph: Callable[[str], Any], script: Any) -> None:
    wanted = references("Booking", [str(uuid.uuid4()) for _ in range(201)])
    error = await at_subgraph("bookings").error(ENTITIES % "", of=wanted)
    assert (error["code"], error["field"], script.seen) == ("BAD_USER_INPUT", ["representations"], [])


@pytest.mark.parametrize(
    "query",
    [
        ENTITIES % ("... on Session { " + "booking { session { " * 6 + "id" + " } }" * 6 + " }"),
        "query { " + " ".join(f"a{n}: getMySessions {{ nodes {{ id }} }}" for n in range(21)) + " }",
        "query { " + " ".join(["getMySessions { nodes { booking { id } } }"] * 30) + " }",
    ],
    ids=["too deep", "too many aliases", "too costly"],
)
async def test_subgraphs_have_the_limits_of_graphql(at_subgraph: Callable[[str], Any], script: Any, query: str) -> None:
    error = await at_subgraph("sessions").error(query, of=references("Session", [str(uuid.uuid4())]))
    assert (error["code"], script.seen) == ("BAD_USER_INPUT", [])
    assert any(word in error["message"] for word in ("deeper", "aliases", "costs"))
