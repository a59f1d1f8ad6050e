"""What every HTTP request passes: a request id, a deadline, and headers that keep browsers careful."""

from __future__ import annotations

import asyncio
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh import calls
from mesh.calls import Call

#: Seconds a request has, whatever it asks; the contract says 10.
REQUEST_SECONDS = 9.0
REQUEST_ID = "x-request-id"
_GIVEN_ID = re.compile(rb"[\w.:-]{1,64}", re.ASCII)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Door:
    """ASGI middleware. A client's X-Request-Id is kept when it is short and plain, and is always answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        calls.enter(Call(request_id, deadline=asyncio.get_running_loop().time() + REQUEST_SECONDS))
        await self._app(scope, receive, answer)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID.encode() and _GIVEN_ID.fullmatch(value):
            return str(value.decode())
    return calls.new_request_id()
