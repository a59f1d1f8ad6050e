"""The objects in REST's answers. Each property is declared once: its name, its JSON Schema, and its value.

Names are REST's own, statuses are in lower case, amounts are decimal text, and times are in UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bff.rest.json_schema import AMOUNT, CURRENCY, REFUND_STATE, STATUS, TIME, UUID, Schema, nullable
from bff.times import format_optional_time, format_time
from mesh.money import Money
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

T = TypeVar("T")
Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Property(Generic[T]):
    """A property of an object made from a T."""

    name: str
    schema: Schema
    value: Callable[[T], object]


def to_json(properties: Iterable[Property[T]], source: T) -> Shape:
    """The object with these properties."""
    return {property.name: property.value(source) for property in properties}


def schemas(properties: Iterable[Property[T]]) -> dict[str, Schema]:
    """The JSON Schemas of these properties, by name."""
    return {property.name: property.schema for property in properties}


class Purchase(ABC):
    """Something with a price, and its payment: there is none when it is free, or when its payment was never opened."""

    payment: payment_pb2.Payment | None

    @property
    @abstractmethod
    def price(self) -> money_pb2.Money: ...

    @property
    def refunded(self) -> money_pb2.Money:
        return self.payment.refunded if self.payment and self.payment.HasField("refunded") else self._nothing

    @property
    def refund_pending(self) -> money_pb2.Money:
        payment = self.payment
        return payment.refund_pending if payment and payment.HasField("refund_pending") else self._nothing

    @property
    def refund_state(self) -> str:
        """REFUND_STATE_NEEDS_REVIEW → needs_review."""
        number = self.payment.refund_state if self.payment else payment_pb2.REFUND_STATE_NONE
        told = payment_pb2.RefundState.Name(number or payment_pb2.REFUND_STATE_NONE)
        return told.removeprefix("REFUND_STATE_").lower()

    @property
    def payment_session_id(self) -> str | None:
        return (self.payment.stripe_payment_intent_id or None) if self.payment else None

    @property
    def _nothing(self) -> money_pb2.Money:
        return money_pb2.Money(amount_minor=0, currency=self.price.currency)


@dataclass(frozen=True)
class Sold(Purchase):
    """A booking, its payment and its lesson. There is no lesson before it is confirmed."""

    booking: booking_pb2.Booking
    payment: payment_pb2.Payment | None
    session: session_pb2.Session | None

    @property
    def price(self) -> money_pb2.Money:
        return self.booking.price


def status_name(number: booking_pb2.BookingStatus.ValueType) -> str:
    """BOOKING_STATUS_PAYMENT_REQUIRED → payment_required."""
    return booking_pb2.BookingStatus.Name(number).removeprefix("BOOKING_STATUS_").lower()


def amount(value: money_pb2.Money) -> str:
    """ "50.00", "2000", "1.250"."""
    return Money(value.amount_minor, value.currency).decimal


INTENT: Schema = {
    "type": "string",
    "description": "The PaymentIntent; cb_… for the provider callback; null when nothing is to be paid, and for the tutor.",
}

#: A booking for its student, its tutor and services: without the secret that pays for it.
BOOKING: tuple[Property[Sold], ...] = (
    Property("uuid", UUID, lambda sold: sold.booking.id),
    Property("status", STATUS, lambda sold: status_name(sold.booking.status)),
    Property("student_uuid", UUID, lambda sold: sold.booking.student_id),
    Property("instructor_uuid", UUID, lambda sold: sold.booking.tutor_id),
    Property("course_uuid", nullable(UUID), lambda sold: sold.booking.course_id or None),
    Property("start_time", TIME, lambda sold: format_time(sold.booking.start_time)),
    Property("end_time", TIME, lambda sold: format_time(sold.booking.end_time)),
    Property("price_amount", AMOUNT, lambda sold: amount(sold.booking.price)),
    Property("currency", CURRENCY, lambda sold: sold.booking.price.currency),
    Property("purpose", nullable({"type": "string"}), lambda sold: sold.booking.purpose or None),
    Property(
        "payment_session_id",
        nullable(INTENT),
        lambda sold: sold.payment_session_id,
    ),
    Property(
        "refunded_amount",
        AMOUNT | {"description": "What is back."},
        lambda sold: amount(sold.refunded),
    ),
    Property(
        "refund_pending_amount",
        AMOUNT | {"description": "What is on its way back."},
        lambda sold: amount(sold.refund_pending),
    ),
    Property("refund_state", REFUND_STATE, lambda sold: sold.refund_state),
    Property("availability_block_uuid", nullable(UUID), lambda sold: sold.booking.availability_block_id or None),
    Property("hold_expires_at", nullable(TIME), lambda sold: format_optional_time(sold.booking, "hold_expires_at")),
    Property(
        "meeting_link",
        nullable({"type": "string", "format": "uri", "description": "Where a confirmed lesson is held."}),
        lambda sold: (sold.session.meeting_link or None) if sold.session else None,
    ),
    Property("created_at", TIME, lambda sold: format_time(sold.booking.created_at)),
)
BLOCK: tuple[Property[availability_pb2.Block], ...] = (
    Property("uuid", UUID, lambda block: block.id),
    Property("start_time", TIME, lambda block: format_time(block.start)),
    Property("end_time", TIME, lambda block: format_time(block.end)),
)
SLOT: tuple[Property[availability_pb2.Slot], ...] = (
    Property("start_time", TIME, lambda slot: format_time(slot.start)),
    Property("end_time", TIME, lambda slot: format_time(slot.end)),
    Property("price_amount", AMOUNT, lambda slot: amount(slot.price)),
    Property("currency", CURRENCY, lambda slot: slot.price.currency),
)
