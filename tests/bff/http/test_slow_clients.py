"""Slow clients do not keep others out."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from bff.app import build
from bff.http.rate_limits import RateLimiter
from bff.http.slow_clients import MAX_PER_ADDRESS, SlowClientLimit
from tests.bff.live import listening, served

NAME = {"query": "{ __typename }"}
#: More than the edge serves at once.
MANY = 560


class Unlimited(RateLimiter):
    """A rate limiter that never refuses."""

    def __init__(self) -> None:
        super().__init__(max_keys=0)


async def stalled(at: str, path: str, stack: contextlib.AsyncExitStack, count: int) -> list[asyncio.StreamReader]:
    """Opens so many connections that announce a body and send one byte of it."""
    host, _, port = at.partition(":")
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{"
    readers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        stack.callback(writer.close)
        writer.write(head.encode())
        readers.append(reader)
    return readers


@pytest.mark.parametrize("path", ["/graphql", "/webhooks/stripe"])
async def test_a_client_that_sends_is_served_while_hundreds_send_nothing(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, student: Any, path: str
) -> None:
    async with (
        served(build(peers, verifier, Unlimited()), edge_settings) as at,
        contextlib.AsyncExitStack() as stack,
        httpx.AsyncClient(base_url=f"http://{at}", timeout=10) as client,
    ):
        silent = await stalled(at, path, stack, MANY)
        async with asyncio.timeout(10):
            gave_way = [await reader.readline() for reader in silent[: MANY - MAX_PER_ADDRESS]]
        assert {line.split()[1] for line in gave_way} == {b"408"}
        answer = await client.post("/graphql", json=NAME, headers=student.headers())
        assert (answer.status_code, answer.json()) == (200, {"data": {"__typename": "Query"}})


async def test_the_body_of_a_rate_limited_request_is_not_read(
    peers: Any, verifier: Any, script: Any, edge_settings: Any
) -> None:
    async with (
        served(build(peers, verifier, RateLimiter(clock=lambda: 0.0)), edge_settings) as at,
        contextlib.AsyncExitStack() as stack,
    ):
        silent = await stalled(at, "/graphql", stack, 101)
        async with asyncio.timeout(4):  # sooner than a body that never comes
            assert b" 200 " in await silent[100].readline()


async def test_a_websocket_that_authenticates_is_served_while_others_send_nothing(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, student: Any
) -> None:
    async with served(build(peers, verifier), edge_settings) as at, contextlib.AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(listening(at)) for _ in range(MAX_PER_ADDRESS + 1)]
        assert await silent[0].closed() == (4408, "Connection initialisation timeout")
        async with listening(at, student.token) as heard:
            await heard.say("ping")
            assert await heard.heard() == {"type": "pong"}


async def waiting(limit: SlowClientLimit, address: str, told: list[str]) -> None:
    try:
        async with limit.wait_for(address, 30):
            await asyncio.Event().wait()
    except TimeoutError:
        told.append(address)


async def test_at_the_limit_the_client_that_has_waited_longest_is_closed() -> None:
    limit, told = SlowClientLimit(max_per_address=2, max_in_all=3), []
    async with asyncio.TaskGroup() as tasks:
        begun = []
        for address, given_up in [("a", []), ("b", []), ("b", []), ("b", ["b"]), ("c", ["b", "a"])]:
            begun.append(tasks.create_task(waiting(limit, address, told)))
            for _ in range(5):
                await asyncio.sleep(0)
            assert told == given_up
        for task in begun:
            task.cancel()
    assert not limit._waits


async def test_a_wait_ends_after_its_seconds() -> None:
    with pytest.raises(TimeoutError):
        async with SlowClientLimit().wait_for("a", 0.01):
            await asyncio.Event().wait()
