"""Which web pages of other origins may call (Fetch: CORS protocol). Tokens travel in a header: no cookie is asked for."""

from __future__ import annotations

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

ANY = "*"
METHODS = ("GET", "POST", "DELETE")
SENT = ("authorization", "content-type", "idempotency-key", "x-request-id")
SHOWN = (
    "x-request-id",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
)
REMEMBERED_SECONDS = 600


def cross_origin(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """The application, with its answers readable by pages of these origins."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=SHOWN,
        max_age=REMEMBERED_SECONDS,
    )


def may_connect(connection: HTTPConnection, origins: Collection[str]) -> bool:
    """May a page open this WebSocket? Browsers ask nobody before, so we look (RFC 6455, 10.2); others send no Origin."""
    origin = connection.headers.get("origin")
    if origin is None or ANY in origins or origin in origins:
        return True
    return origin.partition("://")[2] == connection.headers.get("host")
