"""Every route of the pages."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from bff.http.authentication import Authenticator
from bff.pages import embed, static
from bff.peers import Peers
from bff.settings import Options


def page_routes(peers: Peers, authenticator: Authenticator, options: Options) -> list[BaseRoute]:
    """The routes to these peers. What only a developer's mesh has is not among them in production."""
    routes: list[BaseRoute] = [
        Route("/pages/{file:path}", static.serve_file),
        Route("/embed/slots.js", embed.serve_script),
    ]
    if not options.is_production:
        routes.append(Route("/embed/demo", embed.show_demo))
    return routes
