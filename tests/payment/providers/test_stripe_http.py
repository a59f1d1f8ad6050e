"""What Stripe's server may do to a call: send it elsewhere, be silent, break off, be reached through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from payment_svc.providers.port import OutcomeUnknown
from payment_svc.providers.stripe import StripeProvider
from payment_svc.providers.stripe_http import find_proxy

INTENT = b'{"id": "pi_1", "object": "payment_intent"}'


@contextlib.asynccontextmanager
async def server_that_sends(answer: bytes, *, then_waits: bool = False) -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of a server that answers every request so, and the first lines of the requests that it got."""
    asked, done = [], asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0].decode())
        writer.write(answer)
        await writer.drain()
        if then_waits:
            await done.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        done.set()


async def ask(base: str, timeout: float = 5) -> str:
    """What the first cause of an unknown outcome says."""
    stripe = StripeProvider("sk_test_x", "whsec_x", api_base=base, timeout=timeout)
    try:
        with pytest.raises(OutcomeUnknown) as unknown:
            await stripe.retrieve_intent("pi_1")
    finally:
        await stripe.close()
    return str(unknown.value.__cause__)


async def test_a_redirect_is_not_followed() -> None:
    async with server_that_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (elsewhere, asked):
        moved = f"HTTP/1.1 307 X\r\nLocation: {elsewhere}/\r\nContent-Length: 2\r\n\r\n{{}}"
        async with server_that_sends(moved.encode()) as (base, _):
            await ask(base)
        assert asked == []


async def test_a_server_that_is_silent_is_given_up() -> None:
    async with server_that_sends(b"", then_waits=True) as (base, asked):
        assert "APIConnectionError" in await ask(base, timeout=0.2)
        assert len(asked) == 1


async def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async with server_that_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + INTENT) as (base, asked):
        assert "APIConnectionError" in await ask(base)
        assert len(asked) == 1


async def test_an_answer_that_is_no_http_is_no_answer() -> None:
    async with server_that_sends(b"SSH-2.0-OpenSSH\r\n\r\n") as (base, _):
        assert "APIConnectionError" in await ask(base)


async def test_stripe_is_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server_that_sends(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}") as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await ask("http://stripe.invalid")
    assert asked == ["GET http://stripe.invalid/v1/payment_intents/pi_1 HTTP/1.1"]


def test_the_environment_says_which_proxy_a_url_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.setenv(name, "")
    assert find_proxy("https://stripe.invalid") is None
    monkeypatch.setenv("all_proxy", "http://every:1")
    assert find_proxy("https://stripe.invalid") == "http://every:1"
    monkeypatch.setenv("https_proxy", "http://secure:1")
    assert find_proxy("https://stripe.invalid") == "http://secure:1"
    monkeypatch.setenv("no_proxy", "stripe.invalid,other:12111")
    assert find_proxy("https://stripe.invalid") is None
    assert find_proxy("http://other:12111/v1") is None
    assert find_proxy("http://other:9") == "http://every:1"
