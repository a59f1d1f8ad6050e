"""GET /openapi.json: REST described by OpenAPI 3.1. The tests compare every answer with it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bff.rest.endpoints import Endpoint
from bff.rest.json_schema import BOOLEAN, Schema, record
from bff.rest.operations import WITH_BODY, Operation, envelope, failure, json_content, shared_responses
from bff.rest.schemas import SCHEMAS


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The whole document: these endpoints, the webhooks and the health checks."""
    paths = defaultdict[str, dict[str, Operation]](dict)
    for endpoint in endpoints:
        paths[endpoint.path][endpoint.method.lower()] = endpoint.operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tutormesh",
            "version": "1",
            "description": "Lessons, courses and their payments. Every answer is an envelope.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The edge that this document was fetched from."}],
        "security": [{"bearer": []}],
        "paths": paths | _OTHER_PATHS,
        "components": {
            "schemas": SCHEMAS,
            "responses": shared_responses(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def serve(endpoints: Iterable[Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers the document; it needs no token."""
    text = json.dumps(document(endpoints), ensure_ascii=False, separators=(",", ":")).encode()

    async def answer(_: Request) -> Response:
        return Response(text, media_type="application/json")

    return answer


_EVENT: Schema = {"type": "object", "description": "Stripe's event, in the bytes that Stripe signed."}


def _webhook(name: str) -> Operation:
    """The endpoint that Stripe calls: the same at both addresses."""
    failures = {"400": "The signature is bad.", "503": "It could not be stored; send it again."}
    responses = {code: failure(WITH_BODY.get(code, text)) for code, text in (WITH_BODY | failures).items()}
    del responses["415"]
    stored = json_content(envelope(record({"received": BOOLEAN})))
    return {
        "operationId": name,
        "summary": "An event of Stripe's, stored before it is answered",
        "security": [],
        "parameters": [{"name": "Stripe-Signature", "in": "header", "schema": {"type": "string"}}],
        "requestBody": {"required": True, "content": json_content(_EVENT)},
        "responses": {"200": {"description": "It is stored, or changes nothing.", "content": stored}} | responses,
    }


def _open(name: str, summary: str, answers: dict[str, str]) -> Operation:
    """An operation without a token and without an envelope."""
    content = json_content({"type": "object"})
    responses = {status: {"description": text, "content": content} for status, text in answers.items()}
    return {"operationId": name, "summary": summary, "security": [], "responses": responses}


_OTHER_PATHS = {
    "/webhooks/stripe": {"post": _webhook("stripe")},
    "/payment/webhook": {"post": _webhook("paymentWebhook")},
    "/healthz": {"get": _open("alive", "This process answers", {"200": "It does."})},
    "/readyz": {"get": _open("ready", "The whole mesh", {"200": "All is serving.", "503": "Not all of it."})},
}
