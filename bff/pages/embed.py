"""GET /embed/slots.js: the web component with a tutor's free times, for pages of CORS_ORIGINS. And a page that shows it.

The component reads the public GraphQL of the edge that serves it, so it shows times where PUBLIC_AVAILABILITY is set.
"""

from __future__ import annotations

import json
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bff.pages import static
from bff.pages.asking import Handler, Links
from bff.pages.languages import TEXTS
from bff.pages.problems import page_or_problem
from bff.pages.render import page
from bff.peers import READ_SECONDS, Peers
from mesh.plain_text import one_line
from tutormesh.availability.v1 import availability_pb2

SCRIPT: Final = "slots.js"
DEMO_PATH: Final = "/embed/demo"
_LISTED: Final = availability_pb2.ListTutorsRequest(page_size=50)
#: Pages of other sites keep the script for five minutes, and ask for its tag then.
_HEADERS: Final = {
    "cache-control": "public, max-age=300, stale-while-revalidate=86400",
    "content-security-policy": "default-src 'none'",
    "cross-origin-resource-policy": "cross-origin",
}
#: What the script reads besides: its style, and its texts in every language.
_PARTS: Final = static.make_file(
    json.dumps(
        {
            "css": static.FILES["slots.css"].content.decode(),
            "texts": {language: texts["slots"] for language, texts in TEXTS.items()},
        }
    ).encode(),
    "application/json",
)


async def serve_script(request: Request) -> Response:
    """The component as a module."""
    return _send(request, static.FILES[SCRIPT])


async def serve_parts(request: Request) -> Response:
    """What the module reads before it defines the component."""
    return _send(request, _PARTS)


def _send(request: Request, file: static.StaticFile) -> Response:
    """`bff.http.cors` says whose pages may have it, so an answer is good for one origin."""
    response = static.answer(request, file)
    response.headers.update(_HEADERS)
    response.headers.add_vary_header("origin")
    return response


def show_demo(links: Links, peers: Peers, *, is_public: bool) -> Handler:
    """The endpoint of a page that embeds the component as any page would. `is_public`: the component can read free times."""

    async def show(request: Request) -> Response:
        async with links.turn(request):
            listed = await peers.availability.ListTutors(_LISTED, timeout=READ_SECONDS) if is_public else None
        tutors = listed.tutors if listed else ()
        names = [(tutor.tutor_id, one_line(tutor.display_name) or tutor.timezone) for tutor in tutors]
        return page(request, "embed.html", tutors=names)

    async def serve(request: Request) -> Response:
        return await page_or_problem(request, DEMO_PATH, show)

    return serve
