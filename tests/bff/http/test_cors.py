"""Which web pages may call: CORS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

NAME = "{ __typename }"
PAGE = "https://app.example.org"


async def preflight(http: httpx.AsyncClient, origin: str) -> httpx.Response:
    asks = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
    }
    return await http.options("/graphql", headers=asks)


async def test_a_page_of_an_allowed_origin_may_call_and_read_its_rate_limit(edge: Callable[..., Any]) -> None:
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
