"""Raw connections: headers too large, too slow or endless are refused, and valid ones are answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bff.app import build
from bff.http import header_limits
from tests.bff.live import served

SOUND = b"GET /healthz HTTP/1.1\r\nhost: edge.test\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(peers: Any, verifier: Any, edge_settings: Any) -> AsyncIterator[str]:
    async with served(build(peers, verifier), edge_settings) as at:
        yield at


@contextlib.asynccontextmanager
async def raw(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def status(reader: asyncio.StreamReader) -> int:
    """Status and body of the next answer, which must be short. A connection that the server keeps stays usable."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split()[1])


async def closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_valid_requests_share_a_connection(address: str) -> None:
    async with raw(address) as (reader, writer):
        for request in (SOUND, b"\r\n" + SOUND):
            writer.write(request)
            assert await status(reader) == 200
        for byte in SOUND:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await status(reader) == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 10_000 + b"\r\n",
        b"GET /" + b"x" * 40_000,
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000,
    ],
    ids=["url", "field", "fields", "endless url", "endless field"],
)
async def test_a_header_that_is_too_large_is_431(address: str, head: bytes) -> None:
    async with raw(address) as (reader, writer):
        writer.write(head)
        assert await status(reader) == 431
        assert await closed(reader)


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nhost: a\r\n", b"\r\n", SOUND + b"GET"])
async def test_a_header_that_does_not_arrive_is_408(
    address: str, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_limits, "HEADER_SECONDS", 0.1)
    async with raw(address) as (reader, writer):
        writer.write(begun)
        if begun.startswith(SOUND):
            assert await status(reader) == 200
        assert await status(reader) == 408
        assert await closed(reader)


async def test_endless_trailers_are_cut_off(address: str) -> None:
    head = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    async with raw(address) as (reader, writer):
        writer.write(head + b"0\r\nx: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"x" * 65_536)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            assert await status(reader) in (408, 413)
        assert await closed(reader)


async def test_a_request_that_is_not_http_is_400(address: str) -> None:
    async with raw(address) as (reader, writer):
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert await status(reader) == 400
        assert await closed(reader)
