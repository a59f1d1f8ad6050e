"""GET /: what a developer's mesh has to look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bff.pages.render import page

Endpoint = Callable[[Request], Awaitable[Response]]
LINKS = (("shop", "/shop"), ("explorer", "/graphql"), ("embed", "/embed/demo"), ("openapi", "/openapi.json"))


def serve_front(sandbox: str | None) -> Endpoint:
    """The endpoint of the front page. `sandbox` is the Stripe sandbox's address; a browser reaches it on loopback alone."""
    is_reachable = sandbox is not None and urlsplit(sandbox).hostname in ("localhost", "127.0.0.1", "::1")
    links = (*LINKS, ("mailbox", f"{sandbox}/mailbox")) if is_reachable else LINKS

    async def send_front(request: Request) -> Response:
        return page(request, "front.html", links=links)

    return send_front
