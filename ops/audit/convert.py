"""Convert proto messages into the audit's records."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from ops.audit.records import (
    Amount,
    Booking,
    Claim,
    Course,
    Enrollment,
    Intent,
    Payment,
    ProviderRefund,
    Refund,
    Saga,
    Session,
)
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2, saga_pb2
from tutormesh.session.v1 import session_pb2


def is_ours(id_: str) -> bool:
    """True for an id of ours, a UUID in its canonical form; false for a provider's."""
    try:
        return str(UUID(id_)) == id_
    except ValueError:
        return False


def claim(row: availability_pb2.Claim) -> Claim:
    state = availability_pb2.ClaimState.Name(row.state).removeprefix("CLAIM_STATE_")
    return Claim(row.id, row.calendar_id, row.saga_id, state, _at(row.start), _at(row.end))


def booking(row: booking_pb2.Booking) -> Booking:
    return Booking(
        id=row.id,
        saga_id=row.saga_id,
        status=booking_pb2.BookingStatus.Name(row.status).removeprefix("BOOKING_STATUS_"),
        tutor_id=row.tutor_id,
        student_id=row.student_id,
        start=_at(row.start_time),
        end=_at(row.end_time),
        price=_amount(row.price),
        block_id=row.availability_block_id,
        session_id=row.session_id,
        payment_id=row.payment_id,
    )


def session(row: session_pb2.Session) -> Session:
    return Session(
        id=row.id,
        saga_id=row.saga_id,
        booking_id=row.booking_id,
        status=session_pb2.SessionStatus.Name(row.status).removeprefix("SESSION_STATUS_"),
        tutor_id=row.tutor_id,
        student_id=row.student_id,
        start=_at(row.scheduled_at),
        minutes=row.duration_minutes,
    )


def course(row: learning_pb2.SeatCount) -> Course:
    return Course(row.course_id, row.seats, row.seats_taken, row.active, row.held)


def enrollment(row: learning_pb2.Enrollment) -> Enrollment:
    return Enrollment(
        id=row.id,
        saga_id=row.saga_id,
        course_id=row.course_id,
        student_id=row.student_id,
        instructor_id=row.instructor_id,
        status=learning_pb2.EnrollmentStatus.Name(row.status).removeprefix("ENROLLMENT_STATUS_"),
        price=_amount(row.price),
        payment_id=row.payment_id,
    )


def saga(row: saga_pb2.Saga) -> Saga:
    return Saga(
        id=row.id,
        kind=row.kind,
        state=row.state,
        is_complete=row.is_complete,
        tutor_id=row.tutor_id,
        student_id=row.student_id,
        start=_at(row.start_time) if row.HasField("start_time") else None,
        minutes=row.duration_minutes,
        booking_id=row.booking_id,
        session_id=row.session_id,
        payment_id=row.payment_id,
        intent_id=row.payment_intent_id,
        price=_amount(row.price) if row.HasField("price") else None,
        error=row.error,
        wake_at=_at(row.wake_at) if row.HasField("wake_at") else None,
        refund_due=_amount(row.refund_due) if row.HasField("refund_due") else None,
        cancels=row.cancels_saga_id,
        is_resolved=row.resolved,
        enrollment_id=row.enrollment_id,
        course_id=row.course_id,
    )


def payment(row: payment_pb2.Payment) -> Payment:
    return Payment(
        id=row.id,
        saga_id=row.saga_id,
        booking_id=row.booking_id,
        session_id=row.session_id,
        intent_id=row.stripe_payment_intent_id,
        status=payment_pb2.PaymentStatus.Name(row.status).removeprefix("PAYMENT_STATUS_"),
        amount=_amount(row.amount),
        received_minor=row.received_minor,
        refunds=tuple(_refund(refund) for refund in row.refunds),
        enrollment_id=row.enrollment_id,
    )


def intent(row: saga_pb2.ProviderIntent) -> Intent:
    return Intent(
        id=row.id,
        status=row.status,
        amount=_amount(row.amount),
        received_minor=row.received_minor,
        saga_id=row.saga_id,
        payment_id=row.payment_id,
        refunds=tuple(ProviderRefund(item.id, item.status, item.amount_minor, item.refund_id) for item in row.refunds),
    )


def _refund(row: payment_pb2.Refund) -> Refund:
    return Refund(
        id=row.id,
        provider_id=row.provider_refund_id,
        intent_id=row.payment_intent_id,
        minor=row.amount.amount_minor,
        status=payment_pb2.RefundStatus.Name(row.status).removeprefix("REFUND_STATUS_"),
        reason=row.reason,
    )


def _amount(value: money_pb2.Money) -> Amount:
    return Amount(value.amount_minor, value.currency)


def _at(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
