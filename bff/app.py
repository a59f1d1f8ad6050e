"""The application: which door leads where."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from graphql import GraphQLSchema
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from bff.graphql import schema
from bff.graphql.endpoint import GraphQLDoor
from bff.graphql.explorer import Endpoint, served
from bff.graphql.operations import Operations
from bff.graphql.schema.federation import subgraphs
from bff.graphql.websocket.endpoint import SocketDoor
from bff.graphql.websocket.limits import Seats
from bff.http import envelope
from bff.http.authentication import Admission
from bff.http.cors import cross_origin
from bff.http.health import Readiness, alive
from bff.http.metrics import Metrics
from bff.http.middleware import Door
from bff.http.rate_limits import Rates
from bff.peers import Peers
from bff.policy import DEFAULT, Policy
from bff.rest.routes import routes as rest
from bff.webhooks import WebhookDoor
from mesh.identity import Verifier


def build(peers: Peers, verifier: Verifier, rates: Rates | None = None, policy: Policy = DEFAULT) -> ASGIApp:
    """The edge over these peers, believing tokens that this verifier accepts."""
    admission, whole = Admission(verifier, rates or Rates()), schema.build()
    operations = Operations(whole, peers, policy)
    graphql = GraphQLDoor(operations, admission)
    sockets = SocketDoor(operations, admission, policy.cors_origins)
    webhooks, metrics = WebhookDoor(peers), Metrics()
    explorer_or_operation = _by_method(served("page.html", "text/html"), graphql.post)
    routes: list[BaseRoute] = [
        Route("/graphql", explorer_or_operation, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", sockets.serve),
        Route("/graphql/explorer.css", served("page.css", "text/css")),
        Route("/graphql/explorer.js", served("page.js", "text/javascript")),
        *_federated(whole, peers, admission, policy, sockets.seats),
        Route("/webhooks/stripe", webhooks.post, methods=["POST"]),
        Route("/payment/webhook", webhooks.post, methods=["POST"]),
        *rest(peers, admission),
        Route("/healthz", alive),
        Route("/readyz", Readiness(peers).get),
        Route("/metrics", metrics.get),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_door, Exception: _broken})
    app.router.redirect_slashes = False  # it would send people on to whatever Host they named, by http:
    return metrics.around(cross_origin(Door(app, hsts_seconds=policy.hsts_seconds), policy.cors_origins))


def _federated(
    whole: GraphQLSchema, peers: Peers, admission: Admission, policy: Policy, seats: Seats
) -> Iterator[BaseRoute]:
    """The doors of a gateway: as /graphql in everything, each to its part of the schema."""
    for name, part in subgraphs(whole, introspection=policy.introspection).items():
        operations, path = Operations(part, peers, policy), f"/subgraphs/{name}"
        yield Route(path, GraphQLDoor(operations, admission).post, methods=["POST"])
        if part.subscription_type:
            yield WebSocketRoute(path, SocketDoor(operations, admission, policy.cors_origins, seats).serve)


def _by_method(get: Endpoint, post: Endpoint) -> Endpoint:
    async def serve(request: Request) -> Response:
        return await (post if request.method == "POST" else get)(request)

    return serve


async def _no_door(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name  # NOT_FOUND, METHOD_NOT_ALLOWED
    return envelope.failed(error.status_code, code, error.detail, headers=error.headers)


async def _broken(_: Request, __: Exception) -> Response:
    """The exception itself goes on to the server, which logs it."""
    return envelope.broken()
