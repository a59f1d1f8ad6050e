"""GET /embed/slots.js: the web component with a tutor's free times, for pages of CORS_ORIGINS. And a page that shows it.

The component reads the public GraphQL of the edge that serves it, so it shows times where PUBLIC_AVAILABILITY is set.
"""

from __future__ import annotations

import gzip
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bff.pages import static
from bff.pages.render import page

SCRIPT: Final = "slots.js"
#: Pages of other sites keep the script for five minutes, and ask for its tag then.
_HEADERS: Final = {
    "cache-control": "public, max-age=300, stale-while-revalidate=86400",
    "content-security-policy": "default-src 'none'",
    "cross-origin-resource-policy": "cross-origin",
}
_PACKED: Final = gzip.compress(static.FILES[SCRIPT].content, mtime=0)


async def serve_script(request: Request) -> Response:
    """The component as a module. `bff.http.cors` says whose pages may import it, so an answer is good for one origin."""
    response = static.send_file(request, SCRIPT)
    if response.status_code == 200 and "gzip" in request.headers.get("accept-encoding", ""):
        response = Response(_PACKED, headers={**response.headers, "content-encoding": "gzip"})
        response.headers["content-length"] = str(len(_PACKED))
    response.headers.update(_HEADERS)
    response.headers.add_vary_header("accept-encoding")
    response.headers.add_vary_header("origin")
    return response


async def show_demo(request: Request) -> Response:
    """A page that embeds the component as any page would."""
    return page(request, "embed.html")
