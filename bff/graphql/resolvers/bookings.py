"""Resolvers of `bookings.graphql`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ariadne import MutationType, ObjectType, QueryType, SubscriptionType

from bff.graphql.booking_watch import watch_booking
from bff.graphql.context import Context, Info
from bff.graphql.convert import bookings as convert
from bff.graphql.convert.payments import cancellation_quote
from bff.graphql.convert.values import Shape, page
from bff.graphql.errors import field_resolver, mutation_resolver, to_graphql_error
from bff.peers import BOOK_SECONDS, CANCEL_SECONDS, READ_SECONDS
from mesh.errors import CallFailed, Refusal
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

query, mutation, subscription, booking = QueryType(), MutationType(), SubscriptionType(), ObjectType("Booking")
book_payload, cancel_payload = ObjectType("BookSessionPayload"), ObjectType("CancelBookingPayload")
refresh_payload = ObjectType("RefreshBookingPayload")
BINDABLES = (query, mutation, subscription, booking, book_payload, cancel_payload, refresh_payload)


@query.field("booking")
@field_resolver
async def get_booking(_: None, info: Info, **arguments: Any) -> Shape:
    return convert.booking(await info.context.by_id.bookings.get(arguments["id"]))


@query.field("getMyBookings")
@field_resolver
async def list_my_bookings(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_bookings_request(context.person.id, arguments)
    reply = await context.call_once(context.peers.booking.ListBookings, request)
    return page([convert.booking(booking) for booking in reply.bookings], reply, arguments)


@query.field("cancellationQuote")
@field_resolver
async def quote_cancellation(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = payment_pb2.QuoteCancellationRequest(booking_id=arguments["bookingId"])
    return cancellation_quote(await context.call_once(context.peers.payment.QuoteCancellation, request))


@mutation.field("bookSession")
@mutation_resolver
async def book_session(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.book_session_request(context.require_role("student").id, arguments)
    return convert.book_session_payload(await context.peers.payment.BookSession(request, timeout=BOOK_SECONDS))


@mutation.field("refreshBooking")
@mutation_resolver
async def refresh_booking(_: None, info: Info, **arguments: Any) -> Shape:
    """Any role may try: the payment service knows whose booking it is."""
    request = payment_pb2.RefreshBookingRequest(booking_id=arguments["id"])
    await info.context.peers.payment.RefreshBooking(request, timeout=BOOK_SECONDS)
    return {"bookingId": arguments["id"], "userErrors": []}


@mutation.field("cancelBooking")
@mutation_resolver
async def cancel_booking(_: None, info: Info, **arguments: Any) -> Shape:
    return await _cancel(info.context, arguments["bookingId"], arguments)


@mutation.field("cancelSession")
@mutation_resolver
async def cancel_session(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = session_pb2.GetSessionRequest(session_id=arguments["sessionId"])
    # Not `by_id`, which would cache a session that the cancel is about to change.
    reply = await context.peers.session.GetSession(request, timeout=READ_SECONDS)
    return await _cancel(context, reply.session.booking_id, arguments)


async def _cancel(context: Context, booking_id: str, arguments: Shape) -> Shape:
    """Any role may try: the payment service knows whose booking it is."""
    request = convert.cancel_booking_request(booking_id, arguments)
    reply = await context.peers.payment.CancelBooking(request, timeout=CANCEL_SECONDS)
    return convert.cancel_booking_payload(booking_id, reply)


@book_payload.field("booking")
@cancel_payload.field("booking")
@refresh_payload.field("booking")
@field_resolver
async def booking_of_payload(payload: Shape, info: Info) -> Shape | None:
    """The booking after the change. A refused mutation has none."""
    if "bookingId" not in payload:
        return None
    recorded = payload.get("recorded")
    return convert.booking(recorded or await info.context.by_id.bookings.get(payload["bookingId"]))


@book_payload.field("publishableKey")
def publishable_key(payload: Shape, info: Info) -> str | None:
    """Stripe's key for the app, where there is a client secret."""
    return info.context.publishable_key if payload.get("clientSecret") else None


@booking.field("timeline")
@field_resolver
async def timeline(booking: Shape, info: Info) -> list[Shape]:
    """The histories that the booking and the payment service know, merged."""
    by_id = info.context.by_id
    parts = await asyncio.gather(by_id.booking_timelines.get(booking["id"]), by_id.payment_timelines.get(booking["id"]))
    return convert.timeline(*(part.entries for part in parts))


@subscription.source("bookingUpdated")
async def watch(_: None, info: Info, **arguments: Any) -> AsyncGenerator[booking_pb2.Booking, None]:
    try:
        async with aclosing(watch_booking(info.context.peers, arguments["bookingId"])) as bookings:
            async for booking in bookings:
                yield booking
    except (Refusal, CallFailed) as error:
        raise to_graphql_error(error, info) from error


@subscription.field("bookingUpdated")
def booking_updated(booking: booking_pb2.Booking, _: Info, **__: Any) -> Shape:
    return convert.booking(booking)
