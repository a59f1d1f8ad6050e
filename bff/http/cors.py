"""Which web pages of other origins may call (Fetch: CORS protocol). Tokens travel in a header, so no cookie is allowed."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

ANY = "*"
METHODS = ("GET", "POST", "DELETE")
#: The headers of our API, and those that GraphQL clients and tracing libraries send by themselves.
REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "idempotency-key",
    "x-request-id",
    "apollographql-client-name",
    "apollographql-client-version",
    "apollo-require-preflight",
    "x-apollo-operation-id",
    "x-apollo-operation-name",
    "x-apollo-operation-type",
    "graphql-require-preflight",
    "x-requested-with",
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "cache-control",
    "pragma",
)
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
#: What decides about the parts of a preflight.
_SETTINGS = {"origin": "CORS_ORIGINS", "headers": "CORS_HEADERS"}


def allow_origins(app: ASGIApp, origins: Collection[str], headers: Collection[str] = ()) -> ASGIApp:
    """The application, with its answers readable by pages of these origins, which may send these headers too."""
    return _Cors(
        app,
        allow_origins=list(origins),
        allow_methods=METHODS,
        allow_headers=(*REQUEST_HEADERS, *headers),
        expose_headers=EXPOSED_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )


class _Cors(CORSMiddleware):
    """A refused preflight says which setting would allow it."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        text = bytes(answer.body).decode()
        hints = [f"the setting {name} decides about {part}" for part, name in _SETTINGS.items() if part in text]
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return PlainTextResponse("; ".join((text, *hints)), answer.status_code, headers)


def may_connect(connection: HTTPConnection, origins: Collection[str]) -> bool:
    """May the sender open this WebSocket? Browsers send no preflight for one, so its Origin decides (RFC 6455, 10.2).

    Clients that are no browsers send no Origin, and may.
    """
    origin = connection.headers.get("origin")
    if origin is None or ANY in origins or origin in origins:
        return True
    return origin.partition("://")[2] == connection.headers.get("host")
