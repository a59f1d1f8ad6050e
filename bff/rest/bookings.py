"""/api/v1/bookings: book a lesson, see it, cancel it."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from starlette.responses import Response

from bff.graphql.context import BOOK_SECONDS, CANCEL_SECONDS
from bff.graphql.loaders import READ_SECONDS
from bff.http import envelope
from bff.payment_refusal import refused_payment
from bff.rest import shapes
from bff.rest.door import ANYBODY, Asked, Operation
from bff.rest.fields import Fields
from bff.rest.shapes import Shape
from mesh.errors import BadInput, NotFound, Refusal
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2

MINUTE = timedelta(minutes=1)
KEY = "Idempotency-Key"
NAMES = {
    "student_id": "student_uuid",
    "tutor_id": "instructor_uuid",
    "course_id": "course_uuid",
    "duration_minutes": "end_time",
    "idempotency_key": KEY,
    "price": "price_amount",
    "price.amount": "price_amount",
    "price.currency": "currency",
    "booking_id": "uuid",
}


async def book(asked: Asked) -> Response:
    """201 with the booking to pay for, also when it is the same again; 200 when that has ended meanwhile.

    409 with the booking when it has ended at once, because its payment could not be opened.
    """
    fields = await asked.body()
    request = _wanted(fields, asked.request.headers.get(KEY))
    reply = await _booked(asked, request)
    found = await _booking(asked, reply.booking_id)
    data = await _whole(asked, found) | {"client_secret": reply.client_secret or None}
    refusal = refused_payment(reply)
    if refusal is not None:
        return envelope.refused(refusal, NAMES, data)
    status, message = _as_it_is(reply.saga_state, found.status)
    return envelope.done(message, data, status, {"location": f"/api/v1/bookings/{found.id}"})


async def show(asked: Asked) -> Response:
    """200 with the booking."""
    found = await _booking(asked, asked.path_uuid("uuid"))
    return envelope.done("the booking", await _whole(asked, found))


async def cancel(asked: Asked) -> Response:
    """200 once the booking shows it, with what goes back; cancelling again gives the same answer."""
    fields = await asked.body(may_be_empty=True)
    booking_id, quote = asked.path_uuid("uuid"), fields.optional_text("quote_token")
    if quote == "":
        raise BadInput("must not be empty", field="quote_token")
    request = payment_pb2.CancelBookingRequest(
        booking_id=booking_id, quote_token=quote or "", reason=fields.optional_text("reason") or ""
    )
    reply = await asked.mesh.payment.CancelBooking(request, timeout=CANCEL_SECONDS)
    found = await _booking(asked, booking_id)
    refund = {"refund_amount": shapes.amount(reply.refund), "refund_currency": reply.refund.currency}
    return envelope.done("the booking is cancelled", await _whole(asked, found) | refund)


def _wanted(fields: Fields, key: str | None) -> payment_pb2.BookSessionRequest:
    """The lesson asked for. Each field is read in the order the document tells them."""
    fields.must_have("course_uuid")
    request = payment_pb2.BookSessionRequest(
        student_id=fields.uuid("student_uuid"),
        tutor_id=fields.uuid("instructor_uuid"),
        course_id=fields.optional_uuid("course_uuid") or "",
        purpose=fields.optional_text("purpose") or "",
        payment_engine=_engine(fields),
    )
    if key == "":
        raise BadInput("must not be empty", field=KEY)
    request.idempotency_key = key or ""
    request.start_time.CopyFrom(fields.stamp("start_time"))
    request.duration_minutes = _minutes(fields.instant("start_time"), fields.instant("end_time"))
    _ask_price(request, fields)
    return request


async def _booked(asked: Asked, request: payment_pb2.BookSessionRequest) -> payment_pb2.BookSessionResponse:
    """Raises what payment refuses; a price of which only the currency was given is refused for that."""
    try:
        return await asked.mesh.payment.BookSession(request, timeout=BOOK_SECONDS)
    except Refusal as error:
        if error.field == "price" and not request.price.amount:
            error.field = "price.currency"
        raise


def _as_it_is(saga_state: str, status: booking_pb2.BookingStatus.ValueType) -> tuple[int, str]:
    """Status and message of a booking that stands, or of one that a repeat finds ended, or ending."""
    if status not in _STANDING:
        return 200, f"the booking has ended: {shapes.status(status)}"
    return (200, "the booking is ending") if saga_state == "COMPENSATING" else (201, "the lesson is booked")


def _minutes(start: datetime, end: datetime) -> int:
    if end <= start:
        raise BadInput("must be after start_time", field="end_time")
    minutes, rest = divmod(end - start, MINUTE)
    if rest or minutes > 1440:
        raise BadInput("must be whole minutes after start_time, at most 1440", field="end_time")
    return minutes


def _ask_price(request: payment_pb2.BookSessionRequest, fields: Fields) -> None:
    """What the lesson costs, if the client says so. Without a currency it is the tutor's, which only payment learns."""
    has_currency, has_price = (fields.values.get(name) is not None for name in ("currency", "price_amount"))
    if has_currency:
        request.price.currency = fields.currency("currency")
    if has_price:
        if has_currency:
            fields.money("price_amount", request.price.currency)
        request.price.amount = f"{fields.amount('price_amount'):f}"


async def _booking(asked: Asked, booking_id: str) -> booking_pb2.Booking:
    request = booking_pb2.GetBookingRequest(booking_id=booking_id)
    return (await asked.mesh.booking.GetBooking(request, timeout=READ_SECONDS)).booking


async def _whole(asked: Asked, found: booking_pb2.Booking) -> Shape:
    """The booking with what its payment tells; there is none when it is free, or was never opened."""
    payment = None
    if found.payment_id:
        request = payment_pb2.GetPaymentRequest(payment_id=found.payment_id)
        with contextlib.suppress(NotFound):
            payment = (await asked.mesh.payment.GetPayment(request, timeout=READ_SECONDS)).payment
    return shapes.booking(found, payment)


async def report(asked: Asked) -> Response:
    """200 once the payment engine's report is kept, with the booking as it is then."""
    fields, booking_id = await asked.body(), asked.path_uuid("uuid")
    request = payment_pb2.HandlePaymentCallbackRequest(
        booking_id=booking_id,
        payment_reference=fields.text("payment_reference"),
        payment_status=_REPORTED[fields.choice("payment_status", _REPORTED)],
        payment_engine=_engine(fields),
    )
    await asked.mesh.payment.HandlePaymentCallback(request, timeout=BOOK_SECONDS)
    return envelope.done("the report is kept", await _whole(asked, await _booking(asked, booking_id)))


def _engine(fields: Fields) -> payment_pb2.PaymentEngine.ValueType:
    """The engine that was named; none is whichever the booking has."""
    if fields.values.get("payment_engine") is None:
        return payment_pb2.PAYMENT_ENGINE_UNSPECIFIED
    return _ENGINES[fields.choice("payment_engine", _ENGINES)]


_STANDING = (booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED, booking_pb2.BOOKING_STATUS_CONFIRMED)
_ENGINES = {"stripe": payment_pb2.PAYMENT_ENGINE_STRIPE, "callback": payment_pb2.PAYMENT_ENGINE_CALLBACK}
_REPORTED = {
    "succeeded": payment_pb2.CALLBACK_STATUS_SUCCEEDED,
    "failed": payment_pb2.CALLBACK_STATUS_FAILED,
    "refunded": payment_pb2.CALLBACK_STATUS_REFUNDED,
}
OPERATIONS = (
    Operation("POST", "/api/v1/bookings", frozenset({"student", "service"}), book, NAMES),
    Operation("GET", "/api/v1/bookings/{uuid}", ANYBODY, show, NAMES),
    Operation("POST", "/api/v1/bookings/{uuid}/cancel", ANYBODY, cancel, NAMES),
    Operation("POST", "/api/v1/bookings/{uuid}/payment-callback", frozenset({"service"}), report, NAMES),
)
