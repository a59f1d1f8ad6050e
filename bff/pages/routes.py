"""Every route of the pages."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.routing import BaseRoute, Route

from bff.http.authentication import Authenticator
from bff.pages import checkout, embed, manage, static
from bff.pages.asking import Links, logged_route
from bff.pages.checkout import CheckoutPage
from bff.pages.front import serve_front
from bff.pages.links import LinkEndpoints
from bff.pages.manage import ManagePage
from bff.pages.sandbox import SandboxEndpoints
from bff.pages.shop import serve_shop
from bff.peers import Peers
from bff.settings import Options


def page_routes(peers: Peers, authenticator: Authenticator, options: Options) -> list[BaseRoute]:
    """The routes to these peers. What only a developer's mesh has is not among them in production."""
    links = Links(peers, authenticator)
    managing = ManagePage(links)
    routes: list[BaseRoute] = [
        Route("/pages/{file:path}", static.serve_files(tuple(_hidden_folders(options)))),
        Route("/embed/slots.js", embed.serve_script),
        Route("/embed/slots.json", embed.serve_parts),
        logged_route(checkout.PATH, CheckoutPage(links, options).serve),
        logged_route(manage.PATH, managing.serve),
        logged_route(manage.CALENDAR_PATH, managing.serve_calendar),
        *LinkEndpoints(links).routes(),
    ]
    if options.sandbox_url is not None:
        routes += SandboxEndpoints(options.sandbox_url, links).routes()
    if not options.is_production:
        routes.extend(_development_routes(options.sandbox_url))
        routes.append(Route(embed.DEMO_PATH, embed.show_demo(links, peers, is_public=options.public_availability)))
    return routes


def _hidden_folders(options: Options) -> Iterator[str]:
    """The folders of scripts that belong to pages which are not here."""
    if options.sandbox_url is None:
        yield "sandbox/"
    if options.is_production:
        yield "shop/"


def _development_routes(sandbox_url: str | None) -> Iterator[BaseRoute]:
    yield Route("/", serve_front(sandbox_url))
    yield Route("/shop", serve_shop)
