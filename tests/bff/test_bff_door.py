"""What every request passes: who asks, how often, in what form, and what leaves with the answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bff.app import build
from mesh.identity import KeySet, Verifier

BOOKING = '{ booking(id: "1") { id } }'
INTROSPECTION = "{ __typename __schema { queryType { name } } }"


async def test_introspection_needs_no_token(nobody: Any) -> None:
    assert await nobody.data(INTROSPECTION) == {"__typename": "Query", "__schema": {"queryType": {"name": "Query"}}}


@pytest.mark.parametrize(
    "query",
    [
        BOOKING,
        '{ tutorAvailability(tutorId: "1", from: "2030-01-01T00:00Z", to: "2030-01-02T00:00Z") { start } }',
        "{ getMySessions { nodes { id } } }",
        '{ getSessionDetails(id: "1") { id } }',
        "{ getPaymentHistory { nodes { id } } }",
        'mutation { bookSession(tutorId: "1", time: "2030-01-01T00:00Z") { sagaId } }',
        """mutation { publishAvailability(input: {timezone: "UTC", weekly: [], rate: {amountMinor: 1, currency: "USD"}})
           { tutorId } }""",
    ],
)
async def test_nothing_else_is_answered_to_nobody(nobody: Any, script: Any, query: str) -> None:
    assert (await nobody.error(query))["code"] == "UNAUTHENTICATED"
    assert not script.seen


@pytest.mark.parametrize(
    "authorization", ["Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer eyJhbGciOiJub25lIn0.e30.", "é"]
)
async def test_a_bad_token_is_refused_even_for_introspection(http: httpx.AsyncClient, authorization: str) -> None:
    headers = {"authorization": authorization.encode()}
    answer = await http.post("/graphql", json={"query": INTROSPECTION}, headers=headers)
    assert answer.status_code == 200
    assert "data" not in answer.json()
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAUTHENTICATED"]


async def test_an_issuer_that_cannot_be_asked_makes_the_edge_unavailable(
    peers: Any, student: Any, auth_settings: dict[str, Any]
) -> None:
    verifier = Verifier(KeySet("file:///nowhere/jwks.json"), auth_settings["auth_issuer"], "x")
    transport = httpx.ASGITransport(app=build(peers, verifier))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        answer = await client.post("/graphql", json={"query": BOOKING}, headers=student.headers())
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAVAILABLE"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": NaN}}', "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": 1e999}}', "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": -1e999}}', "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}', "not JSON"),
        (b'{"query": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'[{"query": "{ __typename }"}]', "batches are not taken"),
        (b'"{ __typename }"', "one JSON object"),
        (b"{}", "query: "),
        (b'{"query": 1}', "query: "),
        (b'{"query": "{ __typename }", "variables": []}', "variables: "),
        (b'{"query": "{ __typename }", "operationName": 1}', "operationName: "),
    ],
)
async def test_what_is_no_graphql_request_is_400(http: httpx.AsyncClient, body: bytes, says: str) -> None:
    answer = await http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert says in error["message"]


async def test_a_body_too_large_is_413_announced_or_not(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 10_000

    for content in (b" " * 100_001, chunks()):
        answer = await http.post("/graphql", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert "100000 bytes" in answer.json()["errors"][0]["message"]


async def test_a_body_that_never_comes_is_408(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr("bff.http.bodies.READ_SECONDS", 0.05)
    answer = await http.post("/graphql", content=stalled(), headers={"content-type": "application/json"})
    assert answer.status_code == 408


async def test_a_client_that_leaves_is_no_fault(peers: Any, verifier: Any) -> None:
    app, sent = build(peers, verifier), []

    async def left() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": [], "query_string": b""}
    await app(scope, left, send)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_only_json_is_taken(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": kind})
    assert answer.status_code == 415
    assert answer.json()["errors"]


async def test_json_may_say_its_charset_and_null_the_rest(http: httpx.AsyncClient) -> None:
    body = json.dumps({"query": "{ __typename }", "variables": None, "operationName": None, "extensions": {}})
    answer = await http.post("/graphql", content=body, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.json() == {"data": {"__typename": "Query"}}


async def test_the_named_operation_is_run(http: httpx.AsyncClient) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    answer = await http.post("/graphql", json={"query": query, "operationName": "B"})
    assert answer.json() == {"data": {"b": "Query"}}
    answer = await http.post("/graphql", json={"query": query, "operationName": "C"})
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["BAD_USER_INPUT"]
    assert "data" not in answer.json()


async def test_every_answer_has_a_request_id_and_careful_headers(http: httpx.AsyncClient) -> None:
    for path in ("/graphql", "/healthz", "/nowhere"):
        answer = await http.get(path)
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", ["a b", "x" * 65, '"', "é"])
async def test_a_request_id_that_is_not_plain_is_replaced(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.get("/healthz", headers={"x-request-id": given.encode()})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_an_unknown_path_or_method_is_told_in_json(http: httpx.AsyncClient) -> None:
    answer = await http.get("/nowhere")
    assert answer.json() == {"success": False, "message": "Not Found", "data": None, "error": {"code": "NOT_FOUND"}}
    answer = await http.put("/graphql", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/api/v1/bookings/", "//evil.test/"])
async def test_a_slash_too_many_leads_nowhere(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"http://edge.test{path}", headers={"host": "evil.test"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert "location" not in answer.headers


async def test_a_fault_of_our_own_tells_nothing(peers: Any, verifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("bff.http.bodies.read_body", broken)
    transport = httpx.ASGITransport(app=build(peers, verifier), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 500
    assert answer.json() == {"success": False, "message": "internal error", "data": None, "error": {"code": "INTERNAL"}}


async def test_47_secrets_are_in_no_log(
    student: Any, script: Any, world: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    script.answers = world.answers()
    query = 'mutation Book($t: ID!) { bookSession(tutorId: $t, time: "2030-01-01T00:00Z") { clientSecret } }'
    body = {"query": query, "variables": {"t": world.tutor}, "operationName": "Book"}
    answer = await student.http.post("/graphql", json=body, headers=student.headers())
    assert answer.json()["data"]["bookSession"]["clientSecret"] == "pi_1_secret_hush"
    logged = "".join(capfd.readouterr())
    assert "operation=Book" in logged
    assert "hush" not in logged
    assert student.token not in logged
