"""Which web pages may call: CORS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from bff.settings import Settings

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


@pytest.mark.parametrize("name", ["apollographql-client-name", "apollo-require-preflight", "traceparent", "baggage"])
async def test_a_page_may_send_what_clients_send_by_themselves(edge: Callable[..., Any], name: str) -> None:
    asks = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": name}
    answer = await edge(cors_origins=(PAGE,)).options("/graphql", headers=asks)
    assert answer.status_code == 200
    assert name in answer.headers["access-control-allow-headers"].lower().split(", ")


async def test_a_page_may_send_what_the_operator_allows(edge: Callable[..., Any]) -> None:
    asks = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "X-Tenant"}
    refused = await edge(cors_origins=(PAGE,)).options("/graphql", headers=asks)
    assert (refused.status_code, "CORS_HEADERS" in refused.text, "CORS_ORIGINS" in refused.text) == (400, True, False)
    assert (await edge(cors_origins=(PAGE,), cors_headers=("x-tenant",)).options("/graphql", headers=asks)).is_success


@pytest.mark.parametrize("decided", [{}, {"cors_origins": (PAGE,)}])
async def test_a_refused_page_is_told_which_setting_decides(edge: Callable[..., Any], decided: dict[str, Any]) -> None:
    refused = await preflight(edge(**decided), "https://evil.example")
    assert (refused.status_code, "CORS_ORIGINS" in refused.text, "CORS_HEADERS" in refused.text) == (400, True, False)


@pytest.mark.parametrize("decided", [{}, {"cors_origins": (PAGE,)}])
async def test_a_page_of_any_other_origin_may_not(edge: Callable[..., Any], decided: dict[str, Any]) -> None:
    http = edge(**decided)
    assert "access-control-allow-origin" not in (await preflight(http, "https://evil.example")).headers
    answer = await http.post("/graphql", json={"query": NAME}, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_the_header_of_a_link_cannot_be_allowed_to_other_origins() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, cors_headers="x-tenant,Link-Token")
    told = {problem["loc"][0]: problem["msg"] for problem in refused.value.errors()}
    assert "no page of another origin may send it" in told["cors_headers"]
