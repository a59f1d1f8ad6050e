"""Whose address counts: the client's, also behind a proxy that is trusted; and never anybody's word."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from bff.app import build
from bff.http.addresses import TrustedProxies, network_of
from bff.http.rate_limits import RateLimiter
from bff.settings import Options

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("2001:db8:aa::/48")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.9.9.9, 192.0.2.7"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.8"], "192.0.2.8"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, nonsense, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [","], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:aa::1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:bb::1", ["198.51.100.1"], "2001:db8:bb::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxys(
    peer: str, forwarded: list[str], client: str
) -> None:
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded]}
    PROXIES.note_client(scope)
    assert scope["client"] == (client, 1)


def test_by_default_no_proxy_is_trusted() -> None:
    scope = {"client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-for", b"198.51.100.1")]}
    TrustedProxies().note_client(scope)
    assert scope["client"] == ("127.0.0.1", 1)
    assert Options().trusted_proxies == ()


def test_a_connection_without_an_address_has_no_client() -> None:
    scope: dict[str, Any] = {"client": None, "headers": [(b"x-forwarded-for", b"198.51.100.1")]}
    PROXIES.note_client(scope)
    assert scope["client"] is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:DB8:0:0::1", "2001:db8::2"),
    ],
)
def test_addresses_of_one_client_count_together(one: str, other: str) -> None:
    assert network_of(one) == network_of(other)
    assert network_of(one) != network_of("2001:db8:1::1")


async def test_61_limits_by_address_count_each_client_behind_a_trusted_proxy(
    peers: Any, verifier: Any, script: Any, student: Any
) -> None:
    still = RateLimiter(clock=lambda: 0.0)
    app = build(peers, verifier, still, Options(trusted_proxies=(ip_network("10.0.0.0/8"),)))

    async def code(peer: str, client: str, headers: dict[str, str] | None = None) -> list[str]:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as http:
            headers = {"x-forwarded-for": client} | (headers or {})
            answer = await http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        return [error["extensions"]["code"] for error in answer.json().get("errors", ())]

    still.charge("198.51.100.1", 100)
    assert await code("10.0.0.1", "198.51.100.1") == ["RATE_LIMITED"]
    assert await code("10.0.0.1", "198.51.100.2") == []
    assert await code("198.51.100.1", "198.51.100.2") == ["RATE_LIMITED"]  # its own word about itself
    assert await code("10.0.0.1", "198.51.100.1", student.headers()) == []  # a person counts for themselves
