"""What every answer carries: a request id and security headers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest


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
