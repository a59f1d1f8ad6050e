"""What can be asked. The edge translates and nothing more."""

from __future__ import annotations

from typing import Any

from ariadne import QueryType

from bff.graphql import convert
from bff.graphql.context import Info
from bff.graphql.convert import Shape
from bff.graphql.errors import reads
from tutormesh.payment.v1 import payment_pb2

query = QueryType()


@query.field("tutorAvailability")
@reads
async def tutor_availability(_: None, info: Info, **arguments: Any) -> list[Shape]:
    context = info.context
    reply = await context.once(context.mesh.availability.ListSlots, convert.list_slots(arguments))
    return [convert.slot(slot) for slot in reply.slots]


@query.field("booking")
@reads
async def booking(_: None, info: Info, **arguments: Any) -> Shape:
    return convert.booking(await info.context.by_id.bookings.get(arguments["id"]))


@query.field("getMyBookings")
@reads
async def my_bookings(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_bookings(context.person.id, arguments)
    reply = await context.once(context.mesh.booking.ListBookings, request)
    return convert.page([convert.booking(booking) for booking in reply.bookings], reply.next_page_token)


@query.field("cancellationQuote")
@reads
async def cancellation_quote(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = payment_pb2.QuoteCancellationRequest(booking_id=arguments["bookingId"])
    return convert.cancellation_quote(await context.once(context.mesh.payment.QuoteCancellation, request))


@query.field("getSessionDetails")
@reads
async def session_details(_: None, info: Info, **arguments: Any) -> Shape:
    return convert.session(await info.context.by_id.sessions.get(arguments["id"]))


@query.field("getMySessions")
@reads
async def my_sessions(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_sessions(context.person.id, arguments)
    reply = await context.once(context.mesh.session.ListSessions, request)
    return convert.page([convert.session(session) for session in reply.sessions], reply.next_page_token)


@query.field("getPaymentHistory")
@reads
async def payment_history(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_payments(context.person.id, arguments)
    reply = await context.once(context.mesh.payment.ListPayments, request)
    return convert.page([convert.payment(payment) for payment in reply.payments], reply.next_page_token)
