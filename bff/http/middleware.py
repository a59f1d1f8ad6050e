"""What every HTTP request passes: a request id, a deadline, and headers that keep browsers careful."""

from __future__ import annotations

import asyncio
import math
import re

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bff.http.slow_clients import Patience
from mesh import calls
from mesh.calls import Call
from mesh.errors import Overloaded
from mesh.server import Room

#: Seconds a request has, whatever it asks; the contract says 10.
REQUEST_SECONDS = 9.0
#: Requests at once; more are turned away before anything of them is read. Who asks after our health is not counted.
#: Those whose body is waited for are fewer (bff/http/slow_clients.py), so that they never have all the places.
MAX_REQUESTS = 512
UNCOUNTED = frozenset({"/healthz", "/readyz", "/metrics"})
REQUEST_ID = "x-request-id"
_GIVEN_ID = re.compile(rb"[\w.:-]{1,64}", re.ASCII)
#: For what is no page; a page says itself what it may load. Nothing of ours is shown in a frame of another's.
_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Door:
    """ASGI middleware. A client's X-Request-Id is kept when it is short and plain, and is always answered."""

    def __init__(self, app: ASGIApp, most: int = MAX_REQUESTS, *, hsts_seconds: int = 0) -> None:
        self._app, self.room, self._patience = app, Room(most), Patience()
        https = {"strict-transport-security": f"max-age={hsts_seconds}"} if hsts_seconds else {}
        self._headers = _HEADERS | https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        # What the doors need, and note, of this request (bff/http/bodies.py, bff/http/authentication.py).
        scope["state"] = {"patience": self._patience}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                allowance = scope["state"].get("allowance")
                for name, value in (self._headers | (allowance.headers() if allowance else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        calls.enter(Call(request_id, deadline=asyncio.get_running_loop().time() + REQUEST_SECONDS))
        if scope["path"] in UNCOUNTED:
            await self._app(scope, receive, answer)
        else:
            await self._within_room(scope, receive, answer)

    async def _within_room(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.room.enter()
        except Overloaded as full:
            await _turned_away(full)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self.room.leave()


def _turned_away(full: Overloaded) -> JSONResponse:
    """As GraphQL and as REST tell it, whichever door was asked for; the header is everybody's (RFC 9110, 10.2.3)."""
    extensions = {"code": "UNAVAILABLE", "retryAfterMs": round(full.retry_after * 1000)}
    error = {"message": full.message, "extensions": extensions}
    envelope = {"success": False, "message": full.message, "data": None, "error": {"code": full.reason}}
    return JSONResponse(envelope | {"errors": [error]}, 503, headers={"retry-after": str(math.ceil(full.retry_after))})


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID.encode() and _GIVEN_ID.fullmatch(value):
            return str(value.decode())
    return calls.new_request_id()
