"""proto → REST's shapes: UUIDs by REST's names, statuses in lower case, amounts as decimal text, times in UTC."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import clock
from mesh.money import Money
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import payment_pb2

Shape = dict[str, Any]


def booking(value: booking_pb2.Booking, payment: payment_pb2.Payment | None) -> Shape:
    """A booking as its student, its tutor and services see it: without the secret that pays for it."""
    nothing = money_pb2.Money(amount_minor=0, currency=value.price.currency)
    return {
        "uuid": value.id,
        "status": status(value.status),
        "student_uuid": value.student_id,
        "instructor_uuid": value.tutor_id,
        "course_uuid": value.course_id or None,
        "start_time": iso(value.start_time),
        "end_time": iso(value.end_time),
        "price_amount": amount(value.price),
        "currency": value.price.currency,
        "purpose": value.purpose or None,
        "payment_session_id": payment.stripe_payment_intent_id if payment else None,
        "refunded_amount": amount(payment.refunded if payment and payment.HasField("refunded") else nothing),
        "availability_block_uuid": value.availability_block_id or None,
        "hold_expires_at": given(value, "hold_expires_at"),
        "created_at": iso(value.created_at),
    }


def status(number: booking_pb2.BookingStatus.ValueType) -> str:
    """BOOKING_STATUS_PAYMENT_REQUIRED → payment_required."""
    return booking_pb2.BookingStatus.Name(number).removeprefix("BOOKING_STATUS_").lower()


def block(value: availability_pb2.Block) -> Shape:
    return {"uuid": value.id, "start_time": iso(value.start), "end_time": iso(value.end)}


def slot(value: availability_pb2.Slot) -> Shape:
    return {
        "start_time": iso(value.start),
        "end_time": iso(value.end),
        "price_amount": amount(value.price),
        "currency": value.price.currency,
    }


def amount(value: money_pb2.Money) -> str:
    """ "50.00", "2000", "1.250"."""
    return Money(value.amount_minor, value.currency).decimal


def iso(stamp: Timestamp) -> str:
    return clock.iso(stamp.ToDatetime(tzinfo=UTC))


def given(message: Message, field: str) -> str | None:
    return iso(getattr(message, field)) if message.HasField(field) else None
