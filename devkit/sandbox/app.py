"""The sandbox's routes, and the background tasks of its lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from devkit.sandbox.http.controls import Controls
from devkit.sandbox.http.endpoints import Endpoints, Operation
from devkit.sandbox.http.mailbox import MailboxPages
from devkit.sandbox.mail import receiving
from devkit.sandbox.resources import intents, payments, refunds, search
from devkit.sandbox.resources.lists import listing, retrieve
from devkit.sandbox.sandbox import Sandbox
from devkit.sandbox.settings import Settings
from devkit.sandbox.wire.errors import unrecognized
from devkit.sandbox.wire.ids import new_id

_ALL_EVENTS = ("type", "types")
OPERATIONS = [
    ("POST", "/v1/payment_intents", Operation(intents.create)),
    ("GET", "/v1/payment_intents", Operation(listing("payment_intent", "/v1/payment_intents"))),
    ("GET", "/v1/payment_intents/search", Operation(search.search_payment_intents)),
    ("GET", "/v1/payment_intents/{id}", Operation(intents.retrieve, public=True)),
    ("POST", "/v1/payment_intents/{id}", Operation(intents.update)),
    ("POST", "/v1/payment_intents/{id}/confirm", Operation(payments.confirm, public=True)),
    ("POST", "/v1/payment_intents/{id}/cancel", Operation(intents.cancel)),
    ("POST", "/v1/payment_intents/{id}/_authenticate", Operation(payments.authenticate, public=True, open=True)),
    ("GET", "/v1/payment_methods/{id}", Operation(retrieve("payment_method"))),
    ("GET", "/v1/charges", Operation(listing("charge", "/v1/charges", "payment_intent"))),
    ("GET", "/v1/charges/{id}", Operation(retrieve("charge"))),
    ("POST", "/v1/refunds", Operation(refunds.create)),
    ("GET", "/v1/refunds", Operation(listing("refund", "/v1/refunds", "payment_intent", "charge"))),
    ("GET", "/v1/refunds/{id}", Operation(retrieve("refund"))),
    ("POST", "/v1/refunds/{id}", Operation(refunds.update)),
    ("GET", "/v1/disputes", Operation(listing("dispute", "/v1/disputes", "payment_intent", "charge"))),
    ("GET", "/v1/disputes/{id}", Operation(retrieve("dispute"))),
    ("GET", "/v1/events", Operation(listing("event", "/v1/events", *_ALL_EVENTS))),
    ("GET", "/v1/events/{id}", Operation(retrieve("event"))),
]


def build(settings: Settings) -> Starlette:
    """The sandbox as an ASGI application. Its lifespan delivers webhooks, receives mail, and closes the store."""
    sandbox = Sandbox(settings)
    endpoints = Endpoints(sandbox)
    routes = [Route(path, endpoints.endpoint(what), methods=[method]) for method, path, what in OPERATIONS]
    application = Starlette(
        routes=[
            *routes,
            *Controls(sandbox).routes(),
            *MailboxPages(sandbox.mailbox).routes(),
            Route("/healthz", _health),
        ],
        lifespan=lambda _: _lifespan(sandbox, settings),
        exception_handlers={HTTPException: _no_route},
        # Stripe.js calls from the origin of the app's page.
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
    )
    application.router.redirect_slashes = False
    return application


@asynccontextmanager
async def _lifespan(sandbox: Sandbox, settings: Settings) -> AsyncIterator[None]:
    delivering = asyncio.create_task(sandbox.deliverer.run())
    try:
        async with AsyncExitStack() as stack:
            if settings.smtp_port is not None:
                await stack.enter_async_context(receiving(sandbox.mailbox, settings.host, settings.smtp_port))
            yield
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        sandbox.store.close()


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _no_route(request: Request, _: Exception) -> Response:
    error = unrecognized(request.method, request.url.path)
    return JSONResponse(error.body(), error.status, {"Request-Id": new_id("req", 14)})
