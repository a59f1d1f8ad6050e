"""The schemas of REST's request bodies and answers, by the names that `/openapi.json` gives them."""

from __future__ import annotations

from bff.rest.course_shapes import COURSE_SCHEMAS
from bff.rest.json_schema import (
    AMOUNT,
    AMOUNT_IN,
    BOOLEAN,
    CURRENCY,
    CURRENCY_IN,
    ENGINE,
    RETURN_PAGES,
    TIME_IN,
    UUID,
    Schema,
    list_of,
    nullable,
    record,
)
from bff.rest.shapes import BLOCK, BOOKING, LISTED_BLOCK, PAYMENT_URL, SCHEDULE, SLOT, TUTOR, schemas

_SECRET: Schema = nullable(
    {
        "type": "string",
        "description": "For Stripe.js. Only the booking's student and services see it, while the booking awaits payment.",
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
            | {"description": "A service sets the price. From a student it must equal the tutor's."},
            "currency": CURRENCY_IN | {"description": "ISO 4217, in any case. Default: the tutor's."},
            "purpose": {"type": "string", "maxLength": 1000},
            "payment_engine": ENGINE
            | {"description": "The payment provider. Only a service may choose another than the default one."},
        }
        | RETURN_PAGES,
    ),
    "Report": record(
        {
            "payment_reference": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "description": "The provider's own name for this event. A repeat changes nothing.",
            },
            "payment_status": {"type": "string", "enum": ["succeeded", "failed", "refunded"]},
        },
        {
            "payment_engine": ENGINE
            | {"description": "Default: the booking's. A report about stripe is checked with Stripe."}
        },
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
            "quote_token": {
                "type": "string",
                "minLength": 1,
                "description": "From GraphQL's cancellationQuote or enrollmentQuote.",
            },
        },
    ),
    "PaymentToMake": record({"bookingId": UUID, "amount": AMOUNT_IN, "currency": CURRENCY_IN}),
    "Booking": record(schemas(BOOKING)),
    "Bookings": record(
        {
            "bookings": list_of(record(schemas(BOOKING))),
            "has_next_page": {"type": "boolean"},
            "end_cursor": nullable({"type": "string", "description": "Pass it as `after` for the next page."}),
        }
    ),
    "BookingToPay": record(schemas(BOOKING) | {"client_secret": _SECRET}),
    "CancelledBooking": record(schemas(BOOKING) | {"refund_amount": AMOUNT, "refund_currency": CURRENCY}),
    "Slots": record({"slots": list_of(record(schemas(SLOT)))}),
    "Instructors": record(
        {
            "instructors": list_of(record(schemas(TUTOR))),
            "has_next_page": {"type": "boolean"},
            "end_cursor": nullable({"type": "string"}) | {"description": "For `after`: the next page."},
        }
    ),
    "Blocks": record({"blocks": list_of(record(schemas(BLOCK)))}),
    "BlockPage": record(
        {
            "blocks": list_of(record(schemas(LISTED_BLOCK))),
            "has_next_page": {"type": "boolean"},
            "end_cursor": nullable({"type": "string"}) | {"description": "For `after`: the next page."},
        }
    ),
    "Schedule": record(schemas(SCHEDULE)),
    "LivePayment": record(
        {
            "payment_session_id": {"type": "string"},
            "payment_url": nullable(PAYMENT_URL),
            "client_secret": _SECRET,
            "paymentIntentId": {"type": "string"},
            "clientSecret": _SECRET,
        }
    ),
    "Failure": record(
        {
            "success": BOOLEAN,
            "message": {"type": "string"},
            "data": {
                "type": ["object", "null"],
                "description": "With PAYMENT_REFUSED: the booking or enrollment, which has ended.",
            },
            "error": record(
                {"code": {"type": "string", "examples": ["SLOT_TAKEN"]}},
                {"field": {"type": "string", "description": "The part of the request at fault."}},
            ),
        }
    ),
} | COURSE_SCHEMAS
