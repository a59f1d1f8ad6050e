"""Who may ask: tokens, and what an edge answers without one."""

from __future__ import annotations

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
async def test_every_field_needs_a_token(nobody: Any, script: Any, query: str) -> None:
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


async def test_an_issuer_that_is_away_makes_the_edge_unavailable(
    peers: Any, student: Any, auth_settings: dict[str, Any]
) -> None:
    verifier = Verifier(KeySet("file:///nowhere/jwks.json"), auth_settings["auth_issuer"], "x")
    transport = httpx.ASGITransport(app=build(peers, verifier))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        answer = await client.post("/graphql", json={"query": BOOKING}, headers=student.headers())
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAVAILABLE"]
