"""Persisted operations: documents that clients name by their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.persisted_operations import PersistedOperations, load_documents

NAME = "{ __typename }"
OTHER = "{ other: __typename }"


def sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def named(hashed: str, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hashed}}, **more}


async def test_a_persisted_operation_is_run_by_its_hash(edge: Callable[..., Any]) -> None:
    http = edge(persisted_operations=PersistedOperations({sha256(NAME): NAME}))
    for body in (named(sha256(NAME)), named(sha256(NAME), query=NAME), {"query": OTHER}):
        assert "errors" not in (await http.post("/graphql", json=body)).json()


async def test_an_unknown_hash_is_refused_as_apollos_clients_expect(edge: Callable[..., Any]) -> None:
    some = PersistedOperations({sha256(OTHER): OTHER})
    for known, message in ((some, "PersistedQueryNotFound"), (PersistedOperations(), "PersistedQueryNotSupported")):
        http = edge(persisted_operations=known)
        answer = await http.post("/graphql", json=named(sha256(NAME)))
        assert [error["message"] for error in answer.json()["errors"]] == [message]
        again = await http.post("/graphql", json=named(sha256(NAME), query=NAME))
        assert again.json() == {"data": {"__typename": "Query"}}


async def test_a_hash_of_another_query_is_refused(edge: Callable[..., Any]) -> None:
    answer = await edge().post("/graphql", json=named(sha256(OTHER), query=NAME))
    assert "has another SHA-256" in answer.json()["errors"][0]["message"]


async def test_an_edge_that_takes_only_persisted_operations_refuses_others(edge: Callable[..., Any]) -> None:
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
async def test_malformed_extensions_are_400(http: httpx.AsyncClient, extensions: object) -> None:
    answer = await http.post("/graphql", json={"query": NAME, "extensions": extensions})
    assert answer.status_code == 400
    assert "extensions" in answer.json()["errors"][0]["message"]


def test_persisted_operations_come_from_a_folder_or_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "name.graphql").write_text(NAME)
    manifest = tmp_path / "operations.json"
    manifest.write_text(json.dumps({sha256(NAME): NAME}))
    assert load_documents(tmp_path) == load_documents(manifest) == {sha256(NAME): NAME}
