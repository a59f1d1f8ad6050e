"""GET /graphql in a browser: a page to try the API with. Its files are served from here: it needs no internet."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{sockets}; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?", re.ASCII)
#: The modules that page.js imports.
MODULES = ("answer", "examples", "schema", "socket")

Endpoint = Callable[[Request], Awaitable[Response]]


def serve(name: str, media_type: str) -> Endpoint:
    """An endpoint that always answers with this file of the explorer, whatever the query string."""
    content = Path(__file__).with_name(name).read_bytes()

    async def send_file(request: Request) -> Response:
        policy = _CONTENT_SECURITY_POLICY.format(sockets=_sockets(request.headers.get("host", "")))
        return Response(content, media_type=media_type, headers={"content-security-policy": policy})

    return send_file


def files() -> Iterator[Route]:
    """The routes of what the page refers to."""
    yield Route("/graphql/explorer.css", serve("page.css", "text/css"))
    yield Route("/graphql/explorer.js", serve("page.js", "text/javascript"))
    for name in MODULES:
        yield Route(f"/graphql/explorer/{name}.js", serve(f"{name}.js", "text/javascript"))


def _sockets(host: str) -> str:
    """The page's own host for WebSockets: not every browser counts them as 'self'."""
    return f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
