"""GET /shop: the shop of a developer's mesh, which is also the example for an app. Its scripts are in `static/shop/`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from bff.pages.render import page


async def serve_shop(request: Request) -> Response:
    """The page, without anybody's data: its scripts ask the public API for it."""
    return page(request, "shop.html")
