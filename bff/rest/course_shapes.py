"""Courses and enrollments in REST's answers, and the bodies of requests about them."""

from __future__ import annotations

from dataclasses import dataclass

from bff.rest.json_schema import (
    AMOUNT,
    AMOUNT_IN,
    CURRENCY,
    CURRENCY_IN,
    ENGINE,
    REFUND_STATE,
    RETURN_PAGES,
    TIME,
    UUID,
    Schema,
    list_of,
    nullable,
    record,
)
from bff.rest.shapes import INTENT, PAYMENT_URL, Property, Purchase, amount, schemas
from bff.times import format_optional_time, format_time
from tutormesh.common.v1 import money_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

MOST_SEATS = 1_000_000


@dataclass(frozen=True)
class Seat(Purchase):
    """An enrollment and its payment."""

    enrollment: learning_pb2.Enrollment
    payment: payment_pb2.Payment | None

    @property
    def price(self) -> money_pb2.Money:
        return self.enrollment.price


def enrollment_status(number: learning_pb2.EnrollmentStatus.ValueType) -> str:
    """ENROLLMENT_STATUS_PAYMENT_REQUIRED → payment_required."""
    return learning_pb2.EnrollmentStatus.Name(number).removeprefix("ENROLLMENT_STATUS_").lower()


_STATUS: Schema = {
    "type": "string",
    "enum": [enrollment_status(number) for number in learning_pb2.EnrollmentStatus.values() if number],
}
_TITLE: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
_SEATS: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_SEATS}
_SECRET: Schema = {
    "type": "string",
    "description": "For Stripe.js. Only the student and services see it, while the enrollment awaits payment.",
}

COURSE: tuple[Property[learning_pb2.Course], ...] = (
    Property("uuid", UUID, lambda course: course.id),
    Property("title", _TITLE, lambda course: course.title),
    Property("instructor_uuid", UUID, lambda course: course.instructor_id),
    Property("price_amount", AMOUNT, lambda course: amount(course.price)),
    Property("currency", CURRENCY, lambda course: course.price.currency),
    Property("published", {"type": "boolean"}, lambda course: course.published),
    Property("seats", nullable(_SEATS | {"description": "Null for no limit."}), lambda course: course.seats or None),
    Property("seats_taken", {"type": "integer", "minimum": 0}, lambda course: course.seats_taken),
    Property("created_at", TIME, lambda course: format_time(course.created_at)),
)
#: An enrollment for its student, its instructor and services: without the secret that pays for it.
ENROLLMENT: tuple[Property[Seat], ...] = (
    Property("uuid", UUID, lambda seat: seat.enrollment.id),
    Property("status", _STATUS, lambda seat: enrollment_status(seat.enrollment.status)),
    Property("course_uuid", UUID, lambda seat: seat.enrollment.course_id),
    Property("student_uuid", UUID, lambda seat: seat.enrollment.student_id),
    Property("instructor_uuid", UUID, lambda seat: seat.enrollment.instructor_id),
    Property("price_amount", AMOUNT, lambda seat: amount(seat.price)),
    Property("currency", CURRENCY, lambda seat: seat.price.currency),
    Property("payment_session_id", nullable(INTENT), lambda seat: seat.payment_session_id),
    Property("payment_url", nullable(PAYMENT_URL), lambda seat: seat.payment_url),
    Property("refunded_amount", AMOUNT | {"description": "What is back."}, lambda seat: amount(seat.refunded)),
    Property(
        "refund_pending_amount",
        AMOUNT | {"description": "What is on its way back."},
        lambda seat: amount(seat.refund_pending),
    ),
    Property("refund_state", REFUND_STATE, lambda seat: seat.refund_state),
    Property("hold_expires_at", nullable(TIME), lambda seat: format_optional_time(seat.enrollment, "hold_expires_at")),
    Property("created_at", TIME, lambda seat: format_time(seat.enrollment.created_at)),
)
COURSE_SCHEMAS: dict[str, Schema] = {
    "NewCourse": record(
        {
            "title": _TITLE,
            "price_amount": AMOUNT_IN | {"description": "What an enrollment costs; 0 is free."},
            "currency": CURRENCY_IN,
        },
        {
            "seats": nullable(_SEATS | {"description": "Null for no limit."}),
            "instructor_uuid": UUID | {"description": "Default: the caller. A service must name the instructor."},
        },
    ),
    "NewEnrollment": record(
        {
            "student_uuid": UUID | {"description": "A student enrolls themselves, a service anyone."},
            "course_uuid": UUID,
        },
        {
            "price_amount": AMOUNT_IN
            | {
                "description": "The price that the student was shown, with its currency. Another one is AMOUNT_MISMATCH."
            },
            "currency": CURRENCY_IN,
            "payment_engine": ENGINE
            | {"description": "The payment provider. Only a service may choose another than the default one."},
        }
        | RETURN_PAGES,
    ),
    "Course": record(schemas(COURSE)),
    "Courses": record(
        {
            "courses": list_of(record(schemas(COURSE))),
            "has_next_page": {"type": "boolean"},
            "end_cursor": nullable({"type": "string", "description": "Pass it as `after` for the next page."}),
        }
    ),
    "Enrollment": record(schemas(ENROLLMENT)),
    "EnrollmentToPay": record(schemas(ENROLLMENT) | {"client_secret": nullable(_SECRET)}),
    "CancelledEnrollment": record(schemas(ENROLLMENT) | {"refund_amount": AMOUNT, "refund_currency": CURRENCY}),
}
