"""proto ↔ GraphQL shapes of courses and enrollments. Every function is pure; bad input raises BadInput by name."""

from __future__ import annotations

from uuid import UUID

from bff.graphql.convert import Arguments, Shape, enum_name, given, money, page_size, unpayable
from mesh import wire
from mesh.errors import BadInput
from tutormesh.common.v1 import money_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

NO_LIMIT = 0


def create_course(course_id: UUID, instructor: UUID, given: Arguments) -> learning_pb2.CreateCourseRequest:
    """A draft under an id of ours: sent again by a channel, it is no second course."""
    price, seats = given["price"], given.get("seats")
    if seats == NO_LIMIT:
        raise BadInput("must be 1 or more; null is no limit", field="seats")
    return learning_pb2.CreateCourseRequest(
        course_id=str(course_id),
        title=given["title"],
        instructor_id=str(instructor),
        price=money_pb2.Money(amount_minor=price["amountMinor"], currency=price["currency"]),
        seats=NO_LIMIT if seats is None else seats,
    )


def enroll(student: UUID, arguments: Arguments) -> payment_pb2.EnrollInCourseRequest:
    """The place a student asks for. An empty key is refused, not read as none."""
    key = arguments.get("idempotencyKey")
    if key == "":
        raise BadInput("must not be empty", field="idempotencyKey")
    wire.uuid(arguments["courseId"], "courseId")
    return payment_pb2.EnrollInCourseRequest(
        student_id=str(student), course_id=arguments["courseId"], idempotency_key=key or ""
    )


def cancel_enrollment(arguments: Arguments) -> payment_pb2.CancelEnrollmentRequest:
    return payment_pb2.CancelEnrollmentRequest(
        enrollment_id=arguments["enrollmentId"], reason=arguments.get("reason") or ""
    )


def list_courses(arguments: Arguments) -> learning_pb2.ListCoursesRequest:
    return learning_pb2.ListCoursesRequest(page_size=page_size(arguments), page_token=arguments.get("after") or "")


def list_enrollments(student: UUID, arguments: Arguments) -> learning_pb2.ListEnrollmentsRequest:
    return learning_pb2.ListEnrollmentsRequest(
        student_id=str(student), page_size=page_size(arguments), page_token=arguments.get("after") or ""
    )


def course(value: learning_pb2.Course) -> Shape:
    return {
        "id": value.id,
        "title": value.title,
        "instructorId": value.instructor_id,
        "instructor": {"id": value.instructor_id},
        "price": money(value.price),
        "published": value.published,
        "seats": None if value.seats == NO_LIMIT else value.seats,
        "seatsTaken": value.seats_taken,
    }


def enrollment(value: learning_pb2.Enrollment) -> Shape:
    """An enrollment, with the id that leads to its payment."""
    return {
        "id": value.id,
        "courseId": value.course_id,
        "studentId": value.student_id,
        "student": {"id": value.student_id},
        "status": enum_name(learning_pb2.EnrollmentStatus, value.status),
        "holdExpiresAt": given(value, "hold_expires_at"),
        "paymentId": value.payment_id,
    }


def enrolled(reply: payment_pb2.EnrollInCourseResponse) -> Shape:
    """The payload of enrollInCourse but for its enrollment, which is read when it is selected."""
    return {
        "enrollmentId": reply.enrollment_id,
        "clientSecret": reply.client_secret or None,
        "paymentIntentId": reply.payment_intent_id or None,
        "sagaId": reply.saga_id or None,
        "holdExpiresAt": given(reply, "hold_expires_at"),
        "userErrors": unpayable(reply),
    }


def cancelled(enrollment_id: str, reply: payment_pb2.CancelEnrollmentResponse) -> Shape:
    return {"enrollmentId": enrollment_id, "refund": money(reply.refund), "userErrors": []}
