"""Wait until the mesh is ready. Plain sockets do it, because importing an HTTP library would slow a start down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from devkit.layout import HOST

_POLL_SECONDS = 0.02


async def wait_until_ready(port: int) -> None:
    """Return when `GET /readyz` on this port answers 200."""
    while await fetch_status(port, "/readyz") != 200:  # noqa: ASYNC110 - HTTP has no event for it
        await asyncio.sleep(_POLL_SECONDS)


async def wait_until_listening(ports: Iterable[int]) -> None:
    """Return when somebody takes connections at each of these ports."""
    for port in ports:
        while not await _is_listening(port):  # noqa: ASYNC110 - another process listens
            await asyncio.sleep(_POLL_SECONDS)


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def fetch_status(port: int, path: str, timeout: float = 2.0) -> int | None:
    """The HTTP status of a GET, or None when there is no answer."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(timeout):
            return await _fetch_status(port, path)
    return None


async def _fetch_status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
