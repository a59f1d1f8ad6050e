"""Calls of LinkService for whoever holds a link. A link is a bearer secret: it is in no log, and no address but its own."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.http import bodies
from bff.http.authentication import Authenticator
from bff.http.middleware import GRACE_SECONDS
from bff.peers import Peers
from mesh import calls
from mesh.errors import NotFound
from mesh.logs import log

#: No link of ours is longer. What does not look like one is asked of nobody.
_TOKEN: Final = re.compile(r"[\w.~=-]{1,1024}", re.ASCII)
#: The header that carries a link's token. No page of another origin can send it: CORS does not allow it.
HEADER: Final = "link-token"

Handler = Callable[[Request], Awaitable[Response]]


class Links:
    """LinkService, within the rate of the address that asks."""

    def __init__(self, peers: Peers, authenticator: Authenticator) -> None:
        self.service, self._authenticator = peers.link, authenticator

    @contextlib.asynccontextmanager
    async def turn(self, request: Request, max_bytes: int = 0) -> AsyncIterator[bytes]:
        """The block asks for this request, which has this body: JSON, or anything of at most `max_bytes`.

        Raises RateLimited, BadBody, ClientGone, and TryAgain or TimeoutError at the request's deadline.
        """
        async with asyncio.timeout_at((calls.current().deadline or 0) + GRACE_SECONDS):
            caller = self._authenticator.caller(request, None)
            caller.count_request()
            body = await _read(request, max_bytes)
            async with caller.turn():
                yield body


async def _read(request: Request, max_bytes: int) -> bytes:
    """Before its turn: whether the client is still there is asked by reading, too."""
    if request.method != "POST":
        return b""
    if max_bytes:
        return await bodies.read_body(request, max_bytes)
    return await bodies.read_json_body(request, must_name_type=True)


def check_token(text: str) -> str:
    """The token, when it can be one. Raises NotFound."""
    if not _TOKEN.fullmatch(text):
        raise NotFound
    return text


def logged_route(path: str, handler: Handler, *, method: str = "GET") -> Route:
    """A route whose requests are logged by its template: the path itself has a token."""

    async def serve(request: Request) -> Response:
        began = time.perf_counter()
        answer = await handler(request)
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
        log().info("page", route=path, method=request.method, status=answer.status_code, ms=milliseconds)
        return answer

    return Route(path, serve, methods=[method])
