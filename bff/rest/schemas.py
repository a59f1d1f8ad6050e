"""The shapes of REST as JSON Schema (draft 2020-12, as OpenAPI 3.1 takes it)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601, UTC with Z."}
TIME_IN: Schema = {
    "type": "string",
    "description": "ISO 8601; without an offset it is UTC. On a whole minute where a lesson begins or ends.",
    "examples": ["2030-01-31T09:00:00Z", "2030-01-31T09:00"],
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
STATUS: Schema = {"enum": ["payment_required", "confirmed", "cancelled", "payment_failed", "expired"]}
ENGINE: Schema = {"enum": ["stripe", "callback"]}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"oneOf": [schema, {"type": "null"}]}


def record(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object; what else it may have is nobody's concern."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


def told(ref: str) -> Schema:
    return {"$ref": f"#/components/schemas/{ref}"}


_BOOKING: dict[str, Schema] = {
    "uuid": UUID,
    "status": STATUS,
    "student_uuid": UUID,
    "instructor_uuid": UUID,
    "course_uuid": nullable(UUID),
    "start_time": TIME,
    "end_time": TIME,
    "price_amount": AMOUNT,
    "currency": CURRENCY,
    "purpose": nullable({"type": "string"}),
    "payment_session_id": nullable(
        {
            "type": "string",
            "description": "The PaymentIntent, cb_… of the callback engine; null when nothing is to be paid.",
        }
    ),
    "refunded_amount": AMOUNT | {"description": "Given back, or on its way back."},
    "availability_block_uuid": nullable(UUID),
    "hold_expires_at": nullable(TIME),
    "created_at": TIME,
}
_SECRET: Schema = nullable(
    {
        "type": "string",
        "description": "Pays for the booking with Stripe.js. For its student and services, while it awaits payment.",
    }
)

SCHEMAS: dict[str, Schema] = {
    "NewBooking": record(
        {
            "student_uuid": UUID | {"description": "A student books for themselves, a service for anyone."},
            "course_uuid": nullable(UUID) | {"description": "The course it belongs to; null when there is none."},
            "instructor_uuid": UUID,
            "start_time": TIME_IN,
            "end_time": TIME_IN,
        },
        {
            "price_amount": AMOUNT_IN
            | {"description": "A service's word is the price; anybody else's must equal the tutor's."},
            "currency": CURRENCY | {"description": "ISO 4217; absent, the tutor's."},
            "purpose": {"type": "string", "maxLength": 1000},
            "payment_engine": ENGINE
            | {"default": "stripe", "description": "Who takes the money; callback is a service's to choose."},
        },
    ),
    "Report": record(
        {
            "payment_reference": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "description": "The engine's name for what it did; a repeat changes nothing.",
            },
            "payment_status": {"enum": ["succeeded", "failed", "refunded"]},
        },
        {"payment_engine": ENGINE | {"description": "Absent: the booking's own. Of stripe nothing is believed."}},
    ),
    "NewBlocks": record(
        {
            "blocks": {
                "type": "array",
                "minItems": 1,
                "maxItems": 100,
                "items": record(
                    {"start_time": TIME_IN, "end_time": TIME_IN}, {"reason": {"type": "string", "maxLength": 500}}
                ),
            }
        }
    ),
    "Cancellation": record(
        {},
        {
            "reason": {"type": "string", "maxLength": 1000},
            "quote_token": {"type": "string", "minLength": 1, "description": "From GraphQL's cancellationQuote."},
        },
    ),
    "PaymentToMake": record({"bookingId": UUID, "amount": AMOUNT_IN, "currency": CURRENCY}),
    "Booking": record(_BOOKING),
    "BookingToPay": record(_BOOKING | {"client_secret": _SECRET}),
    "CancelledBooking": record(_BOOKING | {"refund_amount": AMOUNT, "refund_currency": CURRENCY}),
    "Slots": record(
        {
            "slots": {
                "type": "array",
                "items": record({"start_time": TIME, "end_time": TIME, "price_amount": AMOUNT, "currency": CURRENCY}),
            }
        }
    ),
    "Blocks": record(
        {"blocks": {"type": "array", "items": record({"uuid": UUID, "start_time": TIME, "end_time": TIME})}}
    ),
    "LivePayment": record(
        {
            "payment_session_id": {"type": "string"},
            "client_secret": _SECRET,
            "paymentIntentId": {"type": "string"},
            "clientSecret": _SECRET,
        }
    ),
    "Failure": record(
        {
            "success": {"const": False},
            "message": {"type": "string"},
            "data": {"type": ["object", "null"], "description": "Of PAYMENT_REFUSED the booking, which has ended."},
            "error": record(
                {"code": {"type": "string", "examples": ["SLOT_TAKEN"]}},
                {"field": {"type": "string", "description": "What of the request it is about."}},
            ),
        }
    ),
}


def envelope(data: Schema) -> Schema:
    """A success with this data."""
    return record({"success": {"const": True}, "message": {"type": "string"}, "data": data})
