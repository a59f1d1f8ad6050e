"""How one thing leads to another: a booking to its session, its payment and its history, read only when selected."""

from __future__ import annotations

from ariadne import ObjectType

from bff import convert
from bff.context import Info
from bff.convert import Shape
from bff.errors import reads
from mesh.errors import NotFound
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

booking = ObjectType("Booking")
book_session_payload, cancel_booking_payload = ObjectType("BookSessionPayload"), ObjectType("CancelBookingPayload")


@book_session_payload.field("booking")
@cancel_booking_payload.field("booking")
@reads
async def changed(payload: Shape, info: Info) -> Shape | None:
    if "bookingId" not in payload:  # refused: there is none
        return None
    context = info.context
    request = booking_pb2.GetBookingRequest(booking_id=payload["bookingId"])
    return convert.booking(await context.once(context.mesh.booking.GetBooking, request))


@book_session_payload.field("publishableKey")
def publishable_key(payload: Shape, info: Info) -> str | None:
    """What goes with the client secret, and nowhere else."""
    return info.context.publishable_key if payload.get("clientSecret") else None


@booking.field("session")
@reads
async def session(booking: Shape, info: Info) -> Shape | None:
    """The lesson. Its id is allocated with the booking; until it is confirmed there is none."""
    context = info.context
    request = session_pb2.GetSessionRequest(session_id=booking["sessionId"])
    try:
        return convert.session((await context.once(context.mesh.session.GetSession, request)).session)
    except NotFound:
        return None


@booking.field("payment")
@reads
async def payment(booking: Shape, info: Info) -> Shape | None:
    """What it costs, and what became of that. A free lesson has no payment."""
    if not booking["paymentId"]:
        return None
    context = info.context
    request = payment_pb2.GetPaymentRequest(payment_id=booking["paymentId"])
    try:
        return convert.payment((await context.once(context.mesh.payment.GetPayment, request)).payment)
    except NotFound:
        return None


@booking.field("timeline")
@reads
async def timeline(booking: Shape, info: Info) -> list[Shape]:
    """What booking and payment tell of it, merged."""
    context = info.context
    request = payment_pb2.GetBookingTimelineRequest(booking_id=booking["id"])
    reply = await context.once(context.mesh.payment.GetBookingTimeline, request)
    return convert.timeline(booking["ownTimeline"], reply.entries)
