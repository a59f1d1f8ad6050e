"""What every answer carries: a request id and security headers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from bff.http.middleware import ConcurrencyLimitMiddleware


async def test_every_answer_has_a_request_id_and_security_headers(http: httpx.AsyncClient) -> None:
    for path in ("/graphql", "/healthz", "/nowhere"):
        answer = await http.get(path)
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", ["a b", "x" * 65, '"', "é"])
async def test_a_malformed_request_id_is_replaced(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.get("/healthz", headers={"x-request-id": given.encode()})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_no_answer_may_be_framed_or_load_anything(http: httpx.AsyncClient) -> None:
    for path in ("/graphql", "/healthz", "/nowhere"):
        answer = await http.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"


async def test_hsts_is_sent_only_when_the_operator_sets_it(edge: Callable[..., Any]) -> None:
    assert "strict-transport-security" not in (await edge().get("/healthz")).headers
    answer = await edge(hsts_seconds=31536000).get("/healthz")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_61_a_client_that_does_not_read_its_answer_holds_no_place() -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a long answer"})

    limited, sent, unread = ConcurrencyLimitMiddleware(answer, max_requests=1), list[Message](), asyncio.Event()

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def stall(_: Message) -> None:
        await unread.wait()

    async def read(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "path": "/graphql"}
    slow = [asyncio.ensure_future(limited(scope, receive, stall)) for _ in range(3)]
    await asyncio.sleep(0)
    await limited(scope, receive, read)
    assert sent[0]["status"] == 200
    unread.set()
    await asyncio.gather(*slow)
    assert limited._requests.taken == 0
