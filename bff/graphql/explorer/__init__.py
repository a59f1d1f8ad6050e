"""GET /graphql: a page to try the API with. Its three files are served from here: it needs no internet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Endpoint = Callable[[Request], Awaitable[Response]]


def serve(name: str, media_type: str) -> Endpoint:
    """An endpoint that always answers with this file of the explorer, whatever the query string."""
    content = Path(__file__).with_name(name).read_bytes()

    async def send_file(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"content-security-policy": _CONTENT_SECURITY_POLICY})

    return send_file
