"""/api/v1/bookings: book a lesson, see it, cancel it; and a payment engine's callback."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta

from starlette.responses import Response

from bff.http import envelope
from bff.payment_refusal import payment_refusal
from bff.peers import BOOK_SECONDS, CANCEL_SECONDS, READ_SECONDS
from bff.rest.endpoints import ANYBODY, Endpoint, RestRequest
from bff.rest.engines import read_engine, read_report
from bff.rest.fields import Fields
from bff.rest.operations import IDEMPOTENCY_KEY, describe, in_path
from bff.rest.shapes import BOOKING, Sold, amount, status_name, to_json
from mesh.errors import BadInput, NotFound, Refusal
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

MINUTE = timedelta(minutes=1)
MAX_MINUTES = 1440
KEY = "Idempotency-Key"
PATH = "/api/v1/bookings"
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


async def book(request: RestRequest) -> Response:
    """200 with the booking to pay for. A repeated request gets the booking as it is now; its message says what became of it.

    409 with the booking when it ended at once because the provider refused its payment.
    """
    fields = request.read_body()
    reply = await _book_session(request, _read_order(fields, request.idempotency_key()))
    sold = await _find(request, reply.booking_id)
    data = to_json(BOOKING, sold) | {"client_secret": reply.client_secret or None}
    refusal = payment_refusal(reply)
    if refusal is not None:
        return envelope.refusal(refusal, NAMES, data)
    message = _describe(reply.saga_state, sold.booking.status)
    return envelope.success(message, data, {"location": f"{PATH}/{sold.booking.id}"})


async def show(request: RestRequest) -> Response:
    """200 with the booking."""
    sold = await _find(request, request.path_uuid("uuid"))
    return envelope.success("the booking", to_json(BOOKING, sold))


async def cancel(request: RestRequest) -> Response:
    """200 with the cancelled booking and its refund. A repeat gets the same answer."""
    fields = request.read_body(may_be_empty=True)
    booking_id, quote = request.path_uuid("uuid"), fields.optional_text("quote_token")
    if quote == "":
        raise BadInput("must not be empty", field="quote_token")
    order = payment_pb2.CancelBookingRequest(
        booking_id=booking_id, quote_token=quote or "", reason=fields.optional_text("reason") or ""
    )
    reply = await request.peers.payment.CancelBooking(order, timeout=CANCEL_SECONDS)
    refund = {"refund_amount": amount(reply.refund), "refund_currency": reply.refund.currency}
    return envelope.success("the booking is cancelled", to_json(BOOKING, await _find(request, booking_id)) | refund)


async def handle_payment_callback(request: RestRequest) -> Response:
    """200 once the payment engine's report is stored, with the booking as it is then."""
    fields, booking_id = request.read_body(), request.path_uuid("uuid")
    await request.peers.payment.HandlePaymentCallback(read_report(fields, booking_id), timeout=BOOK_SECONDS)
    return envelope.success("the report is kept", to_json(BOOKING, await _find(request, booking_id)))


def _read_order(fields: Fields, key: str) -> payment_pb2.BookSessionRequest:
    """The lesson that was ordered. Fields are read in the document's order, so that the first bad one is refused."""
    fields.require_present("course_uuid")
    order = payment_pb2.BookSessionRequest(
        student_id=fields.uuid("student_uuid"),
        tutor_id=fields.uuid("instructor_uuid"),
        course_id=fields.optional_uuid("course_uuid") or "",
        purpose=fields.optional_text("purpose") or "",
        return_url=fields.optional_text("return_url") or "",
        cancel_url=fields.optional_text("cancel_url") or "",
    )
    order.payment_engine, order.payment_engine_name = read_engine(fields)
    order.idempotency_key = key
    order.start_time.CopyFrom(fields.timestamp("start_time"))
    order.duration_minutes = _minutes(fields.time("start_time"), fields.time("end_time"))
    _read_price(order, fields)
    return order


def _read_price(order: payment_pb2.BookSessionRequest, fields: Fields) -> None:
    """Sets the price, if the client gave one. Without a currency it is in the tutor's, which only payment knows."""
    has_currency, has_price = (fields.values.get(name) is not None for name in ("currency", "price_amount"))
    if has_currency:
        order.price.currency = fields.currency("currency")
    if has_price:
        if has_currency:
            fields.money("price_amount", order.price.currency)
        order.price.amount = f"{fields.amount('price_amount'):f}"


def _minutes(start: datetime, end: datetime) -> int:
    if end <= start:
        raise BadInput("must be after start_time", field="end_time")
    minutes, rest = divmod(end - start, MINUTE)
    if rest or minutes > MAX_MINUTES:
        raise BadInput(f"must be whole minutes after start_time, at most {MAX_MINUTES}", field="end_time")
    return minutes


async def _book_session(request: RestRequest, order: payment_pb2.BookSessionRequest) -> payment_pb2.BookSessionResponse:
    """Raises what payment refuses. When only a currency was given, a refused price is a refused currency."""
    try:
        return await request.peers.payment.BookSession(order, timeout=BOOK_SECONDS)
    except Refusal as error:
        if error.field == "price" and not order.price.amount:
            error.field = "price.currency"
        raise


def _describe(saga_state: str, status: booking_pb2.BookingStatus.ValueType) -> str:
    if status not in _LIVE:
        return f"the booking has ended: {status_name(status)}"
    return "the booking is ending" if saga_state == "COMPENSATING" else "the lesson is booked"


async def _find(request: RestRequest, booking_id: str) -> Sold:
    """The booking with its payment and its lesson. Raises NotFound."""
    wanted = booking_pb2.GetBookingRequest(booking_id=booking_id)
    booking = (await request.peers.booking.GetBooking(wanted, timeout=READ_SECONDS)).booking
    payment, session = await asyncio.gather(_find_payment(request, booking), _find_session(request, booking))
    return Sold(booking, payment, session)


async def _find_payment(request: RestRequest, booking: booking_pb2.Booking) -> payment_pb2.Payment | None:
    if not booking.payment_id:
        return None
    wanted = payment_pb2.GetPaymentRequest(payment_id=booking.payment_id)
    with contextlib.suppress(NotFound):  # it was never opened
        return (await request.peers.payment.GetPayment(wanted, timeout=READ_SECONDS)).payment
    return None


async def _find_session(request: RestRequest, booking: booking_pb2.Booking) -> session_pb2.Session | None:
    if booking.status != booking_pb2.BOOKING_STATUS_CONFIRMED:
        return None
    wanted = session_pb2.GetSessionRequest(session_id=booking.session_id)
    with contextlib.suppress(NotFound):
        return (await request.peers.session.GetSession(wanted, timeout=READ_SECONDS)).session
    return None


_LIVE = (booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED, booking_pb2.BOOKING_STATUS_CONFIRMED)
_UUID = in_path("uuid", "The booking.")
_BOOK = describe("book", "Book a lesson", IDEMPOTENCY_KEY, body="NewBooking", answer="BookingToPay")
_SHOW = describe("booking", "A booking", _UUID, answer="Booking")
_CANCEL = describe(
    "cancel", "Cancel a booking", _UUID, body="Cancellation", body_required=False, answer="CancelledBooking"
)
_REPORT = describe("report", "A payment provider reports", _UUID, body="Report", answer="Booking")
BUYERS, SERVICES = frozenset({"student", "service"}), frozenset({"service"})
ENDPOINTS = (
    Endpoint("POST", PATH, BUYERS, book, _BOOK, NAMES),
    Endpoint("GET", f"{PATH}/{{uuid}}", ANYBODY, show, _SHOW, NAMES),
    Endpoint("POST", f"{PATH}/{{uuid}}/cancel", ANYBODY, cancel, _CANCEL, NAMES),
    Endpoint("POST", f"{PATH}/{{uuid}}/payment-callback", SERVICES, handle_payment_callback, _REPORT, NAMES),
)
