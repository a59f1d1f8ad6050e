"""GET /graphql: a page to try the API with, made of three files of our own, so that it works without the internet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Endpoint = Callable[[Request], Awaitable[Response]]


def served(name: str, media_type: str) -> Endpoint:
    """An endpoint that always answers with this file of the explorer; a query string changes nothing."""
    content = Path(__file__).with_name(name).read_bytes()

    async def serve(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"content-security-policy": _POLICY})

    return serve
