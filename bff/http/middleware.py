"""What every HTTP request passes: a request id, a deadline, careful headers, and the limit on requests at once."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bff.http.addresses import TrustedProxies
from bff.http.slow_clients import SlowClientLimit
from mesh import calls, tracing
from mesh.calls import Call
from mesh.concurrency import ConcurrencyLimit
from mesh.errors import Overloaded

#: Seconds a request has, whatever it asks for; the contract says 10.
REQUEST_SECONDS = 9.0
#: Seconds after the request's deadline at which it is answered in any case.
GRACE_SECONDS = 0.5
#: Requests at once. It must be larger than the slow-client limit, so that slow bodies never fill it.
MAX_REQUESTS = 512
#: These must answer on a full edge too.
UNLIMITED_PATHS = frozenset({"/healthz", "/readyz"})
REQUEST_ID = "x-request-id"
_VALID_REQUEST_ID = re.compile(rb"[\w.:-]{1,64}", re.ASCII)
#: For answers that are not pages; a page sets its own policy. No page of another origin may frame ours.
_SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class RequestMiddleware:
    """Gives each request an id and a deadline, and its answer security and rate-limit headers.

    A client's X-Request-Id is kept when it is short and plain. Every answer carries it. A client that comes by a
    trusted proxy is the client that the proxy names.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int = 0, proxies: TrustedProxies | None = None) -> None:
        self._app, self._slow_clients, self._proxies = app, SlowClientLimit(), proxies or TrustedProxies()
        hsts = {"strict-transport-security": f"max-age={hsts_seconds}"} if hsts_seconds else {}
        self._headers = _SECURITY_HEADERS | hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            self._proxies.note_client(scope)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        # bodies.py reads `slow_clients`; authentication.py adds `allowance`.
        scope["state"] = {**scope.get("state", {}), "slow_clients": self._slow_clients}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                tracing.mark("http.response.status_code", message["status"])
                allowance = scope["state"].get("allowance")
                for name, value in (self._headers | (allowance.headers() if allowance else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        calls.enter(Call(request_id, deadline=asyncio.get_running_loop().time() + REQUEST_SECONDS))
        with tracing.span("request", "server", parent=traceparent_of(scope)):
            try:
                await self._app(scope, receive, send_with_headers)
            finally:
                tracing.rename(f"{scope['method']} {getattr(scope.get('route'), 'path', 'none')}")


class ConcurrencyLimitMiddleware:
    """Answers 503 beyond so many requests at once, before anything of the request is read.

    A request counts until its answer is ready. How fast a client reads its answer is no matter of others.
    """

    def __init__(self, app: ASGIApp, max_requests: int = MAX_REQUESTS) -> None:
        self._app, self._requests = app, ConcurrencyLimit(max_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNLIMITED_PATHS:
            await self._app(scope, receive, send)
            return
        with contextlib.ExitStack() as inside:
            try:
                inside.enter_context(self._requests)
            except Overloaded as full:
                await _unavailable(full)(scope, receive, send)
                return

            async def leave_and_send(message: Message) -> None:
                inside.close()
                await send(message)

            await self._app(scope, receive, leave_and_send)


def _unavailable(full: Overloaded) -> JSONResponse:
    """One body for clients of GraphQL and of REST; Retry-After is for both (RFC 9110, 10.2.3)."""
    extensions = {"code": "UNAVAILABLE", "retryAfterMs": round(full.retry_after * 1000)}
    error = {"message": full.message, "extensions": extensions}
    envelope = {"success": False, "message": full.message, "data": None, "error": {"code": full.reason}}
    return JSONResponse(envelope | {"errors": [error]}, 503, headers={"retry-after": str(math.ceil(full.retry_after))})


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID.encode() and _VALID_REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return calls.new_request_id()


def traceparent_of(scope: Scope) -> str:
    """The client's span; empty when it sent none."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")
