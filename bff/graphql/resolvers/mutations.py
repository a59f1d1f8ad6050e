"""What can be changed. The edge says who asks; the services decide."""

from __future__ import annotations

from typing import Any

from ariadne import MutationType

from bff.graphql import convert
from bff.graphql.context import BOOK_SECONDS, CANCEL_SECONDS, Context, Info
from bff.graphql.convert import Shape
from bff.graphql.errors import changes
from bff.graphql.loaders import READ_SECONDS
from mesh.calls import Person
from mesh.errors import Forbidden
from tutormesh.session.v1 import session_pb2

mutation = MutationType()


@mutation.field("bookSession")
@changes
async def book_session(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    student = caller(context, "student")
    request = convert.book_session(student.id, arguments)
    return convert.booked(await context.mesh.payment.BookSession(request, timeout=BOOK_SECONDS))


@mutation.field("cancelBooking")
@changes
async def cancel_booking(_: None, info: Info, **arguments: Any) -> Shape:
    return await _cancelled(info.context, arguments["bookingId"], arguments)


@mutation.field("cancelSession")
@changes
async def cancel_session(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = session_pb2.GetSessionRequest(session_id=arguments["sessionId"])
    # Not remembered as other reads are: the cancel is about to change it.
    reply = await context.mesh.session.GetSession(request, timeout=READ_SECONDS)
    return await _cancelled(context, reply.session.booking_id, arguments)


@mutation.field("publishAvailability")
@changes
async def publish_availability(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    tutor = caller(context, "tutor")
    request = convert.publish_availability(tutor.id, arguments["input"])
    await context.mesh.availability.PublishAvailability(request, timeout=READ_SECONDS)
    return {"tutorId": request.tutor_id, "tutor": {"id": request.tutor_id}, "userErrors": []}


async def _cancelled(context: Context, booking_id: str, arguments: Shape) -> Shape:
    """Whoever asks: the payment service knows whose booking it is."""
    request = convert.cancel_booking(booking_id, arguments)
    return convert.cancelled(booking_id, await context.mesh.payment.CancelBooking(request, timeout=CANCEL_SECONDS))


def caller(context: Context, role: str) -> Person:
    if role not in context.person.roles:
        raise Forbidden(f"only a {role} may do this")
    return context.person
