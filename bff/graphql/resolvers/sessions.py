"""Resolvers of `sessions.graphql`."""

from __future__ import annotations

from typing import Any

from ariadne import ObjectType, QueryType

from bff.graphql.context import Info
from bff.graphql.convert import bookings
from bff.graphql.convert import sessions as convert
from bff.graphql.convert.values import Shape, page
from bff.graphql.errors import field_resolver

query, session, booking = QueryType(), ObjectType("Session"), ObjectType("Booking")
BINDABLES = (query, session, booking)


@query.field("getSessionDetails")
@field_resolver
async def get_session(_: None, info: Info, **arguments: Any) -> Shape:
    return convert.session(await info.context.by_id.sessions.get(arguments["id"]))


@query.field("getMySessions")
@field_resolver
async def list_my_sessions(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_sessions_request(context.person.id, arguments)
    reply = await context.call_once(context.peers.session.ListSessions, request)
    return page([convert.session(session) for session in reply.sessions], reply, arguments)


@booking.field("session")
@field_resolver
async def session_of_booking(booking: Shape, info: Info) -> Shape | None:
    """The lesson. A booking has its id from the start, but the lesson exists only once it is confirmed."""
    found = await info.context.by_id.sessions.find(booking["sessionId"])
    return convert.session(found) if found else None


@session.field("booking")
@field_resolver
async def booking_of_session(session: Shape, info: Info) -> Shape | None:
    found = await info.context.by_id.bookings.find(session["bookingId"])
    return bookings.booking(found) if found else None
