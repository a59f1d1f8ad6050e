"""GET /openapi.json: REST described by OpenAPI 3.1. The tests compare every answer with it."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bff.rest.json_schema import TIME_IN, UUID, Schema, record, reference
from bff.rest.schemas import SCHEMAS, envelope

#: The failures of any request, by status.
_ALWAYS = {
    "401": "No token, or a bad one.",
    "403": "The caller's role may not do this.",
    "404": "It does not exist, or it is another person's.",
    "422": "A part of the request is invalid; `error.field` names it.",
    "429": "Too many requests; `Retry-After` says when to try again.",
    "500": "A fault of the server.",
    "503": "Not now; the same request may be sent again.",
}
_WITH_BODY = {
    "400": "The body is not one JSON object.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
}
_CONFLICT = {
    "409": "The present state does not allow it; `error.code` says why: SLOT_TAKEN, AMOUNT_MISMATCH, PAYMENT_REFUSED, …"
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A repeat with the same body gives the same answer; with another body it is refused with 409.",
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tutormesh",
            "version": "1",
            "description": "Lessons: free slots, bookings and payments. Every answer is an envelope.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "responses": {name: _failure(text) for name, text in (_ALWAYS | _WITH_BODY | _CONFLICT).items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _paths() -> dict[str, Any]:
    book = _operation("book", "Book a lesson", "BookingToPay", status="201", body="NewBooking", more=[_KEY])
    ended = "Sent again with the same key: the booking, which has ended."
    book["responses"]["200"] = {"description": ended, "content": _json(envelope(reference("BookingToPay")))}
    booking, instructor = [_in_path("uuid", "The booking.")], [_in_path("uuid", "The tutor.")]
    block = [*instructor, _in_path("blockUuid", "The block.")]
    return {
        "/api/v1/bookings": {"post": book},
        "/api/v1/bookings/{uuid}": {"get": _operation("booking", "A booking", "Booking", more=booking)},
        "/api/v1/bookings/{uuid}/cancel": {
            "post": _operation(
                "cancel", "Cancel a booking", "CancelledBooking", body="Cancellation", required=False, more=booking
            )
        },
        "/api/v1/bookings/{uuid}/payment-callback": {
            "post": _operation("report", "A payment provider reports", "Booking", body="Report", more=booking)
        },
        "/api/v1/instructors/{uuid}/availability": {
            "get": _operation("slots", "A tutor's free slots", "Slots", more=[*instructor, *_RANGE])
        },
        "/api/v1/instructors/{uuid}/availability/block": {
            "post": _operation(
                "block", "Take time out", "Blocks", status="201", body="NewBlocks", more=[*instructor, _KEY]
            )
        },
        "/api/v1/instructors/{uuid}/availability/block/{blockUuid}": {
            "delete": _operation("unblock", "Give blocked time back", None, more=block)
        },
        "/payment/create-intent": {
            "post": _operation("createIntent", "The client secret of a payment", "LivePayment", body="PaymentToMake")
        },
        "/webhooks/stripe": {"post": _webhook("stripe")},
        "/payment/webhook": {"post": _webhook("paymentWebhook")},
        "/healthz": {"get": _open("alive", "This process answers", {"200": "It does."})},
        "/readyz": {"get": _open("ready", "The whole mesh", {"200": "All is serving.", "503": "Not all of it."})},
    }


_RANGE: list[dict[str, Any]] = [
    {
        "name": "from",
        "in": "query",
        "required": True,
        "schema": TIME_IN,
        "description": "Slots start then or later.",
    },
    {
        "name": "to",
        "in": "query",
        "required": True,
        "schema": TIME_IN,
        "description": "Slots end then or before, at most 31 days after `from`.",
    },
    {
        "name": "duration_minutes",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1440, "default": 60},
    },
]


def _operation(
    name: str,
    summary: str,
    data: str | None,
    *,
    status: str = "200",
    body: str = "",
    required: bool = True,
    more: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    failures = _ALWAYS | _CONFLICT | (_WITH_BODY if body else {})
    data_schema: Schema = reference(data) if data else {"type": "null"}
    success = {"description": summary, "content": _json(envelope(data_schema))}
    responses = {status: success} | {code: {"$ref": f"#/components/responses/{code}"} for code in sorted(failures)}
    taken = {"requestBody": {"required": required, "content": _json(reference(body))}} if body else {}
    return {"operationId": name, "summary": summary, "parameters": more or [], **taken, "responses": responses}


def _webhook(name: str) -> dict[str, Any]:
    """The endpoint that Stripe calls: the same at both addresses."""
    failures = {"400": "The signature is bad.", "503": "It could not be stored; send it again."}
    responses = {code: _failure(_WITH_BODY.get(code, text)) for code, text in (_WITH_BODY | failures).items()}
    del responses["415"]
    stored = envelope(record({"received": {"const": True}}))
    return {
        "operationId": name,
        "summary": "An event of Stripe's, stored before it is answered",
        "security": [],
        "parameters": [{"name": "Stripe-Signature", "in": "header", "schema": {"type": "string"}}],
        "requestBody": {"required": True, "content": {"application/json": {}}},
        "responses": {"200": {"description": "It is stored, or changes nothing.", "content": _json(stored)}}
        | responses,
    }


def _open(name: str, summary: str, answers: dict[str, str]) -> dict[str, Any]:
    """An operation without a token and without an envelope."""
    responses = {code: {"description": text, "content": _json({"type": "object"})} for code, text in answers.items()}
    return {"operationId": name, "summary": summary, "security": [], "responses": responses}


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": UUID, "description": description}


def _failure(description: str) -> dict[str, Any]:
    return {"description": description, "content": _json(reference("Failure"))}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_TEXT = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()


async def serve(_: Request) -> Response:
    """The document; it needs no token."""
    return Response(_TEXT, media_type="application/json")
