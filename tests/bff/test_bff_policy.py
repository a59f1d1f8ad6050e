"""What whoever runs the edge decides: origins, https, introspection, persisted operations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query
from pydantic import ValidationError

from bff.app import build
from bff.persisted_operations import PersistedOperations, load_documents
from bff.settings import Options, Settings

NAME = "{ __typename }"
OTHER = "{ other: __typename }"
PAGE = "https://app.example.org"


@pytest.fixture
def edge(peers: Any, verifier: Any, script: Any) -> Callable[..., httpx.AsyncClient]:
    """`edge(setting=…)`: the edge under a policy."""

    def under(**decided: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=build(peers, verifier, options=Options(**decided)))
        return httpx.AsyncClient(transport=transport, base_url="http://edge.test")

    return under


@pytest.fixture
def settings(edge_settings: Settings, auth_settings: dict[str, Any]) -> Callable[..., Settings]:
    """`settings(name=value)`: the edge's settings with a change."""
    return lambda **changes: Settings(_env_file=None, **edge_settings.model_dump() | changes)


def sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def named(hashed: str, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hashed}}, **more}


async def preflight(http: httpx.AsyncClient, origin: str) -> httpx.Response:
    asks = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
    }
    return await http.options("/graphql", headers=asks)


async def test_a_page_of_a_named_origin_may_call_and_read_its_limit(edge: Callable[..., Any]) -> None:
    http = edge(cors_origins=(PAGE,))
    allowed = await preflight(http, PAGE)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    answer = await http.post("/graphql", json={"query": NAME}, headers={"origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "ratelimit-remaining" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("decided", [{}, {"cors_origins": (PAGE,)}])
async def test_a_page_of_any_other_origin_may_not(edge: Callable[..., Any], decided: dict[str, Any]) -> None:
    http = edge(**decided)
    assert "access-control-allow-origin" not in (await preflight(http, "https://evil.example")).headers
    answer = await http.post("/graphql", json={"query": NAME}, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_nothing_of_ours_can_be_framed_or_load_anything(http: httpx.AsyncClient) -> None:
    for path in ("/graphql", "/healthz", "/nowhere"):
        answer = await http.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"


async def test_https_is_promised_only_where_there_is_https(edge: Callable[..., Any]) -> None:
    assert "strict-transport-security" not in (await edge().get("/healthz")).headers
    answer = await edge(hsts_seconds=31536000).get("/healthz")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_without_introspection_the_schema_is_not_told(edge: Callable[..., Any]) -> None:
    http = edge(introspection=False)
    for query in (get_introspection_query(), '{ __type(name: "Booking") { name } }', "{ bookin { id } }"):
        (error, *_) = (await http.post("/graphql", json={"query": query})).json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "Did you mean" not in error["message"]
    assert (await http.post("/graphql", json={"query": NAME})).json() == {"data": {"__typename": "Query"}}


async def test_a_persisted_operation_is_run_by_its_hash(edge: Callable[..., Any]) -> None:
    http = edge(persisted_operations=PersistedOperations({sha256(NAME): NAME}))
    for body in (named(sha256(NAME)), named(sha256(NAME), query=NAME), {"query": OTHER}):
        assert "errors" not in (await http.post("/graphql", json=body)).json()


async def test_an_unknown_hash_is_told_as_apollos_clients_expect(edge: Callable[..., Any]) -> None:
    answer = await edge().post("/graphql", json=named(sha256(NAME)))
    assert [error["message"] for error in answer.json()["errors"]] == ["PersistedQueryNotFound"]
    again = await edge().post("/graphql", json=named(sha256(NAME), query=NAME))
    assert again.json() == {"data": {"__typename": "Query"}}


async def test_a_hash_of_another_query_is_refused(edge: Callable[..., Any]) -> None:
    answer = await edge().post("/graphql", json=named(sha256(OTHER), query=NAME))
    assert "has another SHA-256" in answer.json()["errors"][0]["message"]


async def test_where_only_persisted_operations_are_taken_no_other_is(edge: Callable[..., Any]) -> None:
    http = edge(persisted_operations=PersistedOperations({sha256(NAME): NAME}, only=True))
    for body in (named(sha256(NAME)), {"query": NAME}):
        assert "errors" not in (await http.post("/graphql", json=body)).json()
    for body in ({"query": OTHER}, named(sha256(OTHER), query=OTHER), named(sha256(OTHER))):
        (error,) = (await http.post("/graphql", json=body)).json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        {"persistedQuery": []},
        {"persistedQuery": {"sha256Hash": "0" * 64}},
        {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}},
        {"persistedQuery": {"version": 1, "sha256Hash": "G" * 64}},
        {"persistedQuery": {"version": 1, "sha256Hash": 5}},
    ],
)
async def test_what_names_no_operation_is_400(http: httpx.AsyncClient, extensions: object) -> None:
    answer = await http.post("/graphql", json={"query": NAME, "extensions": extensions})
    assert answer.status_code == 400
    assert "extensions" in answer.json()["errors"][0]["message"]


def test_persisted_operations_come_from_a_folder_or_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "name.graphql").write_text(NAME)
    manifest = tmp_path / "operations.json"
    manifest.write_text(json.dumps({sha256(NAME): NAME}))
    assert load_documents(tmp_path) == load_documents(manifest) == {sha256(NAME): NAME}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "{ __typename }"}', f'{{"{"0" * 64}": 5}}'])
def test_a_manifest_that_lies_stops_the_process_by_name(
    tmp_path: Path, settings: Callable[..., Settings], text: str
) -> None:
    manifest = tmp_path / "operations.json"
    manifest.write_text(text)
    with pytest.raises(ValidationError, match="persisted_operations"):
        settings(persisted_operations=manifest)


@pytest.mark.parametrize("value", ["app.example.org", "https://a.test/", "ftp://a.test", "https://a.test b"])
def test_what_is_no_origin_stops_the_process_by_name(settings: Callable[..., Settings], value: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        settings(cors_origins=value)


def test_the_settings_become_the_policy(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "name.graphql").write_text(NAME)
    given = settings(
        cors_origins=f"{PAGE}, http://localhost:3000",
        graphql_introspection=False,
        persisted_operations=tmp_path,
        persisted_operations_only=True,
        hsts_seconds=60,
    )
    assert given.options() == Options(
        introspection=False,
        persisted_operations=PersistedOperations({sha256(NAME): NAME}, only=True),
        cors_origins=(PAGE, "http://localhost:3000"),
        hsts_seconds=60,
    )
    assert settings().options() == Options()
