"""The application: which endpoint is at which path."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from graphql import GraphQLSchema
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from bff.graphql import explorer, schema
from bff.graphql.endpoint import GraphQLEndpoint
from bff.graphql.explorer.people import serve_people
from bff.graphql.negotiation import wants_page
from bff.graphql.operations import Operations
from bff.graphql.schema.federation import subgraphs
from bff.graphql.websocket.endpoint import GraphQLWebSocket
from bff.graphql.websocket.limits import ConnectionLimits
from bff.http import envelope
from bff.http.addresses import TrustedProxies
from bff.http.authentication import Authenticator, ClientGone
from bff.http.cors import allow_origins
from bff.http.draining import Drain
from bff.http.health import Readiness, report_alive
from bff.http.in_flight import InFlightLimit
from bff.http.metrics import count_requests
from bff.http.middleware import ConcurrencyLimitMiddleware, RequestMiddleware
from bff.http.rate_limits import RateLimiter
from bff.pages.routes import page_routes
from bff.peers import Peers
from bff.rest.routes import rest_routes
from bff.settings import Options
from bff.webhooks import WebhookEndpoint
from mesh.identity import Verifier

DEFAULT = Options()


def build(
    peers: Peers,
    verifier: Verifier,
    rate_limiter: RateLimiter | None = None,
    options: Options = DEFAULT,
    drain: Drain | None = None,
) -> ASGIApp:
    """The edge in front of these peers. It accepts the tokens that the verifier accepts."""
    in_flight = InFlightLimit()
    authenticator = Authenticator(verifier, rate_limiter or RateLimiter(), in_flight)
    webhooks = WebhookEndpoint(peers, in_flight)
    routes: list[BaseRoute] = [
        *_graphql(peers, authenticator, options),
        Route("/webhooks/stripe", webhooks.post, methods=["POST"]),
        Route("/payment/webhook", webhooks.post, methods=["POST"]),
        *rest_routes(peers, authenticator, is_open=options.public_availability),
        *page_routes(peers, authenticator, options),
        Route("/healthz", report_alive),
        Route("/readyz", Readiness(peers.channels, drain).report),
    ]
    app = Starlette(routes=routes, exception_handlers=_HANDLERS)
    app.router.redirect_slashes = False  # it would redirect to whatever Host the client named, by http:
    limited = RequestMiddleware(
        ConcurrencyLimitMiddleware(app),
        hsts_seconds=options.hsts_seconds,
        proxies=TrustedProxies(options.trusted_proxies),
    )
    return count_requests(allow_origins(limited, options.cors_origins, options.cors_headers))


def _graphql(peers: Peers, authenticator: Authenticator, options: Options) -> Iterator[BaseRoute]:
    """/graphql with its explorer, and the endpoints of a gateway: as /graphql, each with its part of the schema."""
    limits = ConnectionLimits()

    def endpoints(part: GraphQLSchema) -> tuple[GraphQLEndpoint, GraphQLWebSocket]:
        operations = Operations(part, peers, options)
        websocket = GraphQLWebSocket(operations, authenticator, limits, options.cors_origins)
        return GraphQLEndpoint(operations, authenticator), websocket

    whole = schema.build()
    endpoint, websocket = endpoints(whole)
    yield Route("/graphql", _with_page(explorer.serve("page.html", "text/html"), endpoint), methods=["GET", "POST"])
    yield WebSocketRoute("/graphql", websocket.serve)
    yield from explorer.files()
    yield Route("/graphql/explorer/people", serve_people(options.demo_tokens_file))
    for name, part in subgraphs(whole, introspection=options.introspection).items():
        endpoint, websocket = endpoints(part)
        yield Route(f"/subgraphs/{name}", endpoint.post, methods=["POST"])
        if part.subscription_type:
            yield WebSocketRoute(f"/subgraphs/{name}", websocket.serve)


def _with_page(page: explorer.Endpoint, endpoint: GraphQLEndpoint) -> explorer.Endpoint:
    """The endpoint, and the explorer for a browser that opens its address."""

    async def serve(request: Request) -> Response:
        if request.method == "POST":
            return await endpoint.post(request)
        is_page = wants_page(request.headers.get("accept", ""))
        response = await (page if is_page else endpoint.get)(request)
        response.headers.add_vary_header("accept")
        return response

    return serve


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name  # NOT_FOUND, METHOD_NOT_ALLOWED
    return envelope.failure(error.status_code, code, error.detail, headers=error.headers)


async def _client_gone(_: Request, __: Exception) -> Response:
    """Nobody reads this. The status is nginx's for it, and the metrics count it."""
    return Response(status_code=499)


async def _crashed(_: Request, __: Exception) -> Response:
    """Starlette raises the exception again after this answer, and the server logs it."""
    return envelope.internal_error()


_HANDLERS: dict[Any, Any] = {HTTPException: _no_route, ClientGone: _client_gone, Exception: _crashed}
