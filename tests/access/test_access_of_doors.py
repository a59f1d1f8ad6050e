"""Who may do what at the edge: every cell of the table for GraphQL, subgraphs, REST and subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

import bff.app
from bff.graphql import schema
from bff.graphql.schema.federation import subgraphs
from bff.http.rate_limits import RateLimiter
from bff.peers import Peers
from bff.settings import Options, Settings
from tests.access.graphql_requests import GRAPHQL_REQUESTS, entity
from tests.access.rest_requests import REST_REQUESTS
from tests.access.scene import Scene
from tests.access.table import (
    ENTITIES,
    FORBIDDEN,
    GRAPHQL,
    HIDDEN,
    NO_COURSE,
    NOTHING,
    OF_SCHEMAS,
    OK,
    OPEN,
    PUBLIC,
    REST,
    SUBSCRIPTIONS,
    UNAUTHENTICATED,
    WHO,
)
from tests.bff.live import ENROLLED, UPDATED, Listener, listening
from tests.world import World

STATUS = {HIDDEN: 404, NO_COURSE: 404, FORBIDDEN: 403, UNAUTHENTICATED: 401}


def cells(table: dict[str, tuple[str, ...]]) -> Iterator[Any]:
    for name, expected in table.items():
        for who, answer in zip(WHO, expected, strict=True):
            yield pytest.param(name, who, answer, id=f"{name}-{who}-{answer}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.bff_url, timeout=10) as client:
        yield client


def bearer(scene: Scene, who: str) -> dict[str, str]:
    token = scene.token(who)
    return {"authorization": f"Bearer {token}"} if token else {}


def outcome(answer: dict[str, Any]) -> str:
    """OK, NOTHING, or the code of the only error, for an answer with one field."""
    if answer.get("errors"):
        (code,) = {error["extensions"]["code"] for error in answer["errors"]}
        return str(code)
    (value,) = answer["data"].values()
    if isinstance(value, dict) and value.get("userErrors"):
        return str(value["userErrors"][0]["code"])
    return NOTHING if value in ({"nodes": []}, [None], None) else OK


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """An edge of the same mesh with PUBLIC_AVAILABILITY, whose rate limit nobody meets."""
    addresses = {f"{name}_address": f"127.0.0.1:{port}" for name, port in world.ports.items()}
    settings = Settings(_env_file=None, port=0, service_token_file=Path("none"), **addresses, **world.auth)
    async with Peers(settings, world.credentials("bff")) as peers:
        unlimited, options = RateLimiter(burst=1e6), Options(public_availability=True)
        transport = httpx.ASGITransport(app=bff.app.build(peers, world.verifier, unlimited, options))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
            yield client


@pytest.mark.parametrize(("name", "who", "expected"), list(cells(GRAPHQL)))
async def test_47_graphql_answers_each_as_the_table_says(
    scene: Scene, http: httpx.AsyncClient, name: str, who: str, expected: str
) -> None:
    query, variables = await GRAPHQL_REQUESTS[name](scene)
    body = {"query": query, "variables": variables}
    answer = (await http.post("/graphql", json=body, headers=bearer(scene, who))).json()
    assert outcome(answer) == expected, answer


@pytest.mark.parametrize(("name", "who", "expected"), list(cells(ENTITIES)))
async def test_47_a_gateway_finds_what_the_table_says(
    scene: Scene, http: httpx.AsyncClient, name: str, who: str, expected: str
) -> None:
    subgraph, _, kind = name.partition(" ")
    query, variables = entity(scene, kind)
    body = {"query": query, "variables": variables}
    answer = (await http.post(f"/subgraphs/{subgraph}", json=body, headers=bearer(scene, who))).json()
    assert outcome(answer) == expected, answer


@pytest.mark.parametrize(("name", "who", "expected"), list(cells(REST)))
async def test_47_rest_answers_each_as_the_table_says(
    scene: Scene, http: httpx.AsyncClient, name: str, who: str, expected: str
) -> None:
    method, _, template = name.partition(":")[0].partition(" ")
    path, query, body = await REST_REQUESTS[name](scene, who)
    sent = {} if body is None else {"json": body}
    answer = await http.request(method, template.format(**path), params=query, headers=bearer(scene, who), **sent)
    if expected == OK:
        assert answer.is_success, answer.text
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (STATUS[expected], expected)
        assert not any(id in answer.text for id in path.values())


@pytest.mark.parametrize("name", [*GRAPHQL, *ENTITIES])
async def test_an_open_edge_answers_graphql_without_a_token_where_the_table_says_so(
    scene: Scene, open_http: httpx.AsyncClient, name: str
) -> None:
    if name in ENTITIES:
        subgraph, _, kind = name.partition(" ")
        query, variables = entity(scene, kind)
        paths = [f"/subgraphs/{subgraph}"]
    else:
        query, variables = await GRAPHQL_REQUESTS[name](scene)
        paths = ["/graphql", *(f"/subgraphs/{part}" for part in PARTS_OF.get(name.partition(":")[0], ()))]
    for path in paths:
        answer = (await open_http.post(path, json={"query": query, "variables": variables})).json()
        assert outcome(answer) == PUBLIC.get(name, UNAUTHENTICATED), answer


#: The subgraph of each root field that an open edge answers.
PARTS_OF = {
    "Query.tutorAvailability": ["availability"],
    "Query.tutors": ["availability"],
    "Query.courses": ["learning"],
    "Query.course": ["learning"],
}


@pytest.mark.parametrize("name", REST)
async def test_an_open_edge_answers_rest_without_a_token_where_the_table_says_so(
    scene: Scene, open_http: httpx.AsyncClient, name: str
) -> None:
    method, _, template = name.partition(":")[0].partition(" ")
    path, query, body = await REST_REQUESTS[name](scene, "nobody" if name in PUBLIC else "student")
    sent = {} if body is None else {"json": body}
    answer = await open_http.request(method, template.format(**path), params=query, **sent)
    expected = PUBLIC.get(name, UNAUTHENTICATED)
    assert answer.is_success if expected == OK else answer.json()["error"]["code"] == expected, answer.text


async def test_an_open_edge_takes_no_bad_token_and_gives_a_gateway_all_entities_or_none(
    scene: Scene, open_http: httpx.AsyncClient
) -> None:
    bad = {"authorization": "Bearer x.y.z"}
    answer = await open_http.get("/api/v1/courses", headers=bad)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, UNAUTHENTICATED)
    answer = await open_http.post("/graphql", json={"query": "{ courses { nodes { id } } }"}, headers=bad)
    assert outcome(answer.json()) == UNAUTHENTICATED
    named = [{"__typename": "Course", "id": scene.course.id}, {"__typename": "Enrollment", "id": scene.enrollment.id}]
    query = "query($of: [_Any!]!) { _entities(representations: $of) { __typename } }"
    body = {"query": query, "variables": {"of": named}}
    assert outcome((await open_http.post("/subgraphs/learning", json=body)).json()) == UNAUTHENTICATED


#: Of each subscription: its subgraph, its document, and the id that it is asked about.
WATCHED = {
    "bookingUpdated": ("bookings", UPDATED, lambda scene: scene.lesson.booking),
    "enrollmentUpdated": ("learning", ENROLLED, lambda scene: scene.enrollment.id),
}


@pytest.mark.parametrize("in_subgraph", [False, True], ids=["whole", "subgraph"])
@pytest.mark.parametrize(("name", "who", "expected"), list(cells(SUBSCRIPTIONS)))
async def test_47_a_subscription_tells_each_what_the_table_says(
    scene: Scene, world: World, name: str, who: str, expected: str, in_subgraph: bool
) -> None:
    subgraph, query, thing = WATCHED[name]
    path = f"/subgraphs/{subgraph}" if in_subgraph else "/graphql"
    async with listening(world.bff_url.removeprefix("http://"), scene.token(who), path=path) as listener:
        assert await heard(listener, query, thing(scene), is_known=who != "nobody") == expected


async def heard(listener: Listener, query: str, thing: str, *, is_known: bool) -> str:
    """The first message that a listener gets about the lesson, or the enrollment."""
    if not is_known:
        await listener.say("connection_init")
        code, _ = await listener.closed()
        return {4401: UNAUTHENTICATED, 4403: UNAUTHENTICATED}[code]
    await listener.subscribe(thing, query=query)
    message = await listener.heard()
    return OK if message["type"] == "next" else str(message["payload"][0]["extensions"]["code"])


def test_the_table_names_every_root_field() -> None:
    built = schema.build()
    assert built.query_type and built.mutation_type and built.subscription_type
    roots = (built.query_type, built.mutation_type)
    fields = {f"{kind.name}.{field}" for kind in roots for field in kind.fields if not field.startswith("_")}
    assert {name.partition(":")[0] for name in GRAPHQL} == fields
    assert set(SUBSCRIPTIONS) == set(built.subscription_type.fields)


def test_the_table_names_every_entity() -> None:
    parts = subgraphs(schema.build())
    entities = {f"{name} {kind}" for name, part in parts.items() for kind in part.type_map["_Entity"].types}
    assert {name.partition(":")[0] for name in ENTITIES} == entities


def test_the_table_names_every_route(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Any] = []

    def note(routes: list[Any], **more: Any) -> Any:
        noted.extend(routes)
        return Starlette(routes, **more)

    monkeypatch.setattr(bff.app, "Starlette", note)
    bff.app.build(SimpleNamespace(channels=(), link=None), None)  # no request is sent: the test reads the routes alone
    rest = {name.partition(":")[0] for name in REST}
    assert sorted(paths(noted)) == sorted({*rest, *OPEN, *OF_SCHEMAS})


def paths(routes: list[Any]) -> Iterator[str]:
    for route in routes:
        methods = getattr(route, "methods", None) or ["WEBSOCKET"]
        yield from (f"{method} {route.path}" for method in methods if method != "HEAD")
