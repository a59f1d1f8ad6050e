"""Which web pages of other origins may call (Fetch: CORS protocol). Tokens travel in a header, so no cookie is allowed."""

from __future__ import annotations

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

ANY = "*"
METHODS = ("GET", "POST", "DELETE")
REQUEST_HEADERS = ("authorization", "content-type", "idempotency-key", "x-request-id")
EXPOSED_HEADERS = (
    "x-request-id",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
)
MAX_AGE_SECONDS = 600


def allow_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """The application, with its answers readable by pages of these origins."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=EXPOSED_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )


def may_connect(connection: HTTPConnection, origins: Collection[str]) -> bool:
    """May the sender open this WebSocket? Browsers send no preflight for one, so its Origin decides (RFC 6455, 10.2).

    Clients that are no browsers send no Origin, and may.
    """
    origin = connection.headers.get("origin")
    if origin is None or ANY in origins or origin in origins:
        return True
    return origin.partition("://")[2] == connection.headers.get("host")
