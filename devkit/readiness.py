"""Waiting until the mesh says that it is ready, with sockets alone: a start has no time for an HTTP library."""

from __future__ import annotations

import asyncio
import contextlib

from devkit.layout import HOST

_LOOK_EVERY = 0.05


async def ready(port: int) -> None:
    """Return once `GET /readyz` answers 200."""
    while await status(port, "/readyz") != 200:  # noqa: ASYNC110 - the wire has no event for it
        await asyncio.sleep(_LOOK_EVERY)


async def status(port: int, path: str, timeout: float = 2.0) -> int | None:
    """The HTTP status of a GET, None when there is no answer."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(timeout):
            return await _status(port, path)
    return None


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
