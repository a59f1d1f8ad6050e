"""JSON Schema (draft 2020-12, as OpenAPI 3.1 uses it) of REST's values.

Generators of clients fail on schemas without a `type`, on null alone, and on boolean constants; so there are none.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601, UTC with Z."}
#: The same format as in answers, so that a generated client can send a time that it was told.
TIME_IN: Schema = {
    "type": "string",
    "format": "date-time",
    "description": "ISO 8601. On a whole minute where a lesson begins or ends. A time without an offset is taken as UTC.",
    "examples": ["2030-01-31T09:00:00Z"],
}
AMOUNT: Schema = {
    "type": "string",
    "pattern": r"^\d+(\.\d+)?$",
    "description": "Exact decimal text.",
    "examples": ["50.00"],
}
AMOUNT_IN: Schema = {
    "oneOf": [{"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,30})?$"}, {"type": "number", "minimum": 0}],
    "description": 'Read exactly: "50.00", 50.00 and 50 are one amount. More places than the currency has are refused.',
    "examples": ["50.00"],
}
CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217.", "examples": ["USD"]}
REFUND_STATE: Schema = {"type": "string", "enum": ["none", "pending", "paid", "failed", "needs_review"]}
STATUS: Schema = {"type": "string", "enum": ["payment_required", "confirmed", "cancelled", "payment_failed", "expired"]}
CURRENCY_IN: Schema = CURRENCY | {"pattern": "^[A-Za-z]{3}$", "description": "ISO 4217, in any case."}
WEEKDAY: Schema = {
    "type": "string",
    "enum": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
}
TIME_OF_DAY: Schema = {"type": "string", "description": "Local time, up to 24:00.", "examples": ["09:00"]}
MINUTES: Schema = {"type": "integer", "description": "In minutes."}
#: A payment provider's name in PAYMENT_ENGINES.
ENGINE: Schema = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9]{0,30}$",
    "examples": ["stripe", "callback", "placeholder"],
}
#: Where our page to pay on leads, as an order names it.
RETURN_PAGES: dict[str, Schema] = {
    "return_url": {
        "type": "string",
        "format": "uri",
        "maxLength": 2000,
        "description": "Where our page to pay on leads once it is paid: https, at an origin of RETURN_ORIGINS.",
    },
    "cancel_url": {
        "type": "string",
        "format": "uri",
        "maxLength": 2000,
        "description": "Where it leads when the student turns back, by the same rule.",
    },
}
#: Data that an answer never has. Generators of clients know no schema that is null alone.
NOTHING: Schema = {"type": ["object", "null"], "maxProperties": 0, "description": "Always null."}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return schema | {"type": [schema["type"], "null"]}


def record(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object; other properties are allowed."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
