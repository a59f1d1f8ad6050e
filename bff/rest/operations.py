"""Descriptions of endpoints: OpenAPI 3.1's operations, their parameters and their failures."""

from __future__ import annotations

from typing import Any

from bff.rest.json_schema import BOOLEAN, NOTHING, UUID, Schema, record, reference

Operation = dict[str, Any]
Parameter = dict[str, Any]

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
WITH_BODY = {
    "400": "The body is not one JSON object.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
}
_CONFLICT = {
    "409": "The present state does not allow it; `error.code` says why: SLOT_TAKEN, AMOUNT_MISMATCH, PAYMENT_REFUSED, …"
}
IDEMPOTENCY_KEY: Parameter = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A repeat with the same body gives the same answer; with another body it is refused with 409.",
}


def describe(
    name: str,
    summary: str,
    *parameters: Parameter,
    answer: str | None,
    body: str = "",
    body_required: bool = True,
) -> Operation:
    """An operation. `answer` and `body` name schemas of the document."""
    failures = _ALWAYS | _CONFLICT | (WITH_BODY if body else {})
    content = json_content(envelope(reference(answer) if answer else NOTHING))
    responses = {"200": {"description": summary, "content": content}} | {
        code: {"$ref": f"#/components/responses/{code}"} for code in sorted(failures)
    }
    request = {"requestBody": {"required": body_required, "content": json_content(reference(body))}} if body else {}
    return {"operationId": name, "summary": summary, "parameters": [*parameters], **request, "responses": responses}


def in_path(name: str, description: str) -> Parameter:
    """A UUID in the path."""
    return {"name": name, "in": "path", "required": True, "schema": UUID, "description": description}


def in_query(name: str, schema: Schema, description: str = "", *, required: bool = False) -> Parameter:
    optional = {"description": description} if description else {}
    return {"name": name, "in": "query", "schema": schema, **({"required": True} if required else {}), **optional}


def shared_responses() -> dict[str, Any]:
    """The failures that operations refer to."""
    return {status: failure(text) for status, text in (_ALWAYS | WITH_BODY | _CONFLICT).items()}


def failure(description: str) -> dict[str, Any]:
    return {"description": description, "content": json_content(reference("Failure"))}


def envelope(data: Schema) -> Schema:
    """The envelope of a success with this data."""
    return record({"success": BOOLEAN, "message": {"type": "string"}, "data": data})


def json_content(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
