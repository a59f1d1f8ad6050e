"""How one thing leads to another: a booking to its session, its payment and its history, read only when selected."""

from __future__ import annotations

import asyncio

from ariadne import ObjectType

from bff.graphql import convert
from bff.graphql.context import Info
from bff.graphql.convert import Shape
from bff.graphql.errors import reads

booking, session = ObjectType("Booking"), ObjectType("Session")
book_session_payload, cancel_booking_payload = ObjectType("BookSessionPayload"), ObjectType("CancelBookingPayload")


@book_session_payload.field("booking")
@cancel_booking_payload.field("booking")
@reads
async def changed(payload: Shape, info: Info) -> Shape | None:
    if "bookingId" not in payload:  # refused: there is none
        return None
    return convert.booking(await info.context.by_id.bookings.get(payload["bookingId"]))


@book_session_payload.field("publishableKey")
def publishable_key(payload: Shape, info: Info) -> str | None:
    """What goes with the client secret, and nowhere else."""
    return info.context.publishable_key if payload.get("clientSecret") else None


@booking.field("session")
@reads
async def lesson(booking: Shape, info: Info) -> Shape | None:
    """The lesson. Its id is allocated with the booking; until it is confirmed there is none."""
    found = await info.context.by_id.sessions.find(booking["sessionId"])
    return convert.session(found) if found else None


@session.field("booking")
@reads
async def sold_as(session: Shape, info: Info) -> Shape | None:
    """What it was booked as."""
    found = await info.context.by_id.bookings.find(session["bookingId"])
    return convert.booking(found) if found else None


@booking.field("payment")
@reads
async def payment(sold: Shape, info: Info) -> Shape | None:
    """What a booking or an enrollment costs, and what became of that. What is free has no payment."""
    if not sold["paymentId"]:
        return None
    found = await info.context.by_id.payments.find(sold["paymentId"])
    return convert.payment(found) if found else None


@booking.field("timeline")
@reads
async def timeline(booking: Shape, info: Info) -> list[Shape]:
    """What booking and payment tell of it, merged."""
    by_id = info.context.by_id
    parts = await asyncio.gather(by_id.booking_timelines.get(booking["id"]), by_id.payment_timelines.get(booking["id"]))
    return convert.timeline(*(part.entries for part in parts))
