"""proto ↔ the schema of `bookings.graphql`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from bff.graphql.convert.payments import payment_errors
from bff.graphql.convert.values import (
    DEFAULT_MINUTES,
    Arguments,
    Shape,
    enum_name,
    enum_number,
    money,
    optional_text,
    or_default,
    read_lessons,
    read_optional_money,
    read_page,
    user,
)
from bff.times import format_optional_time, format_time, parse_timestamp
from mesh import wire
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import timeline_pb2
from tutormesh.payment.v1 import payment_pb2


def book_session_request(student: UUID, arguments: Arguments) -> payment_pb2.BookSessionRequest:
    """The lesson that a student orders. Empty text in place of a course or a key is refused, not read as none."""
    course = arguments.get("courseId")
    if course is not None:
        wire.uuid(course, "courseId")
    key = optional_text(arguments, "idempotencyKey")
    return payment_pb2.BookSessionRequest(
        student_id=str(student),
        tutor_id=arguments["tutorId"],
        start_time=parse_timestamp(arguments["time"], "time"),
        duration_minutes=or_default(arguments.get("durationMinutes"), DEFAULT_MINUTES),
        course_id=course or "",
        purpose=arguments.get("purpose") or "",
        idempotency_key=key,
        expected_price=read_optional_money(arguments.get("price")),
        timezone=optional_text(arguments, "timezone"),
        locale=optional_text(arguments, "locale"),
        return_url=optional_text(arguments, "returnUrl"),
        cancel_url=optional_text(arguments, "cancelUrl"),
    )


def cancel_booking_request(booking_id: str, arguments: Arguments) -> payment_pb2.CancelBookingRequest:
    """The booking to cancel. An empty quote is refused: read as none, it could pay another amount than the quoted one."""
    quote = optional_text(arguments, "quoteToken")
    return payment_pb2.CancelBookingRequest(
        booking_id=booking_id, quote_token=quote, reason=arguments.get("reason") or ""
    )


def list_bookings_request(person: UUID, arguments: Arguments) -> booking_pb2.ListBookingsRequest:
    status = enum_number(booking_pb2.BookingStatus, arguments.get("status"))
    order = enum_number(booking_pb2.BookingOrder, arguments.get("order"))
    return booking_pb2.ListBookingsRequest(
        person_id=str(person),
        status=cast("booking_pb2.BookingStatus.ValueType", status),
        order=cast("booking_pb2.BookingOrder.ValueType", order),
        **read_lessons(arguments),
        **read_page(arguments),
    )


def booking(value: booking_pb2.Booking) -> Shape:
    """A Booking, with the ids that lead to its session and payment."""
    return {
        "id": value.id,
        "status": enum_name(booking_pb2.BookingStatus, value.status),
        "tutorId": value.tutor_id,
        "tutor": user(value.tutor_id),
        "studentId": value.student_id,
        "student": user(value.student_id),
        "courseId": value.course_id or None,
        "startTime": format_time(value.start_time),
        "endTime": format_time(value.end_time),
        "price": money(value.price),
        "purpose": value.purpose or None,
        "holdExpiresAt": format_optional_time(value, "hold_expires_at"),
        "availabilityBlockId": value.availability_block_id or None,
        "createdAt": format_time(value.created_at),
        "sessionId": value.session_id,
        "paymentId": value.payment_id,
    }


def timeline(*parts: Iterable[timeline_pb2.TimelineEntry]) -> list[Shape]:
    """The entries of several services, oldest first; entries of the same instant in the order of the parts."""
    entries = [entry for part in parts for entry in part]
    entries.sort(key=lambda entry: (entry.at.seconds, entry.at.nanos))
    return [
        {"at": format_time(entry.at), "service": entry.service, "event": entry.event, "detail": entry.detail or None}
        for entry in entries
    ]


def book_session_payload(reply: payment_pb2.BookSessionResponse) -> Shape:
    """A BookSessionPayload. Its booking is the one that was recorded just now, else it is read when it is selected."""
    return {
        "bookingId": reply.booking_id,
        "recorded": reply.booking if reply.HasField("booking") else None,
        "clientSecret": reply.client_secret or None,
        "paymentIntentId": reply.payment_intent_id or None,
        "sagaId": reply.saga_id or None,
        "holdExpiresAt": format_optional_time(reply, "hold_expires_at"),
        "checkoutUrl": reply.checkout_url or None,
        "userErrors": payment_errors(reply),
    }


def cancel_booking_payload(booking_id: str, reply: payment_pb2.CancelBookingResponse) -> Shape:
    """A CancelBookingPayload without its booking, which is read when it is selected."""
    return {"bookingId": booking_id, "refund": money(reply.refund), "userErrors": []}
