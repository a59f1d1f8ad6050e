"""Request bodies: their size, their time, their content type."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bff.app import build


async def test_a_body_that_is_too_large_is_413_with_or_without_content_length(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 10_000

    for content in (b" " * 100_001, chunks()):
        answer = await http.post("/graphql", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert "100000 bytes" in answer.json()["errors"][0]["message"]


async def test_a_body_that_never_arrives_is_408(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr("bff.http.bodies.READ_SECONDS", 0.05)
    answer = await http.post("/graphql", content=stalled(), headers={"content-type": "application/json"})
    assert answer.status_code == 408


async def test_a_client_that_leaves_early_is_no_crash(peers: Any, verifier: Any) -> None:
    app, sent = build(peers, verifier), []

    async def left() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": [], "query_string": b""}
    await app(scope, left, send)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_only_json_is_accepted(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": kind})
    assert answer.status_code == 415
    assert answer.json()["errors"]
