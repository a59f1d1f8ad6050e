"""proto ↔ GraphQL shapes. Every function is pure; what a client wrote wrong raises BadInput naming its argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bff.graphql.scalars import instant
from bff.payment_refusal import refused_payment
from mesh import clock, wire
from mesh.errors import BadInput
from mesh.money import Money
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2, timeline_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

DEFAULT_MINUTES, DEFAULT_PAGE = 60, 20

Shape = dict[str, Any]
Arguments = dict[str, Any]


def list_slots(arguments: Arguments) -> availability_pb2.ListSlotsRequest:
    request = availability_pb2.ListSlotsRequest(
        tutor_id=arguments["tutorId"], duration_minutes=_or(arguments.get("durationMinutes"), DEFAULT_MINUTES)
    )
    getattr(request, "from").CopyFrom(_stamp(arguments["from"], "from"))
    request.to.CopyFrom(_stamp(arguments["to"], "to"))
    return request


def book_session(student: UUID, arguments: Arguments) -> payment_pb2.BookSessionRequest:
    """The lesson a student asks for. An empty text where a value belongs is refused, not read as none."""
    tutor, course, key = arguments["tutorId"], arguments.get("courseId"), arguments.get("idempotencyKey")
    if course is not None:
        wire.uuid(course, "courseId")
    if key == "":
        raise BadInput("must not be empty", field="idempotencyKey")
    return payment_pb2.BookSessionRequest(
        student_id=str(student),
        tutor_id=tutor,
        start_time=_stamp(arguments["time"], "time"),
        duration_minutes=_or(arguments.get("durationMinutes"), DEFAULT_MINUTES),
        course_id=course or "",
        purpose=arguments.get("purpose") or "",
        idempotency_key=key or "",
    )


def publish_availability(tutor: UUID, given: Arguments) -> availability_pb2.PublishAvailabilityRequest:
    rate = given["rate"]
    return availability_pb2.PublishAvailabilityRequest(
        tutor_id=str(tutor),
        timezone=given["timezone"],
        weekly=[_window(window) for window in given["weekly"]],
        minimum_notice_minutes=_or(given.get("minimumNoticeMinutes"), 0),
        buffer_minutes=_or(given.get("bufferMinutes"), 0),
        rate=money_pb2.Money(amount_minor=rate["amountMinor"], currency=rate["currency"]),
    )


def list_sessions(person: UUID, arguments: Arguments) -> session_pb2.ListSessionsRequest:
    status = arguments.get("status")
    return session_pb2.ListSessionsRequest(
        person_id=str(person),
        status=session_pb2.SessionStatus.Value(f"SESSION_STATUS_{status or 'UNSPECIFIED'}"),
        page_size=page_size(arguments),
        page_token=arguments.get("after") or "",
    )


def list_bookings(person: UUID, arguments: Arguments) -> booking_pb2.ListBookingsRequest:
    status = arguments.get("status")
    return booking_pb2.ListBookingsRequest(
        person_id=str(person),
        status=booking_pb2.BookingStatus.Value(f"BOOKING_STATUS_{status or 'UNSPECIFIED'}"),
        page_size=page_size(arguments),
        page_token=arguments.get("after") or "",
    )


def list_payments(student: UUID, arguments: Arguments) -> payment_pb2.ListPaymentsRequest:
    return payment_pb2.ListPaymentsRequest(
        student_id=str(student), page_size=page_size(arguments), page_token=arguments.get("after") or ""
    )


def cancel_booking(booking_id: str, arguments: Arguments) -> payment_pb2.CancelBookingRequest:
    """The booking to end. An empty quote is refused: read as none, it would pay another amount than was promised."""
    quote = arguments.get("quoteToken")
    if quote == "":
        raise BadInput("must not be empty", field="quoteToken")
    return payment_pb2.CancelBookingRequest(
        booking_id=booking_id, quote_token=quote or "", reason=arguments.get("reason") or ""
    )


def slot(value: availability_pb2.Slot) -> Shape:
    return {"start": _iso(value.start), "end": _iso(value.end), "price": money(value.price)}


def booked(reply: payment_pb2.BookSessionResponse) -> Shape:
    """The payload of bookSession but for its booking, which is read when it is selected."""
    return {
        "bookingId": reply.booking_id,
        "clientSecret": reply.client_secret or None,
        "paymentIntentId": reply.payment_intent_id or None,
        "sagaId": reply.saga_id or None,
        "holdExpiresAt": given(reply, "hold_expires_at"),
        "userErrors": unpayable(reply),
    }


def unpayable(reply: payment_pb2.BookSessionResponse | payment_pb2.EnrollInCourseResponse) -> list[Shape]:
    """The user error of what was made and cannot be paid. It is shown beside it, and again with each repeat."""
    refusal = refused_payment(reply)
    if refusal is None:
        return []
    return [{"code": refusal.reason, "message": refusal.message, "field": None, "retryable": False}]


def cancelled(booking_id: str, reply: payment_pb2.CancelBookingResponse) -> Shape:
    """The payload of a cancel but for its booking, which is read when it is selected."""
    return {"bookingId": booking_id, "refund": money(reply.refund), "userErrors": []}


def cancellation_quote(reply: payment_pb2.QuoteCancellationResponse) -> Shape:
    return {
        "refund": money(reply.refund),
        "percent": reply.percent,
        "rule": reply.rule,
        "token": reply.token,
        "expiresAt": _iso(reply.expires_at),
    }


def booking(value: booking_pb2.Booking) -> Shape:
    """A booking, with the ids that lead to its session and payment."""
    return {
        "id": value.id,
        "status": enum_name(booking_pb2.BookingStatus, value.status),
        **_people(value),
        "courseId": value.course_id or None,
        "startTime": _iso(value.start_time),
        "endTime": _iso(value.end_time),
        "price": money(value.price),
        "purpose": value.purpose or None,
        "holdExpiresAt": given(value, "hold_expires_at"),
        "availabilityBlockId": value.availability_block_id or None,
        "createdAt": _iso(value.created_at),
        "sessionId": value.session_id,
        "paymentId": value.payment_id,
    }


def session(value: session_pb2.Session) -> Shape:
    return {
        "id": value.id,
        "bookingId": value.booking_id,
        **_people(value),
        "scheduledAt": _iso(value.scheduled_at),
        "durationMinutes": value.duration_minutes,
        "status": enum_name(session_pb2.SessionStatus, value.status),
        "meetingLink": value.meeting_link or None,
    }


def payment(value: payment_pb2.Payment) -> Shape:
    none = money_pb2.Money(amount_minor=0, currency=value.amount.currency)
    return {
        "id": value.id,
        "amount": money(value.amount),
        "refunded": money(value.refunded if value.HasField("refunded") else none),
        "status": enum_name(payment_pb2.PaymentStatus, value.status),
        "context": enum_name(payment_pb2.PaymentContext, value.context),
        "contextId": value.context_id,
        "sessionId": value.session_id or None,
        "stripePaymentIntentId": value.stripe_payment_intent_id or None,
        "disputed": value.disputed,
        "createdAt": _iso(value.created_at),
    }


def timeline(*parts: Iterable[timeline_pb2.TimelineEntry]) -> list[Shape]:
    """What several services tell, oldest first; at the same instant in the order of the parts."""
    entries = [entry for part in parts for entry in part]
    entries.sort(key=lambda entry: (entry.at.seconds, entry.at.nanos))
    return [
        {"at": _iso(entry.at), "service": entry.service, "event": entry.event, "detail": entry.detail or None}
        for entry in entries
    ]


def page(nodes: list[Shape], next_page_token: str) -> Shape:
    return {"nodes": nodes, "pageInfo": {"hasNextPage": bool(next_page_token), "endCursor": next_page_token or None}}


def money(value: money_pb2.Money) -> Shape:
    display = Money(value.amount_minor, value.currency).display
    return {"amountMinor": value.amount_minor, "currency": value.currency, "display": display}


def _people(value: booking_pb2.Booking | session_pb2.Session) -> Shape:
    return {
        "tutorId": value.tutor_id,
        "tutor": {"id": value.tutor_id},
        "studentId": value.student_id,
        "student": {"id": value.student_id},
    }


def _window(window: Arguments) -> availability_pb2.WeeklyWindow:
    weekday = availability_pb2.Weekday.Value(f"WEEKDAY_{window['weekday']}")
    return availability_pb2.WeeklyWindow(weekday=weekday, start=window["start"], end=window["end"])


def page_size(arguments: Arguments) -> int:
    return wire.whole(_or(arguments.get("first"), DEFAULT_PAGE), "first", 1, wire.MAX_PAGE)


def _or(value: int | None, default: int) -> int:
    """An argument given as null means its default too."""
    return default if value is None else value


def _stamp(text: str, field: str) -> Timestamp:
    stamp = clock.to_proto(instant(text, field))
    assert stamp is not None
    return stamp


def _iso(stamp: Timestamp) -> str:
    return clock.iso(stamp.ToDatetime(tzinfo=UTC))


def given(message: Message, field: str) -> str | None:
    return _iso(getattr(message, field)) if message.HasField(field) else None


def enum_name(enum: Any, number: int) -> str:
    """BOOKING_STATUS_CONFIRMED → CONFIRMED."""
    prefix: str = enum.Name(0).removesuffix("UNSPECIFIED")
    name: str = enum.Name(number)
    return name.removeprefix(prefix)
