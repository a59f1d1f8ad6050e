"""Rate limits, and the headers and errors that show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bff.app import build
from bff.http.rate_limits import Allowance, RateLimiter

NAME = {"query": "{ __typename }"}


@pytest.fixture
def standing_still() -> RateLimiter:
    """A rate limiter whose buckets never refill."""
    return RateLimiter(clock=lambda: 0.0)


@pytest.fixture
def ask(peers: Any, verifier: Any, script: Any, standing_still: RateLimiter) -> Callable[..., Any]:
    """`ask(headers, host)`: one operation that needs no peer, from an address."""
    app = build(peers, verifier, standing_still)

    async def asked(headers: dict[str, str] | None = None, host: str = "192.0.2.1") -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
            return await client.post("/graphql", json=NAME, headers=headers)

    return asked


def codes(answer: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in answer.json().get("errors", ())]


async def test_each_person_has_their_own_rate(ask: Any, make_person: Callable[..., Any]) -> None:
    one, other = make_person("student"), make_person("student")
    assert [codes(await ask(one.headers())) for _ in range(100)] == [[]] * 100
    refused = await ask(one.headers())
    assert codes(refused) == ["RATE_LIMITED"]
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["errors"][0]["extensions"]["retryAfterMs"] == 20
    assert codes(await ask(other.headers())) == []


async def test_answers_carry_the_limit_and_the_remaining_requests(ask: Any, student: Any) -> None:
    await ask(student.headers())
    answer = await ask(student.headers())
    assert {name: value for name, value in answer.headers.items() if name.startswith("ratelimit")} == {
        "ratelimit-limit": "100",
        "ratelimit-remaining": "98",
        "ratelimit-reset": "1",
        "ratelimit-policy": '"default";q=100;w=2',
        "ratelimit": '"default";r=98;t=1',
    }
    assert "retry-after" not in answer.headers


async def test_requests_without_a_token_are_limited_by_address(ask: Any, student: Any) -> None:
    assert [codes(await ask()) for _ in range(100)] == [[]] * 100
    assert codes(await ask()) == ["RATE_LIMITED"]
    assert codes(await ask(host="192.0.2.2")) == []
    assert codes(await ask(student.headers())) == []


async def test_requests_with_a_bad_token_are_limited_by_address(ask: Any) -> None:
    bad = {"authorization": "Bearer nonsense"}
    assert [codes(await ask(bad)) for _ in range(100)] == [["UNAUTHENTICATED"]] * 100
    assert codes(await ask(bad)) == ["RATE_LIMITED"]


@pytest.mark.parametrize("path", ["/graphql", "/subgraphs/bookings"])
async def test_a_malformed_request_counts_as_one(
    peers: Any, verifier: Any, student: Any, standing_still: RateLimiter, path: str
) -> None:
    transport = httpx.ASGITransport(app=build(peers, verifier, standing_still))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        headers = student.headers() | {"content-type": "application/json"}
        bad = [await client.post(path, content=b"{", headers=headers) for _ in range(101)]
    assert [answer.status_code for answer in bad[:100]] == [400] * 100
    assert codes(bad[100]) == ["RATE_LIMITED"]


async def test_addresses_of_one_ipv6_network_count_together(ask: Any, standing_still: RateLimiter) -> None:
    for _ in range(50):
        await ask(host="2001:db8::1")
        await ask(host="2001:db8::2")
    assert codes(await ask(host="2001:db8::3")) == ["RATE_LIMITED"]
    assert codes(await ask(host="2001:db8:0:1::3")) == []


async def test_health_checks_are_not_counted(peers: Any, verifier: Any, http: httpx.AsyncClient) -> None:
    assert not [name for name in (await http.get("/healthz")).headers if name.startswith("ratelimit")]


def test_a_bucket_fills_again_fifty_times_a_second() -> None:
    now = [0.0]
    limiter = RateLimiter(clock=lambda: now[0])
    assert sum(limiter.take_token("a").is_allowed for _ in range(150)) == 100
    now[0] = 1.0
    assert sum(limiter.take_token("a").is_allowed for _ in range(150)) == 50
    now[0] = 100.0
    assert sum(limiter.take_token("a").is_allowed for _ in range(150)) == 100


def test_the_least_recently_seen_key_is_forgotten_first() -> None:
    limiter = RateLimiter(clock=lambda: 0.0, max_keys=2)
    assert all(limiter.take_token("a").is_allowed for _ in range(100))
    limiter.take_token("b")
    assert not limiter.take_token("a").is_allowed
    limiter.take_token("c")  # forgets b
    assert not limiter.take_token("a").is_allowed


@pytest.mark.parametrize(("tokens", "seconds"), [(0.0, 0.02), (0.5, 0.01), (3.0, 0.0)])
def test_retry_after_says_when_the_next_request_would_pass(tokens: float, seconds: float) -> None:
    assert Allowance(is_allowed=False, tokens=tokens).retry_after == pytest.approx(seconds)
