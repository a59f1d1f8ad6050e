"""Who may ask: tokens, and what an edge answers without one."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from bff.app import build
from mesh.identity import KeySet, Verifier
from tests.bff.live import listening, served

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
        "{ getTutorPayments { nodes { id } } }",
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


@pytest.fixture
def signed(token: Any, token_signer: Any) -> Any:
    """`signed("student", svc="bff")`: a token of this role with more claims."""

    def sign(role: str, **claims: Any) -> str:
        told = jwt.decode(token(role), options={"verify_signature": False}) | claims
        return jwt.encode(told, token_signer.key, "ES256", headers={"kid": token_signer.kid})

    return sign


@pytest.mark.parametrize("role", ["service", "admin", "student"])
@pytest.mark.parametrize("name", ["session", "bff", "", None, ["payment"]])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/graphql", {"query": INTROSPECTION}),
        ("POST", "/subgraphs/bookings", {"query": INTROSPECTION}),
        ("POST", "/api/v1/bookings", {}),
        ("GET", "/api/v1/bookings/00000000-0000-4000-8000-000000000001", None),
        ("POST", "/api/v1/bookings/00000000-0000-4000-8000-000000000001/payment-callback", {}),
        ("POST", "/payment/create-intent", {}),
    ],
)
async def test_62_a_services_token_is_refused_whatever_its_roles(
    http: httpx.AsyncClient, script: Any, signed: Any, role: str, name: Any, method: str, path: str, body: Any
) -> None:
    headers = {"authorization": f"Bearer {signed(role, svc=name)}"}
    answer = await http.request(method, path, json=body, headers=headers)
    told = answer.json()
    assert "UNAUTHENTICATED" in str(told)
    assert told.get("data") is None
    assert not script.seen


async def test_62_a_services_token_opens_no_socket(
    peers: Any, verifier: Any, edge_settings: Any, script: Any, token: Any
) -> None:
    bearer = {"Authorization": f"Bearer {token('service', service='session')}"}
    async with served(build(peers, verifier), edge_settings) as at:
        for upgrade, payload in ((None, bearer), (bearer, None)):
            async with listening(at, additional_headers=upgrade) as listener:
                await listener.say("connection_init", payload=payload)
                assert (await listener.closed())[0] == 4403


async def test_62_a_token_of_the_role_service_without_svc_is_a_caller_of_rest(
    http: httpx.AsyncClient, script: Any, lesson: Any, token: Any
) -> None:
    script.answers = lesson.answers()
    headers = {"authorization": f"Bearer {token('service')}"}
    answer = await http.get(f"/api/v1/bookings/{lesson.booking_id}", headers=headers)
    assert (answer.status_code, answer.json()["data"]["uuid"]) == (200, lesson.booking_id)
