"""Courses and enrollments: what can be asked and changed. The services decide."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ariadne import MutationType, ObjectType, QueryType

from bff.graphql import convert
from bff.graphql import convert_courses as shapes
from bff.graphql.context import BOOK_SECONDS, CANCEL_SECONDS, Info
from bff.graphql.convert import Shape
from bff.graphql.errors import changes, reads
from bff.graphql.loaders import READ_SECONDS
from bff.graphql.resolvers import types
from bff.graphql.resolvers.mutations import caller
from tutormesh.learning.v1 import learning_pb2

query, mutation = QueryType(), MutationType()
enrollment = ObjectType("Enrollment")
enroll_payload, cancel_payload = ObjectType("EnrollInCoursePayload"), ObjectType("CancelEnrollmentPayload")
bindables = (query, mutation, enrollment, enroll_payload, cancel_payload)

enrollment.set_field("payment", types.payment)
enroll_payload.set_field("publishableKey", types.publishable_key)


@query.field("courses")
@reads
async def courses(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    reply = await context.once(context.mesh.learning.ListCourses, shapes.list_courses(arguments))
    return convert.page([shapes.course(course) for course in reply.courses], reply.next_page_token)


@query.field("course")
@reads
async def course(_: None, info: Info, **arguments: Any) -> Shape:
    return shapes.course(await info.context.by_id.courses.get(arguments["id"]))


@query.field("getMyEnrollments")
@reads
async def my_enrollments(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = shapes.list_enrollments(context.person.id, arguments)
    reply = await context.once(context.mesh.learning.ListEnrollments, request)
    return convert.page([shapes.enrollment(found) for found in reply.enrollments], reply.next_page_token)


@mutation.field("enrollInCourse")
@changes
async def enroll_in_course(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = shapes.enroll(caller(context, "student").id, arguments)
    return shapes.enrolled(await context.mesh.payment.EnrollInCourse(request, timeout=BOOK_SECONDS))


@mutation.field("cancelEnrollment")
@changes
async def cancel_enrollment(_: None, info: Info, **arguments: Any) -> Shape:
    """Whoever asks: the payment service knows whose enrollment it is."""
    request = shapes.cancel_enrollment(arguments)
    reply = await info.context.mesh.payment.CancelEnrollment(request, timeout=CANCEL_SECONDS)
    return shapes.cancelled(arguments["enrollmentId"], reply)


@mutation.field("createCourse")
@changes
async def create_course(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = shapes.create_course(uuid4(), caller(context, "tutor").id, arguments["input"])
    reply = await context.mesh.learning.CreateCourse(request, timeout=READ_SECONDS)
    return {"course": shapes.course(reply.course), "userErrors": []}


@mutation.field("publishCourse")
@changes
async def publish_course(_: None, info: Info, **arguments: Any) -> Shape:
    """Whoever asks: the learning service knows whose course it is."""
    request = learning_pb2.PublishCourseRequest(course_id=arguments["id"])
    reply = await info.context.mesh.learning.PublishCourse(request, timeout=READ_SECONDS)
    return {"course": shapes.course(reply.course), "userErrors": []}


@enroll_payload.field("enrollment")
@cancel_payload.field("enrollment")
@reads
async def changed(payload: Shape, info: Info) -> Shape | None:
    if "enrollmentId" not in payload:  # refused: there is none
        return None
    return shapes.enrollment(await info.context.by_id.enrollments.get(payload["enrollmentId"]))


@enrollment.field("course")
@types.booking.field("course")
@reads
async def course_of(bought: Shape, info: Info) -> Shape | None:
    """The course that an enrollment is in, or that a booking belongs to. A lesson may belong to none."""
    if not bought["courseId"]:
        return None
    found = await info.context.by_id.courses.find(bought["courseId"])
    return shapes.course(found) if found else None
