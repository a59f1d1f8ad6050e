"""Resolvers of `learning.graphql`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from ariadne import MutationType, ObjectType, QueryType, SubscriptionType

from bff.graphql.booking_watch import watch_enrollment
from bff.graphql.context import Info
from bff.graphql.convert import learning as convert
from bff.graphql.convert.payments import cancellation_quote
from bff.graphql.convert.values import Shape, page
from bff.graphql.errors import field_resolver, mutation_resolver, to_graphql_error
from bff.graphql.resolvers.bookings import publishable_key
from bff.peers import BOOK_SECONDS, CANCEL_SECONDS, READ_SECONDS
from mesh.errors import CallFailed, Refusal
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

query, mutation, subscription = QueryType(), MutationType(), SubscriptionType()
enrollment, booking = ObjectType("Enrollment"), ObjectType("Booking")
enroll_payload, cancel_payload = ObjectType("EnrollInCoursePayload"), ObjectType("CancelEnrollmentPayload")
BINDABLES = (query, mutation, subscription, enrollment, booking, enroll_payload, cancel_payload)

enroll_payload.set_field("publishableKey", publishable_key)


@query.field("courses")
@field_resolver
async def list_courses(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    list_courses = context.open_peers().learning.ListCourses
    reply = await context.call_once(list_courses, convert.list_courses_request(arguments))
    return page([convert.course(course) for course in reply.courses], reply, arguments)


@query.field("course")
@field_resolver
async def get_course(_: None, info: Info, **arguments: Any) -> Shape:
    return convert.course(await info.context.open_loaders().courses.get(arguments["id"]))


@query.field("getMyEnrollments")
@field_resolver
async def list_my_enrollments(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_enrollments_request(context.person.id, arguments)
    reply = await context.call_once(context.peers.learning.ListEnrollments, request)
    return page([convert.enrollment(enrollment) for enrollment in reply.enrollments], reply, arguments)


@query.field("enrollmentQuote")
@field_resolver
async def quote_cancellation(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = payment_pb2.QuoteEnrollmentCancellationRequest(enrollment_id=arguments["enrollmentId"])
    quote = await context.call_once(context.peers.payment.QuoteEnrollmentCancellation, request)
    return cancellation_quote(quote)


@mutation.field("enrollInCourse")
@mutation_resolver
async def enroll_in_course(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.enroll_request(context.require_role("student").id, arguments)
    return convert.enroll_payload(await context.peers.payment.EnrollInCourse(request, timeout=BOOK_SECONDS))


@mutation.field("cancelEnrollment")
@mutation_resolver
async def cancel_enrollment(_: None, info: Info, **arguments: Any) -> Shape:
    """Any role may try: the payment service knows whose enrollment it is."""
    request = convert.cancel_enrollment_request(arguments)
    reply = await info.context.peers.payment.CancelEnrollment(request, timeout=CANCEL_SECONDS)
    return convert.cancel_enrollment_payload(arguments["enrollmentId"], reply)


@mutation.field("createCourse")
@mutation_resolver
async def create_course(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.create_course_request(uuid4(), context.require_role("tutor").id, arguments["input"])
    reply = await context.peers.learning.CreateCourse(request, timeout=READ_SECONDS)
    return {"course": convert.course(reply.course), "userErrors": []}


@mutation.field("publishCourse")
@mutation_resolver
async def publish_course(_: None, info: Info, **arguments: Any) -> Shape:
    """Any role may try: the learning service knows whose course it is."""
    request = learning_pb2.PublishCourseRequest(course_id=arguments["id"])
    reply = await info.context.peers.learning.PublishCourse(request, timeout=READ_SECONDS)
    return {"course": convert.course(reply.course), "userErrors": []}


@enroll_payload.field("enrollment")
@cancel_payload.field("enrollment")
@field_resolver
async def enrollment_of_payload(payload: Shape, info: Info) -> Shape | None:
    """The enrollment after the change. A refused mutation has none."""
    if "enrollmentId" not in payload:
        return None
    return convert.enrollment(await info.context.by_id.enrollments.get(payload["enrollmentId"]))


@enrollment.field("course")
@booking.field("course")
@field_resolver
async def course_of_purchase(purchase: Shape, info: Info) -> Shape | None:
    """The course of an enrollment or a booking. A lesson may belong to none."""
    if not purchase["courseId"]:
        return None
    found = await info.context.by_id.courses.find(purchase["courseId"])
    return convert.course(found) if found else None


@subscription.source("enrollmentUpdated")
async def watch(_: None, info: Info, **arguments: Any) -> AsyncGenerator[learning_pb2.Enrollment, None]:
    try:
        async with aclosing(watch_enrollment(info.context.peers, arguments["enrollmentId"])) as enrollments:
            async for enrollment in enrollments:
                yield enrollment
    except (Refusal, CallFailed) as error:
        raise to_graphql_error(error, info) from error


@subscription.field("enrollmentUpdated")
def enrollment_updated(enrollment: learning_pb2.Enrollment, _: Info, **__: Any) -> Shape:
    return convert.enrollment(enrollment)
