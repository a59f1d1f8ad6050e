"""The edge behind its own HTTP server, and a client that speaks graphql-transport-ws to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bff.http import server
from bff.settings import Settings

SECONDS = 10.0
SUBPROTOCOL = "graphql-transport-ws"
ENROLLED = "subscription($id: ID!) { enrollmentUpdated(enrollmentId: $id) { id status } }"
UPDATED = "subscription($id: ID!) { bookingUpdated(bookingId: $id) { id status } }"


@contextlib.asynccontextmanager
async def served(app: Any, settings: Settings, most: int = server.MAX_CONNECTIONS) -> AsyncIterator[str]:
    """`host:port` of the application, served as `python -m bff` serves it, with at most so many connections."""
    running = uvicorn.Server(server.config(app, settings, most))
    running.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    with server.listen(settings) as listener:
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            await serving


@dataclass
class Listener:
    """A client on one connection."""

    socket: ClientConnection
    said: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, kind: str, **more: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **more}))

    async def introduce(self, token: str) -> None:
        await self.say("connection_init", payload={"Authorization": f"Bearer {token}"})
        assert await self.heard() == {"type": "connection_ack"}

    async def subscribe(self, booking: str, id: str = "1", query: str = UPDATED) -> None:
        await self.say("subscribe", id=id, payload={"query": query, "variables": {"id": booking}})

    async def heard(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(SECONDS):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        return message

    async def status(self, id: str = "1") -> str:
        """The status of the booking or the enrollment in the next message, which must have one."""
        message = await self.heard()
        assert (message["type"], message["id"]) == ("next", id), message
        (record,) = message["payload"]["data"].values()
        return str(record["status"])

    async def refused(self, id: str = "1") -> dict[str, Any]:
        """The only error of the next message, its extensions flattened into it."""
        message = await self.heard()
        assert (message["type"], message["id"]) == ("error", id), message
        (error,) = message["payload"]
        return {**error, **error["extensions"]}

    async def closed(self) -> tuple[int, str]:
        """Waits for the server to close: its code and reason. No message may come before."""
        async with asyncio.timeout(SECONDS):
            try:
                unexpected = await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code or 0, self.socket.close_reason or ""
        raise AssertionError(f"not closed, but told {unexpected!r}")


@contextlib.asynccontextmanager
async def listening(
    address: str, token: str | None = None, *, path: str = "/graphql", **options: Any
) -> AsyncIterator[Listener]:
    """A connection; with a token it is authenticated."""
    given = {"subprotocols": [SUBPROTOCOL], "proxy": None, **options}
    async with connect(f"ws://{address}{path}", **given) as socket:
        listener = Listener(socket)
        if token is not None:
            await listener.introduce(token)
        yield listener
