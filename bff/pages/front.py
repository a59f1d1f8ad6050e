"""GET /: what a developer's mesh has to look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from bff.pages.render import page

Endpoint = Callable[[Request], Awaitable[Response]]
LINKS = (("shop", "/shop"), ("explorer", "/graphql"), ("embed", "/embed/demo"), ("openapi", "/openapi.json"))


def serve_front(mailbox: str | None) -> Endpoint:
    """The endpoint of the front page. `mailbox` is the address of the sandbox's mailbox, where there is one."""
    links = (*LINKS, *((("mailbox", mailbox),) if mailbox else ()))

    async def send_front(request: Request) -> Response:
        return page(request, "front.html", links=links)

    return send_front
