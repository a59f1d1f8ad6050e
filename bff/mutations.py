"""What can be changed. The edge says who asks; the services decide."""

from __future__ import annotations

from typing import Any

from ariadne import MutationType

from bff import convert
from bff.context import BOOK_SECONDS, READ_SECONDS, Context, Info
from bff.convert import Shape
from bff.errors import changes
from mesh.calls import Person
from mesh.errors import Forbidden

mutation = MutationType()


@mutation.field("bookSession")
@changes
async def book_session(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    student = _caller(context, "student")
    request = convert.book_session(student.id, arguments)
    return convert.booked(await context.mesh.payment.BookSession(request, timeout=BOOK_SECONDS))


@mutation.field("publishAvailability")
@changes
async def publish_availability(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    tutor = _caller(context, "tutor")
    request = convert.publish_availability(tutor.id, arguments["input"])
    await context.mesh.availability.PublishAvailability(request, timeout=READ_SECONDS)
    return {"tutorId": request.tutor_id, "userErrors": []}


def _caller(context: Context, role: str) -> Person:
    if role not in context.person.roles:
        raise Forbidden(f"only a {role} may do this")
    return context.person
