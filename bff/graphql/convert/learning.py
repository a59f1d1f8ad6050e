"""proto ↔ the schema of `learning.graphql`."""

from __future__ import annotations

from uuid import UUID

from bff.graphql.convert.payments import payment_errors
from bff.graphql.convert.values import (
    Arguments,
    Shape,
    enum_name,
    money,
    optional_text,
    read_money,
    read_optional_money,
    read_page,
    user,
)
from bff.times import format_optional_time
from mesh import wire
from mesh.errors import BadInput
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

NO_LIMIT = 0


def create_course_request(course_id: UUID, instructor: UUID, given: Arguments) -> learning_pb2.CreateCourseRequest:
    """A draft whose id the edge chose: a channel that sends the request again makes no second course."""
    seats = given.get("seats")
    if seats == NO_LIMIT:
        raise BadInput("must be 1 or more; null is no limit", field="seats")
    return learning_pb2.CreateCourseRequest(
        course_id=str(course_id),
        title=given["title"],
        instructor_id=str(instructor),
        price=read_money(given["price"]),
        seats=NO_LIMIT if seats is None else seats,
    )


def enroll_request(student: UUID, arguments: Arguments) -> payment_pb2.EnrollInCourseRequest:
    """The seat that a student orders. An empty key is refused, not read as none."""
    key = optional_text(arguments, "idempotencyKey")
    wire.uuid(arguments["courseId"], "courseId")
    return payment_pb2.EnrollInCourseRequest(
        student_id=str(student),
        course_id=arguments["courseId"],
        idempotency_key=key,
        expected_price=read_optional_money(arguments.get("price")),
        timezone=optional_text(arguments, "timezone"),
        locale=optional_text(arguments, "locale"),
        return_url=optional_text(arguments, "returnUrl"),
        cancel_url=optional_text(arguments, "cancelUrl"),
    )


def cancel_enrollment_request(arguments: Arguments) -> payment_pb2.CancelEnrollmentRequest:
    """The enrollment to cancel. An empty quote is refused: read as none, it could pay another amount than the quoted one."""
    quote = optional_text(arguments, "quoteToken")
    return payment_pb2.CancelEnrollmentRequest(
        enrollment_id=arguments["enrollmentId"], quote_token=quote, reason=arguments.get("reason") or ""
    )


def list_courses_request(arguments: Arguments) -> learning_pb2.ListCoursesRequest:
    return learning_pb2.ListCoursesRequest(**read_page(arguments))


def list_enrollments_request(student: UUID, arguments: Arguments) -> learning_pb2.ListEnrollmentsRequest:
    return learning_pb2.ListEnrollmentsRequest(student_id=str(student), **read_page(arguments))


def course(value: learning_pb2.Course) -> Shape:
    return {
        "id": value.id,
        "title": value.title,
        "instructorId": value.instructor_id,
        "instructor": user(value.instructor_id),
        "price": money(value.price),
        "published": value.published,
        "seats": None if value.seats == NO_LIMIT else value.seats,
        "seatsTaken": value.seats_taken,
    }


def enrollment(value: learning_pb2.Enrollment) -> Shape:
    """An Enrollment, with the id that leads to its payment."""
    return {
        "id": value.id,
        "courseId": value.course_id,
        "studentId": value.student_id,
        "student": user(value.student_id),
        "status": enum_name(learning_pb2.EnrollmentStatus, value.status),
        "holdExpiresAt": format_optional_time(value, "hold_expires_at"),
        "paymentId": value.payment_id,
    }


def enroll_payload(reply: payment_pb2.EnrollInCourseResponse) -> Shape:
    """An EnrollInCoursePayload without its enrollment, which is read when it is selected."""
    return {
        "enrollmentId": reply.enrollment_id,
        "clientSecret": reply.client_secret or None,
        "paymentIntentId": reply.payment_intent_id or None,
        "sagaId": reply.saga_id or None,
        "holdExpiresAt": format_optional_time(reply, "hold_expires_at"),
        "checkoutUrl": reply.checkout_url or None,
        "userErrors": payment_errors(reply),
    }


def cancel_enrollment_payload(enrollment_id: str, reply: payment_pb2.CancelEnrollmentResponse) -> Shape:
    return {"enrollmentId": enrollment_id, "refund": money(reply.refund), "userErrors": []}
